package rules_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// A freezer's day: every kind of message once, and nothing twice.
func TestLife(t *testing.T) {
	p := newPlay(t, fever(wait(rules.Minute), keepFiring(rules.Minute), cooldown(10*rules.Minute),
		remind(3*rules.Minute), escalate(5*rules.Minute)))
	p.run("g g b b g g") // a short one, not long enough
	p.want(rules.OK)
	p.run("b b b")
	p.want(rules.Firing, "4m first phone sent")
	alert := p.alert().ID
	p.run("b*6 b*4") // reminded, then escalated
	p.run("c c")     // worse
	p.run("ack c*9") // somebody takes care: silence
	p.run("g g b g g g")
	told := []string{
		"4m first phone sent", "7m reminder phone sent", "9m escalation boss sent",
		"9m30s worsened pager sent", "9m30s worsened phone sent",
		"17m30s resolved boss sent", "17m30s resolved pager sent", "17m30s resolved phone sent",
	}
	p.want(rules.OK, told...)

	p.run("b b b").want(rules.Firing, append(told, "19m first phone sent")...)
	if p.alert().ID == alert {
		t.Error("the second episode has the id of the first")
	}
	p.run("snooze:5m b g g g b b b b")
	p.want(rules.Firing, append(told, "19m first phone sent", "21m resolved phone sent")...)
	if got := p.alert().Status(); got != rules.StatusAcknowledged {
		t.Errorf("an episode in a snooze is %s", got)
	}
	p.acts = map[string]func(*play){"delete": func(p *play) { p.l.Delete(p.setting(), ann) }}
	p.run("b b b delete . .")
	p.want(rules.OK,
		append(told, "19m first phone sent", "21m resolved phone sent", "24m first phone cancelled due 29m")...)
	if p.l.Busy() || p.l.Size() != 0 || p.l.Watched() {
		t.Errorf("a deleted rule is busy: %v, watched: %v, with %d series", p.l.Busy(), p.l.Watched(), p.l.Size())
	}
}

// Whatever happens in whatever order, the promises about messages hold.
func TestAnyLifeKeepsThePromises(t *testing.T) {
	words := strings.Fields("b b b b c c l g g g n u . . ack snooze:3m unack silence:2m silence:5m parent:alert:x " +
		"parent:rule:y parent: parent: restart milder graver other")
	for seed := range uint64(400) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			dice := rand.New(rand.NewPCG(seed, 1))
			p := newPlay(t, randomRule(dice))
			p.deaf = true // the test sends
			p.acts = map[string]func(*play){
				"restart": (*play).restart,
				"milder":  edit(func(r *rules.Rule) { r.Severity = rules.Low }),
				"graver":  edit(func(r *rules.Rule) { r.Severity = rules.Critical }),
				"other":   edit(func(r *rules.Rule) { r.Condition.Value.Low++ }),
			}
			var script []string
			for range 120 {
				word := words[dice.IntN(len(words))]
				if in := p.instance(); (word == "ack" || strings.HasPrefix(word, "snooze")) && (in == nil || in.Alert == nil) ||
					word == "unack" && (in == nil || in.Alert == nil || in.Alert.Ack == nil) {
					continue
				}
				script = append(script, word)
				p.run(word)
				deliver(p, dice)
				if err := promises(p); err != nil {
					t.Fatalf("after %s: %v\n%s", strings.Join(script, " "), err, strings.Join(p.messages(), "\n"))
				}
			}
			p.run("parent:")
			for range 120 {
				p.run("g")
				deliver(p, nil)
			}
			p.l.Alerts(func(a *rules.Alert) bool {
				t.Errorf("after %s: alert %s is still there", strings.Join(script, " "), a.ID)
				return true
			})
			for _, n := range p.log {
				if !n.State.Final() {
					t.Errorf("after %s: never out: %s %s %s", strings.Join(script, " "), n.Reason, n.Channel, n.State)
				}
				if n.Reason.Announces() && n.State == rules.Sent && !ended(p, n) {
					t.Errorf("after %s: the end of %s was not told on %s\n%s", strings.Join(script, " "), n.AlertID, n.Channel,
						strings.Join(p.messages(), "\n"))
				}
			}
		})
	}
}

func randomRule(dice *rand.Rand) rules.Rule {
	some := func(d ...rules.Duration) rules.Duration { return d[dice.IntN(len(d))] }
	return fever(func(r *rules.Rule) {
		r.For = some(0, 0, rules.Minute)
		r.KeepFiringFor = some(0, 0, rules.Minute)
		r.Cooldown = some(0, 2*rules.Minute, 10*rules.Minute)
		r.DependsOn = []string{"router"}
		r.NoData = []rules.NoData{rules.Keep, rules.OKPolicy, rules.AlertOn}[dice.IntN(3)]
		if dice.IntN(2) == 0 {
			r.Remind = []rules.Duration{rules.Minute, 3 * rules.Minute}
		}
		if dice.IntN(2) == 0 {
			r.Escalate = &rules.Escalation{After: 2 * rules.Minute, Channels: []string{"boss"}}
		}
		if dice.IntN(3) == 0 {
			r.Active = &rules.Active{Hours: "12:10-12:05"}
		}
	})
}

