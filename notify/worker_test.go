package notify_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// policy gives one channel's settings.
func policy(t *testing.T, channel string, s notify.Settings) func(string) notify.Policy {
	t.Helper()
	p, err := s.Policy("test")
	if err != nil {
		t.Fatal(err)
	}
	if s.Rate == "" {
		p.Rate = notify.Rate{}
	}
	return func(name string) notify.Policy {
		if name == channel {
			return p
		}
		return notify.Policy{}
	}
}

func many(n int, o rules.Outcome) (out []rules.Outcome) {
	for range n {
		out = append(out, o)
	}
	return out
}

var (
	down    = rules.Outcome{State: rules.Owed, Class: "refused"}
	refused = rules.Outcome{State: rules.Dead, Class: "auth", Code: 401}
)

func TestWhatIsRefusedForGoodGoesToTheFallback(t *testing.T) {
	o := notify.Options{Policy: policy(t, "phone", notify.Settings{Fallback: "mail"})}
	dispatchBy(t, o, map[string][]rules.Outcome{"phone": {refused}}, func(b *box, s *service) {
		b.owe(on("phone", "one"))
		after(time.Minute)
		want(t, "states", b.states(), "dead sent")
		want(t, "told", s.heard(), "0s phone one\n0s mail one")
	})
}

func TestAChannelThatFailsForAQuarterOfAnHourHasItsFallbackToldOnce(t *testing.T) {
	o := notify.Options{Policy: policy(t, "phone", notify.Settings{Fallback: "mail"})}
	dispatchBy(t, o, map[string][]rules.Outcome{"phone": many(13, down)}, func(b *box, s *service) {
		b.owe(on("phone", "one"))
		after(14*time.Minute + 50*time.Second)
		if got := s.heard(); strings.Contains(got, "mail") {
			t.Errorf("the fallback was told early:\n%s", got)
		}
		after(10 * time.Second)
		if got := s.heard(); !strings.HasSuffix(got, "15m0s mail one") {
			t.Errorf("told:\n%s", got)
		}
		b.owe(on("phone", "two"))
		after(10 * time.Second) // the fold of the mail
		if got := s.heard(); !strings.HasSuffix(got, "mail two") {
			t.Errorf("what comes later was not told at once:\n%s", got)
		}
		after(2 * time.Hour)
		if n := strings.Count(s.heard(), "mail"); n != 2 {
			t.Errorf("the fallback was told %d times, want twice:\n%s", n, s.heard())
		}
		want(t, "states", b.states(), "sent sent sent sent")
	})
}

func TestOperatorsHearOfDeadLettersThroughAnotherChannel(t *testing.T) {
	o := notify.Options{Operators: func() []string { return []string{"phone", "mail"} }}
	dispatchBy(t, o, map[string][]rules.Outcome{"phone": many(100, refused)}, func(b *box, s *service) {
		b.owe(on("phone", "one"))
		after(time.Minute)
		b.owe(on("phone", "two"))
		after(time.Minute)
		if n := strings.Count(s.heard(), "mail Channel phone refuses messages"); n != 1 {
			t.Errorf("told %d times in one hour:\n%s", n, s.heard())
		}
		after(58 * time.Minute)
		b.owe(on("phone", "three"))
		after(time.Second)
		if n := strings.Count(s.heard(), "mail Channel phone refuses messages"); n != 2 {
			t.Errorf("told %d times after an hour:\n%s", n, s.heard())
		}
	})
}

