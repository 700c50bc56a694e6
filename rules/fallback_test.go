package rules_test

import (
	"slices"
	"testing"

	"github.com/9bikes/tocsin/rules"
)

// refuse makes what is owed on the phone a dead letter, and falls back.
func refuse(p *play) {
	for _, n := range p.owed() {
		if n.Channel == "phone" && p.l.Claim(n.ID, "m") {
			p.l.Record(n.ID, rules.Outcome{State: rules.Dead, Class: "auth"}, p.now, p.now)
		}
	}
	for _, n := range p.log {
		if n.State == rules.Dead {
			p.l.Fallback(n.ID, "mail", p.now)
		}
	}
}

// fail leaves what is owed on the phone owed, and falls back.
func fail(p *play) {
	for _, n := range p.owed() {
		if n.Channel == "phone" && p.l.Claim(n.ID, "m") {
			p.l.Record(n.ID, rules.Outcome{State: rules.Owed, Class: "refused"}, p.now, p.now)
			p.l.Fallback(n.ID, "mail", p.now)
			p.l.Fallback(n.ID, "mail", p.now)
		}
	}
}

func broken(t *testing.T, change ...func(*rules.Rule)) *play {
	p := newPlay(t, fever(change...))
	p.acts = map[string]func(*play){"refuse": refuse, "fail": fail}
	p.deaf = true
	return p
}

func TestTheFallbackHearsOfTheEndOfWhatItWasTold(t *testing.T) {
	broken(t).run("b refuse refuse deaf:off . g").
		told("0s first mail sent", "0s first phone dead", "1m resolved mail sent")
}

func TestAFallbackThatKnowsAlreadyIsNotToldTwice(t *testing.T) {
	broken(t, func(r *rules.Rule) { r.Channels = []string{"phone", "mail"} }).run("b refuse deaf:off . g").
		told("0s first mail sent", "0s first phone dead", "1m resolved mail sent")
}

func TestWhatIsOwedStillIsToldOnBoth(t *testing.T) {
	broken(t).run("b fail deaf:off . g").
		told("0s first mail sent", "0s first phone sent", "1m resolved mail sent", "1m resolved phone sent")
}

func TestFiredAndResolvedWhileUndeliverableGoesToTheFallbackWhole(t *testing.T) {
	broken(t).run("b g refuse deaf:off .").
		told("0s first phone dead due 30s", "30s first mail sent", "30s resolved mail sent", "30s resolved phone cancelled")
}

func TestTheEndOfWhatArrivedGoesToTheFallbackAlone(t *testing.T) {
	broken(t).run("deaf:off b deaf:on g refuse deaf:off .").
		told("0s first phone sent", "30s resolved mail sent", "30s resolved phone dead")
}

func TestWhatASilenceHoldsIsHeldOnTheFallbackToo(t *testing.T) {
	broken(t).run("b silence:1m refuse . deaf:off . . .").
		told("0s first mail cancelled", "0s first phone dead", "1m reminder phone sent")
}

// TestWhatIsHeldWhileItsMessageIsOnItsWay is held on the fallback too.
func TestWhatIsHeldWhileItsMessageIsOnItsWay(t *testing.T) {
	p := broken(t)
	p.acts["take"] = func(p *play) { p.l.Claim(p.owed()[0].ID, "m") }
	p.acts["die"] = func(p *play) {
		for _, n := range p.log {
			p.l.Record(n.ID, rules.Outcome{State: rules.Dead, Class: "auth"}, p.now, p.now)
			p.l.Fallback(n.ID, "mail", p.now)
		}
	}
	p.run("b take silence:1h . die").told("0s first phone dead", "30s first mail held by silence:1")
}

func TestOnlyWhatIsNotOutFallsBack(t *testing.T) {
	deliver := func(state rules.Delivery) func(*rules.Ledger, string) {
		return func(l *rules.Ledger, id string) {
			l.Claim(id, "m")
			l.Record(id, rules.Outcome{State: state}, noon, noon)
		}
	}
	for _, tt := range []struct {
		name string
		make func(l *rules.Ledger, id string)
		want bool
	}{
		{"owed", func(*rules.Ledger, string) {}, true},
		{"on its way", func(l *rules.Ledger, id string) { l.Claim(id, "m") }, true},
		{"to be tried again", deliver(rules.Owed), true},
		{"dead", deliver(rules.Dead), true},
		{"sent", deliver(rules.Sent), false},
		{"given up", func(l *rules.Ledger, id string) {
			deliver(rules.Dead)(l, id)
			l.Notifications(func(n *rules.Notification) bool { return l.Drop([]rules.Notification{*n}, noon) == 0 })
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := rules.OpenLedger(rules.Snapshot{})
			n := l.Book("phone", rules.Operational, rules.Facts{Title: "disk full"}, noon)
			tt.make(l, n.ID)
			var booked []rules.Address
			got := l.Fallback(n.ID, "mail", noon)
			l.Notifications(func(m *rules.Notification) bool {
				if m != n && m.State == rules.Owed {
					booked = append(booked, m.Address())
				}
				return true
			})
			if got != tt.want || (len(booked) == 1) != tt.want {
				t.Errorf("fell back: %v, to %v", got, booked)
			}
		})
	}
}

