package insight

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator/schedule"
	"github.com/9bikes/tocsin/rules"
)

// why says in a sentence or two why the series is or is not firing.
func (x *inquiry) why() string {
	parts := []string{x.verdict()}
	if held := x.held(); held != "" {
		parts = append(parts, held)
	}
	if x.out.Trouble != "" {
		parts = append(parts, "Its source could not be asked now: "+strings.TrimSuffix(x.out.Trouble, ".")+".")
	}
	return strings.Join(parts, " ")
}

func (x *inquiry) verdict() string {
	r := x.rule
	resolved := x.alert != nil && !x.alert.ResolvedAt.IsZero()
	switch {
	case resolved && x.live() != nil:
		return fmt.Sprintf("%s Now its series fires again as alert %s: %s.", x.story(), x.live().ID, x.standing())
	case resolved:
		return fmt.Sprintf("%s Now: %s.", x.story(), x.standing())
	case !r.Enabled:
		return "Not firing: the rule is switched off, so nobody looks."
	case x.in == nil && len(x.out.Recent) == 0 && x.out.Known == 0:
		what := r.What()
		if r.Condition.Type == rules.Query {
			what = strings.TrimSpace("its query " + what)
		}
		return fmt.Sprintf("Not firing: no series has had a value for %s yet.", what)
	case x.in == nil || x.in.State == rules.OK && !x.out.Outside:
		if _, verdict := x.last(); verdict == "bad" {
			return fmt.Sprintf("Not firing yet: %s; no tick has judged that so far.", x.standing())
		}
		return fmt.Sprintf("Not firing: %s.", x.standing())
	}
	switch x.in.State {
	case rules.Firing:
		return fmt.Sprintf("Firing for %s: %s.", cmp.Or(x.ago(x.in.Alert.StartedAt), rules.Second), x.standing())
	case rules.Recovering:
		return fmt.Sprintf("Firing still: it is good again, but for less than keep_firing_for (%s); %s are left. %s.",
			r.KeepFiringFor, x.out.Left, capital(x.standing()))
	case rules.Pending:
		return fmt.Sprintf("Not firing yet: it has been wrong for %s of %s, %s are left; %s.", r.For-x.out.Left, r.For,
			x.out.Left, x.standing())
	}
	return fmt.Sprintf("Not firing: it is outside the rule's active time (%s), when nothing is judged.", r.Active)
}

// standing holds the last value against the condition.
func (x *inquiry) standing() string {
	value, verdict := x.last()
	c := x.rule.Condition
	switch {
	case c.Type == rules.Absence:
		return x.silence(verdict)
	case value == "" && verdict == "unknown":
		return "it has no value now, and silence proves nothing yet: the clock is not known to be right, or the source is " +
			"young"
	case value == "":
		return fmt.Sprintf("it has no value now, and no_data is %s", cmp.Or(x.rule.NoData, rules.Keep))
	case verdict == "lingering" && c.Type == rules.Anomaly:
		return fmt.Sprintf("%s: not as usual yet", x.is(value))
	case verdict == "lingering":
		return fmt.Sprintf("%s: not wrong by %q any more, but not past recover %s", x.is(value), c, c.Recover)
	case verdict == "bad":
		return fmt.Sprintf("%s, which is wrong by %s", x.is(value), x.breach())
	case verdict == "unknown":
		return fmt.Sprintf("the last look could not be judged; before that %s",
			strings.Replace(x.is(value), "it is", "it was", 1))
	}
	return fmt.Sprintf("%s, which is not wrong by %q", x.is(value), c)
}

// silence is standing of a condition that looks for one.
func (x *inquiry) silence(verdict string) string {
	window := x.rule.Condition.Window
	switch {
	case verdict == "good":
		return "it has had a point in the last " + window.String()
	case x.in == nil:
		return "it has had no point for " + window.String()
	case x.in.Seen.IsZero():
		return "no point has ever been seen"
	}
	text := fmt.Sprintf("it has had no point for %s, and %s are allowed", x.ago(x.in.Seen), window)
	if x.app.Clock.Blind() {
		text += "; silence proves nothing until the clock is known to be right"
	}
	return text
}