// TestWhatNoFallbackHasIsNotSaidToBeToldThere: to the second of two that stand in
// for each other nothing is left, and not all that fell back is saved.
func TestWhatNoFallbackHasIsNotSaidToBeToldThere(t *testing.T) {
	instead, plain := on("phone", "one"), on("phone", "two")
	instead.Facts.Instead = []string{"mail"}
	own := rules.Notification{ID: "own", Channel: "phone", Reason: rules.Test, Facts: rules.Facts{Title: "own"}}
	for _, tt := range []struct {
		name, says string
		owed       []rules.Notification
		unsaved    bool
	}{
		{"the fallback has it", " It was told on mail instead.", []rules.Notification{plain}, false},
		{"the fallback refused it before", "", []rules.Notification{instead}, false},
		{
			"the fallback has a part of it", " Some of it was told on mail instead.",
			[]rules.Notification{instead, plain},
			false,
		},
		{"tocsin's own before it do not count", " It was told on mail instead.", []rules.Notification{own, plain}, false},
		{"it was not saved", "", []rules.Notification{plain}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := notify.Options{Operators: func() []string {
				return []string{"pager"}
			}, Policy: policy(t, "phone", notify.Settings{Fallback: "mail"})}
			dispatchBy(t, o, map[string][]rules.Outcome{"phone": many(9, refused)}, func(b *box, s *service) {
				b.noFallback, s.troubled = tt.unsaved, tt.unsaved
				if tt.owed[0].AlertID == "" {
					b.owe(tt.owed[0])
					tt.owed = tt.owed[1:]
					after(time.Minute)
				}
				b.owe(tt.owed...)
				after(time.Minute)
				told := b.held("pager")
				if len(told) != 1 {
					t.Fatalf("the operators are told %d times", len(told))
				}
				_, says, _ := strings.Cut(told[0].Facts.Text, "when the channel is mended.")
				want(t, "of the fallback", says, tt.says)
			})
		})
	}
}

func TestTwoDeadChannelsDoNotTellOfEachOtherForEver(t *testing.T) {
	o := notify.Options{Operators: func() []string { return []string{"phone", "mail"} }}
	dispatchBy(t, o, map[string][]rules.Outcome{"phone": many(100, refused), "mail": many(100, refused)},
		func(b *box, s *service) {
			b.owe(on("phone", "one"))
			after(24 * time.Hour)
			want(t, "states", b.states(), "dead dead")
		})
}

func TestAChannelThatFailsForAnHourIsToldElsewhere(t *testing.T) {
	o := notify.Options{Operators: func() []string { return []string{"phone", "mail"} }}
	dispatchBy(t, o, map[string][]rules.Outcome{"phone": many(25, down)}, func(b *box, s *service) {
		b.owe(on("phone", "one"))
		after(59 * time.Minute)
		if strings.Contains(s.heard(), "mail") {
			t.Errorf("told early:\n%s", s.heard())
		}
		after(3 * time.Hour)
		if n := strings.Count(s.heard(), "mail Channel phone fails"); n != 1 {
			t.Errorf("told %d times:\n%s", n, s.heard())
		}
		if !strings.HasSuffix(s.heard(), "mail Channel phone works again") {
			t.Errorf("the end was not told:\n%s", s.heard())
		}
	})
}

// TestAChannelThatHasFailedForAsLongIsTold at that try, not at the next.
func TestAChannelThatHasFailedForAsLongIsTold(t *testing.T) {
	o := notify.Options{Operators: func() []string { return []string{"phone", "mail"} }, TroubleAfter: 3 * time.Second}
	dispatchBy(t, o, map[string][]rules.Outcome{"phone": many(25, down)}, func(b *box, s *service) {
		b.owe(on("phone", "one"))
		after(5 * time.Second)
		want(t, "told", s.heard(), "0s phone one\n1s phone one\n3s phone one\n3s mail Channel phone fails")
	})
}

// failedFor is owed on phone and has failed for so long, under a dispatcher that
// is gone.
func failedFor(d time.Duration) rules.Notification {
	n := on("phone", "one")
	n.Due, n.Attempts, n.Error = time.Now().Add(-d), 7, "refused"
	return n
}

