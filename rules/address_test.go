package rules_test

import (
	"slices"
	"testing"

	"github.com/9bikes/tocsin/rules"
)

// fanOut gives what is owed on the phone to two targets.
func fanOut(p *play) {
	for _, n := range p.owed() {
		if n.Channel == "phone" {
			p.l.FanOut(n.ID, []string{"me", "you"}, p.now)
		}
	}
}

// toEach sends what is owed on the phone, which what says became of each target.
func toEach(what map[string]rules.Outcome) func(*play) {
	return func(p *play) {
		fanOut(p)
		for _, n := range p.owed() {
			if p.l.Claim(n.ID, n.ID) {
				p.l.Record(n.ID, what[n.Target], p.now, p.now)
			}
		}
	}
}

func TestEachTargetHearsOfTheEndOfWhatItWasTold(t *testing.T) {
	sent, dead, later := rules.Outcome{State: rules.Sent}, rules.Outcome{State: rules.Dead, Class: "rejected"},
		rules.Outcome{State: rules.Owed, Class: "server"}
	for _, tt := range []struct {
		name, script string
		me, you      rules.Outcome
		want         []string
	}{
		{
			"both have it", "b try g try", sent, sent,
			[]string{
				"0s first phone me sent", "0s first phone you sent", "30s resolved phone me sent",
				"30s resolved phone you sent",
			},
		},
		{
			"one has refused it", "b try g try", sent, dead,
			[]string{"0s first phone me sent", "0s first phone you dead", "30s resolved phone me sent"},
		},
		{
			"one waits for it", "b try g mend try", sent, later,
			[]string{
				"0s first phone me sent", "0s first phone you sent due 30s", "30s resolved phone me sent",
				"30s resolved phone you sent",
			},
		},
		{
			"one waited for it, and has refused it in the end", "b try g refuse try", sent, later,
			[]string{
				"0s first phone me sent", "0s first phone you dead due 30s", "30s resolved phone me sent",
				"30s resolved phone you cancelled",
			},
		},
		{
			"both have refused it", "b try g try", dead, dead,
			[]string{"0s first phone me dead", "0s first phone you dead"},
		},
		{
			"what was never tried goes whole", "b g try", sent, dead,
			[]string{
				"0s first phone me sent due 30s", "0s first phone you dead due 30s", "30s resolved phone me sent",
				"30s resolved phone you cancelled",
			},
		},
		{
			"across a restart", "b try restart g restart mend try", sent, later,
			[]string{
				"0s first phone me sent", "0s first phone you sent due 30s", "30s resolved phone me sent",
				"30s resolved phone you sent",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlay(t, fever())
			p.deaf = true
			now := map[string]rules.Outcome{"me": tt.me, "you": tt.you}
			p.acts = map[string]func(*play){
				"try": toEach(now), "restart": (*play).restart,
				"mend": func(*play) { now["you"] = sent },
				"refuse": func(p *play) {
					for _, n := range p.owed() {
						if n.Target == "you" && n.Reason == rules.FirstNews && p.l.Claim(n.ID, n.ID) {
							p.l.Record(n.ID, dead, p.now, p.now)
						}
					}
				},
			}
			p.run(tt.script).told(tt.want...)
		})
	}
}

// TestATargetThatWasNeverToldHearsOfNoEnd, when it takes the place of one that
// was.
func TestATargetThatWasNeverToldHearsOfNoEnd(t *testing.T) {
	sent := rules.Outcome{State: rules.Sent}
	p := newPlay(t, fever())
	p.deaf = true
	p.acts = map[string]func(*play){
		"try": toEach(map[string]rules.Outcome{"me": sent, "you": sent}),
		"replace": func(p *play) {
			for _, n := range p.owed() {
				p.l.FanOut(n.ID, []string{"me", "thou"}, p.now)
			}
		},
	}
	p.run("b try g replace").told("0s first phone me sent", "0s first phone you sent", "30s resolved phone me owed",
		"30s resolved phone you cancelled")
}