// is says what a value of the rule is: not always that of the field.
func (x *inquiry) is(value string) string {
	switch c := x.rule.Condition; {
	case c.Type == rules.Change && c.Percent:
		return "it has changed by " + value + " %"
	case c.Type == rules.Change:
		return "it has changed by " + value
	case c.Type == rules.Forecast:
		return "it is expected to be " + value
	}
	return "it is " + value
}

// breach is what makes the last value wrong: the condition, or a level that
// begins before it.
func (x *inquiry) breach() string {
	r := x.rule
	if v := x.number(); v != nil && r.Condition.Judge(*v) != rules.Bad {
		if level := r.LevelOf(*v); level > 0 {
			return fmt.Sprintf("its level %s %s (%s)", r.Condition.Operator, r.Levels[level-1].Value, r.SeverityAt(level))
		}
	}
	if x.alert != nil && x.alert.Evidence.Usual != "" {
		return fmt.Sprintf("%q: %s", r.Condition, x.alert.Evidence.Usual)
	}
	return strconv.Quote(r.Condition.String())
}

// last is the newest value and what was made of it.
func (x *inquiry) last() (value, verdict string) {
	if v := x.number(); v != nil {
		value = rules.FormatNumber(*v)
	}
	n := len(x.out.Recent)
	switch {
	case n > 0 && value == "" && x.in != nil && x.in.Text != "":
		return fmt.Sprintf("%q", x.in.Text), x.out.Recent[n-1].Verdict
	case n > 0:
		return value, x.out.Recent[n-1].Verdict
	case value == "":
		return "", "none"
	}
	verdict = x.rule.Condition.Judge(*x.number()).String()
	if x.rule.LevelOf(*x.number()) > 0 {
		verdict = "bad"
	}
	return value, verdict
}

// number is the newest value, nil where there is none.
func (x *inquiry) number() *float64 {
	if n := len(x.out.Recent); n > 0 {
		return x.out.Recent[n-1].Value
	}
	if x.in == nil || x.out.Asked {
		return nil
	}
	return rules.Finite(x.in.Value)
}

// held says what keeps messages about it back.
func (x *inquiry) held() string {
	a := x.live()
	if a != nil && x.out.Outside {
		return fmt.Sprintf("It is outside the rule's active time (%s): until that begins nothing is judged, and nobody is "+
			"told.", x.rule.Active)
	}
	for _, s := range x.out.Silences {
		if s.State == app.SilenceRunning {
			return fmt.Sprintf("Nobody is told: silence %s holds its messages back.", s.ID)
		}
	}
	for _, p := range x.out.Parents {
		if p.Wrong {
			return fmt.Sprintf("Nobody is told: rule %s, on which it depends, is wrong itself.", p.Rule)
		}
	}
	switch {
	case a == nil:
		return ""
	case a.Ack != nil:
		return fmt.Sprintf("%s takes care of it, so nobody is reminded.", a.Ack.By.Name)
	case a.DueAt.IsZero() && x.in.CooldownUntil.After(x.now):
		return "Its first message waits for the end of the cooldown."
	case len(x.out.Channels) == 0:
		return "Nobody is told: there is no channel."
	}
	return ""
}

// live is the alert of the series, nil when none fires.
func (x *inquiry) live() *rules.Alert {
	if x.in == nil {
		return nil
	}
	return x.in.Alert
}