func TestARestartDoesNotForgetSinceWhenAChannelFails(t *testing.T) {
	o := notify.Options{Policy: policy(t, "phone", notify.Settings{Fallback: "mail"})}
	dispatchBy(t, o, map[string][]rules.Outcome{"phone": many(100, down)}, func(b *box, s *service) {
		b.owe(failedFor(10 * time.Minute))
		after(4*time.Minute + 55*time.Second)
		if got := s.heard(); strings.Contains(got, "mail") {
			t.Errorf("the fallback was told early:\n%s", got)
		}
		after(10 * time.Second)
		if got := s.heard(); !strings.HasSuffix(got, "5m0s mail one") {
			t.Errorf("told:\n%s", got)
		}
	})
	dispatchBy(t, o, map[string][]rules.Outcome{"phone": many(100, down)}, func(b *box, s *service) {
		ended := failedFor(time.Hour)
		ended.Error = "restart" // it was on its way when the daemon ended
		b.owe(ended)
		after(14 * time.Minute)
		if got := s.heard(); strings.Contains(got, "mail") {
			t.Errorf("an end of the daemon counts as a failure of the channel:\n%s", got)
		}
	})
}

func TestARestartDoesNotTellAgainThatAChannelFails(t *testing.T) {
	var known []string
	o := notify.Options{
		Operators: func() []string { return []string{"phone", "mail"} },
		Known:     func(_ context.Context, id string) bool { return slices.Contains(known, id) },
	}
	for _, told := range []int{1, 0} {
		dispatchBy(t, o, map[string][]rules.Outcome{"phone": many(100, down)}, func(b *box, s *service) {
			b.owe(failedFor(3 * time.Hour))
			after(time.Minute)
			if n := strings.Count(s.heard(), "mail Channel phone fails"); n != told {
				t.Errorf("told %d times, want %d:\n%s", n, told, s.heard())
			}
			since := time.Now().Add(-3*time.Hour - time.Minute)
			known = []string{rules.OnceID(fmt.Sprintf("channel phone fails since %d", since.Unix()),
				rules.Address{Channel: "mail"})}
		})
	}
}

// TestTheEndOfAFailureThatAnotherDispatcherToldOfIsTold, and of one that nobody
// was told of it is not.
func TestTheEndOfAFailureThatAnotherDispatcherToldOfIsTold(t *testing.T) {
	var known []string
	o := notify.Options{
		Operators: func() []string { return []string{"phone", "mail"} },
		Known:     func(_ context.Context, id string) bool { return slices.Contains(known, id) },
	}
	for _, ends := range []int{0, 1} {
		dispatchBy(t, o, nil, func(b *box, s *service) {
			b.owe(failedFor(3 * time.Hour))
			after(time.Minute)
			wantTimes(t, s,
				map[string]int{"phone one": 1, "mail Channel phone fails": 0, "mail Channel phone works again": ends})
			since := time.Now().Add(-3*time.Hour - time.Minute)
			known = []string{rules.OnceID(fmt.Sprintf("channel phone fails since %d", since.Unix()),
				rules.Address{Channel: "mail"})}
		})
	}
}

// TestAJumpOfTheClockGivesNothingUp: for a moment all that waits looks a year
// old, until it is moved along.
func TestAJumpOfTheClockGivesNothingUp(t *testing.T) {
	for _, year := range []time.Duration{365 * 24 * time.Hour, -365 * 24 * time.Hour} {
		dispatchBy(t, notify.Options{}, map[string][]rules.Outcome{"phone": many(12, down)}, func(b *box, s *service) {
			b.owe(on("phone", "one"))
			after(5 * time.Second)
			b.shift(-year)
			after(time.Minute)
			b.shift(year)
			after(time.Hour)
			want(t, "states", b.states(), "sent")
			if n := strings.Count(s.heard(), "\n") + 1; n > 13 {
				t.Errorf("told %d times", n)
			}
		})
	}
}

func alerts(channel string, from, to int) (out []rules.Notification) {
	for i := from; i < to; i++ {
		out = append(out, on(channel, fmt.Sprint("alert", i)))
	}
	return out
}

func TestAStormBecomesADigestAMinuteAndItsEndIsTold(t *testing.T) {
	dispatch(t, nil, func(b *box, s *service) {
		for i := range 180 { // two alerts a second for three minutes
			b.owe(alerts("phone", 2*i, 2*i+2)...)
			after(time.Second)
		}
		after(5 * time.Minute)
		lines := strings.Split(s.heard(), "\n")
		if len(lines) > 8 {
			t.Errorf("%d messages:\n%s", len(lines), s.heard())
		}
		last := lines[len(lines)-1]
		if !strings.Contains(last, "Storm over: 360 alerts in 4 min, none resolved") {
			t.Errorf("the end was not told:\n%s", s.heard())
		}
		if strings.Contains(b.states(), "owed") {
			t.Error("something is owed still")
		}
	})
}