// deliver does one round of a dispatcher: what one alert owes a channel goes as
// one message, which may fail, or stay on its way until a later round. Without
// dice everything arrives.
func deliver(p *play, dice *rand.Rand) {
	fanOutOften(p, dice)
	groups := map[string][]*rules.Notification{}
	flying := map[string]bool{}
	p.l.Notifications(func(n *rules.Notification) bool {
		if n.Channel == "phone" && n.Target == "" {
			return true // not fanned out yet
		}
		key := n.AlertID + n.Channel + " " + n.Target
		if n.State == rules.Sending || n.State == rules.Owed && !n.Due.After(p.now) {
			groups[key] = append(groups[key], n)
			flying[key] = flying[key] || n.State == rules.Sending
		}
		return true
	})
	for key, list := range groups {
		outcome := rules.Outcome{State: rules.Sent}
		later := false
		if dice != nil {
			outcome.State = []rules.Delivery{rules.Sent, rules.Sent, rules.Sent, rules.Owed, rules.Dead}[dice.IntN(5)]
			outcome.Unknown = outcome.State != rules.Sent && dice.IntN(2) == 0
			later = dice.IntN(3) == 0
		}
		for _, n := range list {
			if n.State == rules.Owed && !flying[key] {
				p.l.Claim(n.ID, "m")
			}
		}
		for _, n := range list {
			if n.State == rules.Sending && !later {
				p.l.Record(n.ID, outcome, p.now.Add(step), p.now)
			}
		}
	}
	p.save()
}

// fanOutOften makes what is owed on the phone owed to each of its two targets. Now and
// then the dispatcher comes to it only later.
func fanOutOften(p *play, dice *rand.Rand) {
	if dice != nil && dice.IntN(4) == 0 {
		return
	}
	for _, n := range p.owed() {
		if n.Channel == "phone" && n.Target == "" && !n.Due.After(p.now) {
			p.l.FanOut(n.ID, []string{"a", "b"}, p.now)
		}
	}
	p.save()
}

// meets reports whether what went to one of two addresses went to the other too.
func meets(n, m *rules.Notification) bool {
	return n.Channel == m.Channel && (n.Target == m.Target || n.Target == "" || m.Target == "")
}

// ended reports whether the end of an episode was given to the address at which
// of announced it.
func ended(p *play, of *rules.Notification) bool {
	for _, n := range p.log {
		if n.AlertID == of.AlertID && meets(n, of) && n.Reason == rules.Resolved && n.State != rules.Cancelled {
			return true
		}
	}
	return false
}

// promises checks what must be true after every word.
func promises(p *play) error {
	for _, n := range p.log {
		if n.Reason == rules.Resolved && n.State == rules.Sent && !announced(p, n) {
			return fmt.Errorf("the end of what was never told went to %s", n.Channel)
		}
		if n.State.Final() == n.DoneAt.IsZero() {
			return fmt.Errorf("%s %s is %s, done at %v", n.Reason, n.Channel, n.State, n.DoneAt)
		}
		for _, m := range p.log {
			twice := m != n && n.Reason == rules.FirstNews && m.Reason == rules.FirstNews && meets(n, m)
			if !twice || n.State == rules.Cancelled || m.State == rules.Cancelled {
				continue
			}
			if m.AlertID == n.AlertID {
				return fmt.Errorf("two first messages of one alert on %s", n.Channel)
			}
		}
	}
	var err error
	p.l.Alerts(func(a *rules.Alert) bool {
		p.l.Notifications(func(n *rules.Notification) bool {
			if n.AlertID == a.ID && a.HeldBy != "" && n.State == rules.Owed {
				err = fmt.Errorf("%s is owed while %s holds it", n.Reason, a.HeldBy)
			}
			return err == nil
		})
		return err == nil
	})
	return err
}

func announced(p *play, of *rules.Notification) bool {
	for _, n := range p.log {
		if n.AlertID == of.AlertID && meets(n, of) && n.Reason.Announces() && (n.State == rules.Sent || n.Unknown) {
			return true
		}
	}
	return false
}

// At most one first message goes out for an instance in the time of the
// cooldown, however it flaps.
func TestFlappingIsToldOncePerCooldown(t *testing.T) {
	for seed := range uint64(50) {
		dice := rand.New(rand.NewPCG(seed, 2))
		p := newPlay(t, fever(cooldown(10*rules.Minute)))
		for range 400 {
			p.run([]string{"b", "g"}[dice.IntN(2)])
		}
		var last time.Time
		for _, n := range p.log {
			for _, m := range p.log {
				near := n.Due.Sub(m.Due).Abs() < 10*time.Minute
				if n != m && near && n.Reason == rules.FirstNews && m.Reason == rules.FirstNews && n.State == rules.Sent &&
					m.State == rules.Sent {
					t.Fatalf("seed %d: first messages at %s and %s", seed, since(n.Due), since(m.Due))
				}
			}
			last = n.Due
		}
		if last.IsZero() {
			t.Fatalf("seed %d: nothing was told", seed)
		}
	}
}