// next lists what happens from here on.
func (x *inquiry) next() []Upcoming {
	out := []Upcoming{}
	add := func(at time.Time, format string, args ...any) {
		out = append(out, Upcoming{fmt.Sprintf(format, args...), rules.Given(at)})
	}
	r := x.rule
	switch {
	case !r.Enabled:
		add(time.Time{}, "nothing, until the rule is switched on")
		return out
	case !x.running():
		add(time.Time{}, "nothing, until the daemon runs")
		return out
	case x.out.Outside:
		add(time.Time{}, "it is judged again within the active time, %s", r.Active)
	case x.out.Tick != nil:
		add(*x.out.Tick, "it is looked at again")
	}
	switch {
	case x.in == nil || x.in.State == rules.OK:
		if r.For > 0 {
			add(time.Time{}, "when it goes wrong it has to stay so for %s before it fires", r.For)
		}
	case x.in.State == rules.Pending:
		add(x.tick(x.in.Since.Add(r.For.Std()+x.in.Stood)), "it fires, if it stays wrong")
	case x.in.State == rules.Recovering:
		add(x.tick(x.in.QuietSince.Add(r.KeepFiringFor.Std()+x.in.Stood)), "it resolves, if it stays good")
	default:
		if a := x.in.Alert; a.Ack == nil && a.HeldBy == "" {
			out = append(out, x.timers(a)...)
		}
		add(time.Time{}, "it resolves %s", x.cure())
	}
	return append(out, x.ends()...)
}

// tick is the first tick of the rule that is not before t, nor over.
func (x *inquiry) tick(t time.Time) time.Time {
	s, err := schedule.Parse(x.rule.Every, x.rule.Zone, x.app.Config.Every.Std())
	if err != nil {
		return t
	}
	if t.Before(x.now) {
		t = x.now
	}
	return s.Next(t.Add(-time.Nanosecond))
}

// timers are the messages that are to come while nobody takes care.
func (x *inquiry) timers(a *rules.Alert) (out []Upcoming) {
	if a.DueAt.IsZero() && x.in.CooldownUntil.After(x.now) {
		return []Upcoming{{"its first message is due", rules.Given(x.in.CooldownUntil)}}
	}
	if !a.RemindAt.IsZero() {
		out = append(out, Upcoming{"a reminder is due", rules.Given(a.RemindAt)})
	}
	if e := x.rule.Escalate; e != nil && a.EscalatedAt.IsZero() && !a.DueAt.IsZero() {
		out = append(out,
			Upcoming{"it escalates to " + strings.Join(e.Channels, ", "), rules.Given(a.DueAt.Add(e.After.Std()))})
	}
	return out
}

// cure says what makes a firing series resolve.
func (x *inquiry) cure() string {
	r, text := x.rule, "as soon as it is good"
	switch {
	case r.Condition.Type == rules.Absence:
		text = "as soon as a point comes"
	case !r.Condition.Recover.IsZero():
		text = "once it is past recover " + r.Condition.Recover.String()
	}
	if r.KeepFiringFor > 0 {
		text += " for " + r.KeepFiringFor.String()
	}
	return text
}

// ends are when what people asked for is over.
func (x *inquiry) ends() (out []Upcoming) {
	if a := x.live(); a != nil && a.Ack != nil && !a.Ack.Until.IsZero() {
		out = append(out, Upcoming{"the snooze ends", rules.Given(a.Ack.Until)})
	} else if x.in != nil && x.in.Snooze != nil && x.in.Snooze.Until.After(x.now) {
		out = append(out, Upcoming{"a snooze of an earlier alert ends", rules.Given(x.in.Snooze.Until)})
	}
	for _, s := range x.out.Silences {
		switch {
		case s.State == app.SilenceRunning && s.Until != nil:
			out = append(out, Upcoming{"silence " + s.ID + " ends; what is still wrong then is told", s.Until})
		case s.State == app.SilenceWaiting && s.From.After(x.now):
			out = append(out, Upcoming{"silence " + s.ID + " begins", rules.Given(s.From)})
		}
	}
	return out
}

func (x *inquiry) ago(t time.Time) rules.Duration {
	return rules.Duration(x.now.Sub(t).Round(time.Second))
}

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