func TestTwentyAlertsAMinuteAreNoStorm(t *testing.T) {
	dispatch(t, nil, func(b *box, s *service) {
		b.owe(alerts("phone", 0, 20)...)
		after(5 * time.Minute)
		want(t, "told", s.heard(), "0s phone alert0, and 19 more")
	})
}

// TestWhatIsAMinuteApartMakesNoStorm.
func TestWhatIsAMinuteApartMakesNoStorm(t *testing.T) {
	dispatch(t, nil, func(b *box, s *service) {
		b.owe(alerts("phone", 0, 11)...)
		after(time.Minute)
		b.owe(alerts("phone", 11, 21)...)
		after(5 * time.Minute)
		want(t, "told", s.heard(), "0s phone alert0, and 10 more\n1m0s phone alert11, and 9 more")
	})
}

// TestAStormEndsWithTheFirstMinuteThatCanBeListed, which is told with its end.
func TestAStormEndsWithTheFirstMinuteThatCanBeListed(t *testing.T) {
	dispatch(t, nil, func(b *box, s *service) {
		for _, minute := range [][2]int{{0, 21}, {21, 42}, {42, 62}} {
			b.owe(alerts("phone", minute[0], minute[1])...)
			after(time.Minute - time.Second)
		}
		after(5 * time.Minute)
		want(t, "told", s.heard(), "0s phone alert0, and 20 more\n1m0s phone alert21, and 20 more\n"+
			"2m0s phone alert42, and 19 more\n2m10s phone Storm over: 42 alerts in 2 min, none resolved")
		if last := b.held("phone")[62]; !strings.HasPrefix(last.Facts.Text, "What is still wrong: ") {
			t.Errorf("its end says %q", last.Facts.Text)
		}
	})
}

// TestAStormCountsAlerts, and not how often each was told of.
func TestAStormCountsAlerts(t *testing.T) {
	for open, want := range map[int]string{0: "2 min, all resolved", 5: "1 min, 5 still wrong"} {
		dispatch(t, nil, func(b *box, s *service) {
			b.owe(alerts("phone", 0, 25)...)
			after(time.Second)
			over := alerts("phone", open, 25)
			for i := range over {
				over[i].Reason, over[i].ID = rules.Resolved, over[i].ID+" over"
			}
			b.owe(over...)
			after(10 * time.Minute)
			if got := s.heard(); !strings.Contains(got, "Storm over: 25 alerts in "+want) {
				t.Errorf("told:\n%s\nwant %s", got, want)
			}
		})
	}
}

func TestTheWholeBudgetMayBeSpent(t *testing.T) {
	o := notify.Options{Policy: policy(t, "phone", notify.Settings{Rate: "1/h"})}
	dispatchBy(t, o, nil, func(b *box, s *service) {
		b.owe(on("phone", "one"))
		after(time.Minute)
		b.owe(on("phone", "two"))
		after(time.Hour)
		want(t, "told", s.heard(), "0s phone one\n1h0m0s phone two")
	})
}

// TestABudgetThatIsUsedUpIsToldAtOnce, with its end.
func TestABudgetThatIsUsedUpIsToldAtOnce(t *testing.T) {
	o := notify.Options{
		Operators: func() []string { return []string{"phone", "mail"} }, Composer: notify.Composer{Zone: time.UTC},
	}
	spent := rules.Outcome{State: rules.Owed, Class: "quota", Code: 429, Retry: 50 * time.Hour}
	dispatchBy(t, o, map[string][]rules.Outcome{"phone": {spent}}, func(b *box, s *service) {
		b.owe(on("phone", "one"))
		after(25 * time.Hour)
		text := ""
		for _, n := range b.held("mail") {
			text += n.Facts.Title + ": " + n.Facts.Text
		}
		const want = "Channel phone fails: It fails: its budget of messages is used up, until Mon 3 Jan 02:00."
		if !strings.HasPrefix(text, want) {
			t.Errorf("told %q", text)
		}
		if got := s.heard(); !strings.Contains(got, "24h0m0s phone one") {
			t.Errorf("it was not tried again after a day:\n%s", got)
		}
	})
}