func TestFanOut(t *testing.T) {
	p := newPlay(t, fever())
	book := func(f rules.Facts, target string) *rules.Notification {
		n := p.l.BookTo(rules.Address{Channel: "phone", Target: target}, rules.Operational, f, p.now)
		p.save()
		return n
	}
	targets := func(of *rules.Notification) (out []string) {
		p.l.Notifications(func(n *rules.Notification) bool {
			if n.Root() == of.ID {
				out = append(out, n.Target+" "+string(n.State))
			}
			return true
		})
		slices.Sort(out)
		return out
	}
	for _, tt := range []struct {
		name   string
		facts  rules.Facts
		target string
		to     []string
		want   []string
	}{
		{"to one target only", rules.Facts{Title: "a"}, "", []string{""}, []string{" owed"}},
		{"to nobody known", rules.Facts{Title: "b"}, "", nil, []string{" owed"}},
		{"to two", rules.Facts{Title: "c"}, "", []string{"me", "you"}, []string{"me owed", "you owed"}},
		{"one that is there keeps its own", rules.Facts{Title: "d"}, "you", []string{"me", "you"}, []string{"you owed"}},
		{
			"one that was replaced",
			rules.Facts{Title: "e", Had: []string{"me"}},
			"you",
			[]string{"me", "thou", "her"},
			[]string{"her owed", "thou owed"},
		},
		{"one that is gone", rules.Facts{Title: "f", Had: []string{"me"}}, "you", []string{"me"}, []string{"you cancelled"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := book(tt.facts, tt.target)
			for range 2 { // again changes nothing
				p.l.FanOut(n.ID, tt.to, p.now)
			}
			if got := targets(n); !slices.Equal(got, tt.want) {
				t.Errorf("fanned out to %q, want %q", got, tt.want)
			}
		})
	}
	first := book(rules.Facts{Title: "both were replaced"}, "")
	p.l.FanOut(first.ID, []string{"me", "you"}, p.now)
	for _, n := range p.owed() {
		if n.Root() == first.ID {
			p.l.FanOut(n.ID, []string{"her", "thou"}, p.now)
		}
	}
	if got := targets(first); !slices.Equal(got, []string{"her owed", "thou owed", "you cancelled"}) &&
		!slices.Equal(got, []string{"her owed", "me cancelled", "thou owed"}) {
		t.Errorf("fanned out to %q", got)
	}
	one := book(rules.Facts{Title: "one of two was replaced"}, "")
	p.l.FanOut(one.ID, []string{"me", "you"}, p.now)
	for _, n := range p.owed() {
		if n.Root() == one.ID && n.Target == "you" {
			p.l.FanOut(n.ID, []string{"me", "thou"}, p.now)
		}
	}
	if got := targets(one); !slices.Equal(got, []string{"me owed", "thou owed"}) {
		t.Errorf("fanned out to %q", got)
	}
	n := book(rules.Facts{Title: "g"}, "")
	p.l.Claim(n.ID, n.ID)
	p.l.FanOut(n.ID, []string{"me", "you"}, p.now)
	if got := targets(n); len(got) != 1 || got[0] != " sending" {
		t.Errorf("what is on its way was fanned out to %q", got)
	}
	p.l.FanOut("nobody", []string{"me", "you"}, p.now)
}

func TestAddressesMeetWhereOneStandsForAll(t *testing.T) {
	phone, me, you, mail := rules.Address{Channel: "phone"}, rules.Address{Channel: "phone", Target: "me"},
		rules.Address{Channel: "phone", Target: "you"}, rules.Address{Channel: "mail"}
	for _, tt := range []struct {
		a, b rules.Address
		want bool
	}{{phone, phone, true}, {phone, me, true}, {me, phone, true}, {me, me, true}, {me, you, false}, {phone, mail, false}} {
		if got := tt.a.Meets(tt.b); got != tt.want {
			t.Errorf("%v meets %v: %v", tt.a, tt.b, got)
		}
	}
}

// TestTheFallbackIsToldWhichTargetsMissedIt, once for all of them.
func TestTheFallbackIsToldWhichTargetsMissedIt(t *testing.T) {
	p := newPlay(t, fever())
	p.deaf = true
	dead := rules.Outcome{State: rules.Dead, Class: "rejected"}
	p.acts = map[string]func(*play){"try": toEach(map[string]rules.Outcome{"me": dead, "you": dead})}
	p.run("b try")
	for _, n := range p.log {
		p.l.Fallback(n.ID, "mail", p.now)
		p.l.Fallback(n.ID, "mail", p.now)
	}
	p.save()
	owed := p.owed()
	if len(owed) != 1 || owed[0].Channel != "mail" || owed[0].Target != "" || owed[0].Origin != "" ||
		len(owed[0].Facts.Missed) != 2 || len(owed[0].Facts.Instead) != 1 {
		t.Fatalf("the fallback is owed %d: %+v", len(owed), *owed[0])
	}
}