// TestAnotherTargetThatMissedItIsNamed where the fallback's message can be
// changed still.
func TestAnotherTargetThatMissedItIsNamed(t *testing.T) {
	die := func(target string) func(*play) {
		return func(p *play) {
			for _, n := range p.owed() {
				if n.Target == target && p.l.Claim(n.ID, "m") {
					p.l.Record(n.ID, rules.Outcome{State: rules.Dead, Class: "rejected"}, p.now, p.now)
					p.l.Fallback(n.ID, "mail", p.now)
				}
			}
		}
	}
	send := func(p *play) {
		for _, n := range p.owed() {
			if n.Channel == "mail" && p.l.Claim(n.ID, "m") {
				p.l.Record(n.ID, rules.Outcome{State: rules.Sent}, p.now, p.now)
			}
		}
	}
	for _, tt := range []struct {
		name, script string
		want         []string
	}{
		{"owed", "b fan-out me you", []string{"me", "you"}},
		{"sent", "b fan-out me send you", []string{"me"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := broken(t)
			p.acts = map[string]func(*play){"fan-out": fanOut, "me": die("me"), "you": die("you"), "send": send}
			p.run(tt.script)
			for _, n := range p.log {
				if n.Channel == "mail" && !slices.Equal(n.Facts.Missed, tt.want) {
					t.Errorf("it names %q as those who missed it, want %q", n.Facts.Missed, tt.want)
				}
			}
		})
	}
}

func TestATestDoesNotFallBack(t *testing.T) {
	p := broken(t)
	n := p.l.Book("phone", rules.Test, rules.Facts{Title: "a test"}, p.now)
	p.log[n.ID] = n
	p.run("refuse").told("-30s test phone dead")
}

func TestNothingGoesRoundBetweenTwoDeadChannels(t *testing.T) {
	p := broken(t).run("b refuse")
	for range 3 {
		for _, n := range p.owed() {
			p.l.Claim(n.ID, "m")
			p.l.Record(n.ID, rules.Outcome{State: rules.Dead, Class: "auth"}, p.now, p.now)
			p.l.Fallback(n.ID, "phone", p.now)
		}
		p.save()
	}
	p.told("0s first mail dead", "0s first phone dead")
}

// TestFallbackTellsWhetherTheOtherChannelHasIt, and a fallback that can have
// nothing is not written down as one that was told.
func TestFallbackTellsWhetherTheOtherChannelHasIt(t *testing.T) {
	p := broken(t).run("b")
	die := func(n *rules.Notification) {
		p.l.Claim(n.ID, "m")
		p.l.Record(n.ID, rules.Outcome{State: rules.Dead, Class: "auth"}, p.now, p.now)
	}
	n := p.owed()[0]
	die(n)
	for _, call := range []string{"first", "second"} {
		if !p.l.Fallback(n.ID, "mail", p.now) {
			t.Errorf("at the %s call the fallback has it not", call)
		}
	}
	p.save()
	copied := p.owed()[0]
	die(copied)
	if p.l.Fallback(copied.ID, "phone", p.now) || copied.Fallback != "" {
		t.Errorf("what the phone failed with is said to be told there, fallback %q", copied.Fallback)
	}
	if p.l.Fallback(n.ID, "mail", p.now) {
		t.Error("what the fallback refused too is said to be told there")
	}
	if p.l.Resend([]rules.Notification{*n}, p.now) != 1 || n.Fallback != "" {
		t.Errorf("what is sent again has the fallback %q still", n.Fallback)
	}
	die(n)
	if p.l.Fallback(n.ID, "mail", p.now) {
		t.Error("what is dead on the fallback too is said to be told there")
	}
	if p.l.Fallback("nobody", "mail", p.now) {
		t.Error("what is not there is said to be told")
	}
}

func TestADeadLetterCanBeSentAgain(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		want         []string
	}{
		{"while it lasts", "b refuse-only resend deaf:off . g", []string{"0s first phone sent", "1m resolved phone sent"}},
		{"when it is over", "b refuse-only g g resend deaf:off .", []string{"1m first phone sent"}},
		{
			"after a restart", "b refuse-only restart resend deaf:off . g",
			[]string{"0s first phone sent", "1m resolved phone sent"},
		},
		{"not what was sent", "deaf:off b resend .", []string{"0s first phone sent"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := broken(t)
			p.acts["refuse-only"] = func(p *play) {
				for _, n := range p.owed() {
					p.l.Claim(n.ID, "m")
					p.l.Record(n.ID, rules.Outcome{State: rules.Dead, Class: "auth"}, p.now, p.now)
				}
			}
			p.acts["restart"] = (*play).restart
			p.acts["resend"] = func(p *play) {
				var list []rules.Notification
				for _, n := range p.log {
					list = append(list, *n)
				}
				p.l.Resend(list, p.now)
			}
			p.run(tt.script).told(tt.want...)
		})
	}
}

// TestWhatIsSentAgainIsNoRepeat: a person who sends it again wants it said, also
// where it may have arrived.
func TestWhatIsSentAgainIsNoRepeat(t *testing.T) {
	p := broken(t).run("b")
	n := p.owed()[0]
	p.l.Claim(n.ID, "m")
	p.l.Record(n.ID, rules.Outcome{State: rules.Dead, Class: "timeout", Unknown: true}, p.now, p.now)
	if p.l.Resend([]rules.Notification{*n}, p.now) != 1 || n.Unknown || n.Message != "" || n.State != rules.Owed {
		t.Errorf("sent again it is %s, unknown %v, in message %q", n.State, n.Unknown, n.Message)
	}
}