// TestTheLastOfABudgetIsForWhatIsCritical.
func TestTheLastOfABudgetIsForWhatIsCritical(t *testing.T) {
	o := notify.Options{Policy: policy(t, "phone", notify.Settings{Rate: "5/d"}), Fold: time.Second}
	dispatchBy(t, o, nil, func(b *box, s *service) {
		for i := range 5 {
			b.owe(on("phone", fmt.Sprint("alert", i)))
			after(2 * time.Second)
		}
		fire := on("phone", "fire")
		fire.Facts.Severity = rules.Critical
		b.owe(fire)
		after(time.Minute)
		want(t, "told", s.heard(),
			"0s phone alert0\n2s phone alert1\n4s phone alert2\n6s phone alert3\n10s phone fire, and 1 more")
	})
}

func TestAnotherBudgetBeginsFull(t *testing.T) {
	p := notify.Policy{Rate: notify.Rate{Count: 1, Per: time.Hour}}
	dispatchBy(t, notify.Options{Policy: func(string) notify.Policy { return p }}, nil, func(b *box, s *service) {
		b.owe(on("phone", "one"))
		after(time.Minute)
		p.Rate.Count = 2
		b.owe(on("phone", "two"))
		after(time.Second)
		want(t, "told", s.heard(), "0s phone one\n1m0s phone two")
	})
}

func TestARateBudgetIsKeptAndWhatWaitsIsFolded(t *testing.T) {
	o := notify.Options{Policy: policy(t, "phone", notify.Settings{Rate: "2/h"}), Fold: time.Second}
	dispatchBy(t, o, nil, func(b *box, s *service) {
		for i := range 10 {
			b.owe(on("phone", fmt.Sprint("alert", i)))
			after(time.Minute)
		}
		after(2 * time.Hour)
		want(t, "told", s.heard(), "0s phone alert0\n1m0s phone alert1\n30m0s phone alert2, and 7 more")
	})
}

// The bubble begins at midnight UTC of a Saturday, the first of January 2000.
func TestQuietHoursHoldBackWhatIsNotSevereAndEndWithADigest(t *testing.T) {
	quiet := notify.Quiet{
		Active: rules.Active{Hours: "22:00-07:00", Zone: "Europe/Berlin"},
		Except: []rules.Severity{rules.Critical},
	}
	o := notify.Options{Policy: policy(t, "phone", notify.Settings{Quiet: &quiet})}
	dispatchBy(t, o, nil, func(b *box, s *service) {
		severe := on("phone", "fire")
		severe.Facts.Severity = rules.Critical
		b.owe(on("phone", "one"), severe,
			rules.Notification{Channel: "phone", Reason: rules.Test, Facts: rules.Facts{Title: "a test"}})
		b.owe(on("mail", "one"))
		over := on("phone", "one")
		over.Reason = rules.Resolved
		after(5 * time.Hour)
		b.owe(on("phone", "two"), over)
		after(59 * time.Minute)
		if got := s.heard(); strings.Count(got, "\n") != 1 ||
			!strings.Contains(got, "0s phone fire") {
			t.Errorf("in the night:\n%s", got)
		}
		after(2 * time.Minute) // it is seven in Berlin
		if got := s.heard(); !strings.HasSuffix(got,
			"6h0m0s phone two, and 1 more") {
			t.Errorf("in the morning:\n%s", got)
		}
		after(time.Hour)
		b.owe(on("phone", "three"))
		after(time.Second)
		if got := s.heard(); !strings.HasSuffix(got, "phone three") {
			t.Errorf("in the day:\n%s", got)
		}
		if strings.Contains(b.states(), "owed") {
			t.Error("something is owed still")
		}
	})
}

