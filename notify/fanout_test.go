package notify_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// times counts the messages whose line ends so.
func (s *service) times(end string) (n int) {
	for line := range strings.SplitSeq(s.heard(), "\n") {
		if strings.HasSuffix(line, " "+end) {
			n++
		}
	}
	return n
}

// wantTimes compares how often each message was tried.
func wantTimes(t *testing.T, s *service, times map[string]int) {
	t.Helper()
	for end, want := range times {
		if got := s.times(end); got != want {
			t.Errorf("%q was tried %d times, want %d:\n%s", end, got, want, s.heard())
		}
	}
}

func TestARetryGoesOnlyToTheTargetThatHasItNot(t *testing.T) {
	dispatch(t, map[string][]rules.Outcome{"both you": {down, unknown, down}}, func(b *box, s *service) {
		b.owe(on("both", "one"))
		after(time.Minute)
		wantTimes(t, s, map[string]int{"both me one": 1, "both you one": 4})
		want(t, "states", b.states(), "sent sent")
	})
}

func TestATargetThatFailsDelaysNoOther(t *testing.T) {
	dispatch(t, map[string][]rules.Outcome{"both you": many(1000, down)}, func(b *box, s *service) {
		b.owe(on("both", "one"))
		after(6 * time.Hour)
		b.owe(on("both", "two"))
		after(0)
		wantTimes(t, s, map[string]int{"both me one": 1, "both me two": 1, "both you two": 0})
		want(t, "states", b.states(), "sent owed sent owed")
	})
}

func TestATargetThatHangsDelaysNoOther(t *testing.T) {
	dispatch(t, nil, func(b *box, s *service) {
		s.slow["both you"] = time.Hour
		b.owe(on("both", "one"))
		after(time.Minute)
		b.owe(on("both", "two"))
		after(0)
		wantTimes(t, s, map[string]int{"both me one": 1, "both me two": 1, "both you one": 1})
	})
}

func TestWhatOneTargetRefusesIsToldAsThat(t *testing.T) {
	o := notify.Options{
		Policy: policy(t, "both", notify.Settings{Fallback: "mail"}), Operators: func() []string {
			return []string{"both", "pager"}
		},
	}
	rejected := rules.Outcome{State: rules.Dead, Class: "rejected", Code: 550}
	dispatchBy(t, o, map[string][]rules.Outcome{"both you": {rejected}}, func(b *box, s *service) {
		b.owe(on("both", "one"))
		after(time.Minute)
		wantTimes(t, s, map[string]int{
			"both me one": 1, "both you one": 1, "mail one": 1, "pager Channel both refuses messages for you": 1,
		})
		want(t, "states", b.states(), "sent dead sent sent")
		for _, n := range b.held("pager") {
			if !strings.Contains(n.Facts.Text,
				"1 message could not be delivered to you: it refuses the message or does not know the address.") {
				t.Errorf("the operators read %q", n.Facts.Text)
			}
		}
	})
}

func TestOneTargetThatFailsForAnHourIsToldAsThat(t *testing.T) {
	o := notify.Options{
		Policy: policy(t, "both", notify.Settings{Fallback: "mail"}), Operators: func() []string {
			return []string{"both", "pager"}
		},
	}
	dispatchBy(t, o, map[string][]rules.Outcome{"both you": many(25, down)}, func(b *box, s *service) {
		b.owe(on("both", "one"))
		after(3 * time.Hour)
		wantTimes(t, s, map[string]int{
			"both me one": 1, "mail one": 1, "pager Channel both fails for you": 1, "pager Channel both works again for you": 1,
		})
	})
}

func TestWhereThereIsNoOtherChannelAnotherTargetHears(t *testing.T) {
	o := notify.Options{Operators: func() []string { return []string{"both"} }}
	dispatchBy(t, o, map[string][]rules.Outcome{"both you": many(20, refused)}, func(b *box, s *service) {
		s.slow["both you"] = time.Second // so that it is another message than the alert
		b.owe(on("both", "one"))
		after(time.Hour)
		wantTimes(t, s, map[string]int{
			"both me Channel both refuses messages for you":  1,
			"both you Channel both refuses messages for you": 0,
		})
	})
	dispatchBy(t, o, map[string][]rules.Outcome{"both you": many(25, down)}, func(b *box, s *service) {
		b.owe(on("both", "one"))
		after(3 * time.Hour)
		wantTimes(t, s,
			map[string]int{"both me Channel both fails for you": 1, "both me Channel both works again for you": 1})
	})
	dispatchBy(t, o, map[string][]rules.Outcome{"both me": many(100, down), "both you": many(100, down)},
		func(b *box, s *service) {
			b.owe(on("both", "one"))
			after(3 * time.Hour)
			if strings.Contains(s.heard(), "fails for") {
				t.Errorf("who fails is told of others who fail:\n%s", s.heard())
			}
		})
}