// TestQuietHoursEndOnTheMinute, whenever the dispatcher looked before.
func TestQuietHoursEndOnTheMinute(t *testing.T) {
	quiet := notify.Quiet{Active: rules.Active{Hours: "22:00-07:00"}}
	o := notify.Options{Policy: policy(t, "phone", notify.Settings{Quiet: &quiet})}
	dispatchBy(t, o, nil, func(b *box, s *service) {
		after(17 * time.Second)
		b.owe(on("phone", "one"))
		after(7*time.Hour - 16*time.Second)
		if got := s.heard(); got != "7h0m0s phone one" {
			t.Errorf("a second past seven: %q", got)
		}
	})
}

func TestAWorseningThatPassesQuietHoursTakesItsBeginningAlong(t *testing.T) {
	quiet := notify.Quiet{Active: rules.Active{Hours: "22:00-07:00"}, Except: []rules.Severity{rules.Critical}}
	o := notify.Options{Policy: policy(t, "phone", notify.Settings{Quiet: &quiet})}
	dispatchBy(t, o, nil, func(b *box, s *service) {
		b.owe(on("phone", "one"))
		after(time.Hour)
		worse := on("phone", "one")
		worse.Reason, worse.Facts.Severity = rules.Worsened, rules.Critical
		b.owe(worse)
		after(10 * time.Hour)
		want(t, "told", s.heard(), "1h0m0s phone one")
		want(t, "states", b.states(), "sent sent")
	})
}

func TestAChannelWordsMessagesItsOwnWay(t *testing.T) {
	o := notify.Options{Policy: policy(t, "phone", notify.Settings{Template: &notify.TemplateTexts{
		Title: `{{if gt .count 1}}{{.count}} at once{{else}}!! {{.title}}{{end}}`,
	}})}
	dispatchBy(t, o, nil, func(b *box, s *service) {
		b.owe(on("phone", "one"))
		after(time.Minute)
		b.owe(on("phone", "two"), on("phone", "three"))
		after(time.Minute)
		want(t, "told", s.heard(), "0s phone !! one\n1m0s phone 2 at once")
	})
}

func TestAfterADayWithoutTheReceiverAllIsToldFoldedAndWithinTheBudget(t *testing.T) {
	o := notify.Options{Policy: policy(t, "phone", notify.Settings{Rate: "60/h"})}
	dispatchBy(t, o, nil, func(b *box, s *service) {
		s.away = time.Now().Add(24 * time.Hour)
		for i := range 24 * 6 {
			fired := on("phone", fmt.Sprint("alert", i))
			b.owe(fired)
			after(5 * time.Minute)
			if i%2 == 0 {
				fired.Reason = rules.Resolved
				b.owe(fired)
			}
			after(5 * time.Minute)
		}
		before := strings.Count(s.heard(), "\n") + 1
		after(10 * time.Minute)
		told := strings.Split(s.heard(), "\n")[before:]
		if len(told) == 0 || !strings.Contains(told[0], "alert1, and 143 more") || len(told) > 3 {
			t.Errorf("told after the day:\n%s", strings.Join(told, "\n"))
		}
		if strings.Contains(b.states(), "owed") {
			t.Error("something is owed still")
		}
	})
}

func TestQuietHoursEndByTheClockOnTheWallWhenClocksChange(t *testing.T) {
	quiet := notify.Quiet{Active: rules.Active{Hours: "22:00-07:00", Zone: "Europe/Berlin"}}
	o := notify.Options{Policy: policy(t, "phone", notify.Settings{Quiet: &quiet})}
	dispatchBy(t, o, nil, func(b *box, s *service) {
		night := time.Date(2000, 3, 25, 23, 0, 0, 0, time.UTC) // Berlin's clocks go forward at 1:00 UTC
		after(time.Until(night))
		b.owe(on("phone", "one"))
		after(5*time.Hour + 59*time.Minute)
		want(t, "told before seven", s.heard(), "")
		after(2 * time.Minute)
		if !strings.HasSuffix(s.heard(), "phone one") {
			t.Errorf("at seven: %q", s.heard())
		}
	})
}