// TestAChatThatHasMovedIsKeptAndTold, of itself where there is no other channel.
func TestAChatThatHasMovedIsKeptAndTold(t *testing.T) {
	moved := rules.Outcome{State: rules.Sent, Code: 200, Moved: rules.Move{From: "-123", To: "-1007"}}
	for to, kept := range map[string]bool{"pager": true, "phone": false} {
		var got []string
		o := notify.Options{
			Operators: func() []string { return []string{to} },
			Moved: func(_ context.Context, channel string, m rules.Move) bool {
				got = append(got, channel+" "+m.From+" "+m.To)
				return kept
			},
		}
		dispatchBy(t, o, map[string][]rules.Outcome{"phone": {moved}}, func(b *box, s *service) {
			b.owe(on("phone", "one"))
			after(time.Minute)
			wantTimes(t, s, map[string]int{"phone one": 1, to + " Channel phone: a chat has moved": 1})
			want(t, "kept", strings.Join(got, ","), "phone -123 -1007")
			for _, n := range b.held(to) {
				if n.AlertID == "" && (!strings.Contains(n.Facts.Text, "its number is -1007") ||
					strings.Contains(n.Facts.Text, "write -1007") == kept) {
					t.Errorf("the operators read %q", n.Facts.Text)
				}
			}
		})
	}
}

// TestATargetThatIsGoneFailsNoMore, or the heartbeat would stop for ever.
func TestATargetThatIsGoneFailsNoMore(t *testing.T) {
	dispatch(t, map[string][]rules.Outcome{"both you": many(1000, down)}, func(b *box, s *service) {
		b.owe(on("both", "one"))
		after(time.Hour)
		if channel, _ := s.failing(); channel != "both" {
			t.Errorf("failing: %q", channel)
		}
		s.mu.Lock()
		s.targets["both"] = "me her"
		s.mu.Unlock()
		after(10 * time.Minute)
		if channel, _ := s.failing(); channel != "" {
			t.Errorf("failing still: %q", channel)
		}
		want(t, "states", b.states(), "sent dead")
		if got := b.held("both")[1]; got.Error != "no_such_target" {
			t.Errorf("dead of %q", got.Error)
		}
	})
}

// TestWhatIsSentAgainGoesToWhoCameInstead of the target that missed it.
func TestWhatIsSentAgainGoesToWhoCameInstead(t *testing.T) {
	dispatch(t, nil, func(b *box, s *service) {
		n := on("both", "one")
		n.Target, n.Facts.Had = "nobody", []string{"me"}
		b.owe(n)
		after(time.Minute)
		wantTimes(t, s, map[string]int{"both me one": 0, "both you one": 1})
	})
}

// TestWhatIsOwedUnderAnOldNameOfATargetGoesToIt, and to nobody else.
func TestWhatIsOwedUnderAnOldNameOfATargetGoesToIt(t *testing.T) {
	dispatch(t, nil, func(b *box, s *service) {
		s.renamed = map[string]string{"number 2": "you"}
		over, again := on("both", "one"), on("both", "two")
		over.Target, over.Reason = "number 2", rules.Resolved
		again.Target, again.Facts.Had = "number 2", []string{"number 1"}
		b.owe(over, again)
		after(time.Minute)
		want(t, "states", b.states(), "sent sent")
		if got := s.heard(); strings.Contains(got, "both me") || !strings.Contains(got, "both you") {
			t.Errorf("told:\n%s", got)
		}
	})
}

func TestTheEndOfAStormIsToldOnceAtEachTarget(t *testing.T) {
	dispatch(t, nil, func(b *box, s *service) {
		for i := range 60 {
			b.owe(alerts("both", 2*i, 2*i+2)...)
			after(time.Second)
		}
		after(10 * time.Minute)
		wantTimes(t, s, map[string]int{
			"both me Storm over: 120 alerts in 2 min, none resolved": 1, "both you Storm over: 120 alerts in 2 min, none resolved": 1,
		})
	})
}

func TestWhatCannotBeFannedOutWaitsAsAFailureDoes(t *testing.T) {
	dispatch(t, nil, func(b *box, s *service) {
		b.notFannedOut, s.troubled = 3, true
		b.owe(on("both", "one"))
		after(500 * time.Millisecond)
		b.bell <- struct{}{} // for another channel
		after(6400 * time.Millisecond)
		want(t, "told early", s.heard(), "")
		after(time.Second)
		wantTimes(t, s, map[string]int{"both me one": 1, "both you one": 1})
		if b.fanOuts != 4 {
			t.Errorf("tried %d times to fan it out, want 4", b.fanOuts)
		}
	})
}

// TestWhatIsFannedOutInMemoryOnlyGoesAtOnce: it is owed to each of them.
func TestWhatIsFannedOutInMemoryOnlyGoesAtOnce(t *testing.T) {
	dispatch(t, nil, func(b *box, s *service) {
		b.unsaved = true
		b.owe(on("both", "one"))
		after(100 * time.Millisecond)
		wantTimes(t, s, map[string]int{"both me one": 1, "both you one": 1})
	})
}

// TestWhereNoTargetCanBeReadNothingIsFannedOut, because there is nobody to fan it out
// over.
func TestWhereNoTargetCanBeReadNothingIsFannedOut(t *testing.T) {
	dispatch(t, nil, func(b *box, s *service) {
		s.targets["odd"] = "unreadable"
		n := on("odd", "one")
		n.Target, n.Facts.Had = "me", []string{"you"}
		b.owe(n)
		after(time.Minute)
		want(t, "states", b.states(), "dead")
		if b.fanOuts != 0 {
			t.Errorf("fanned out %d times", b.fanOuts)
		}
	})
}