// TestWhatIsRefusedTogetherIsSentApart: the good of a message are not lost with
// the one that its service does not take; only that one is a dead letter.
func TestWhatIsRefusedTogetherIsSentApart(t *testing.T) {
	bad := rules.Outcome{State: rules.Dead, Class: "rejected", Code: 400}
	dead := strings.Repeat(" dead", 20)[1:]
	for _, tt := range []struct {
		name    string
		owed    []rules.Notification
		answers []rules.Outcome
		states  string
		tries   int
	}{
		{"one of two", alerts("phone", 0, 2), []rules.Outcome{bad, bad}, "dead sent", 3},
		{"one of four", alerts("phone", 0, 4), []rules.Outcome{bad, {State: rules.Sent}, bad, bad}, "sent sent dead sent", 5},
		{
			"it is down in between", alerts("phone", 0, 2),
			[]rules.Outcome{bad, down, {State: rules.Sent}, bad},
			"dead sent",
			4,
		},
		{"all", alerts("phone", 0, 20), many(100, bad), dead, 39},
		{"a digest", alerts("phone", 0, 21), many(1, bad), dead + " dead", 1},
		{
			"for its address", alerts("phone", 0, 2), many(1, rules.Outcome{State: rules.Dead, Class: "rejected", Code: 404}),
			"dead dead", 1,
		},
		{"for its credential", alerts("phone", 0, 2), many(1, refused), "dead dead", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dispatch(t, map[string][]rules.Outcome{"phone": tt.answers}, func(b *box, s *service) {
				b.owe(tt.owed...)
				after(8 * time.Second) // less than a fold
				want(t, "states", b.states(), tt.states)
				if len(s.ids) != tt.tries {
					t.Errorf("tried %d times, want %d:\n%s", len(s.ids), tt.tries, s.heard())
				}
			})
		})
	}
}

// TestWhatIsRefusedTogetherIsToldOfOnce: the operators hear of all dead letters,
// also where the last part is taken.
func TestWhatIsRefusedTogetherIsToldOfOnce(t *testing.T) {
	bad, sent := rules.Outcome{State: rules.Dead, Class: "rejected", Code: 400}, rules.Outcome{State: rules.Sent}
	for _, tt := range []struct {
		name    string
		owed    int
		answers []rules.Outcome
		want    string
	}{
		{"all", 20, many(100, bad), "20 messages could not be delivered"},
		{"the last is taken", 4, append(many(6, bad), sent), "3 messages could not be delivered"},
		{"the last two are taken", 4, append(many(4, bad), sent), "2 messages could not be delivered"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := notify.Options{Policy: policy(t, "phone", notify.Settings{Fallback: "mail"}), Operators: func() []string {
				return []string{"pager"}
			}}
			dispatchBy(t, o, map[string][]rules.Outcome{"phone": tt.answers}, func(b *box, s *service) {
				b.owe(alerts("phone", 0, tt.owed)...)
				after(time.Minute)
				told := b.held("pager")
				if len(told) != 1 || !strings.HasPrefix(told[0].Facts.Text, tt.want) ||
					!strings.HasSuffix(told[0].Facts.Text, "It was told on mail instead.") {
					t.Errorf("the operators were told %d times: %+v", len(told), told)
				}
			})
		})
	}
}

// TestAPartThatIsOverMeanwhileIsPassedOver.
func TestAPartThatIsOverMeanwhileIsPassedOver(t *testing.T) {
	bad := rules.Outcome{State: rules.Dead, Class: "rejected", Code: 400}
	dispatch(t, map[string][]rules.Outcome{"phone": {bad, down}}, func(b *box, s *service) {
		b.owe(alerts("phone", 0, 4)...)
		after(500 * time.Millisecond)
		b.change(b.held("phone")[2:], func(n *rules.Notification) { n.State = rules.Cancelled })
		after(time.Second)
		want(t, "states", b.states(), "sent sent cancelled cancelled")
		want(t, "told", s.heard(), "0s phone alert0, and 3 more\n0s phone alert0, and 1 more\n1s phone "+
			"alert0, and 1 more")
	})
}
