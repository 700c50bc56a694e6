package notify_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// unknown is a try whose request left and was not answered.
var unknown = rules.Outcome{State: rules.Owed, Unknown: true, Class: "timeout"}

// sameIDs fails where not all of the messages from..to had one ID.
func (s *service) sameIDs(t *testing.T, from, to int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range s.ids[from:to] {
		if id != s.ids[from] {
			t.Errorf("messages %d to %d have the IDs %v, want one", from, to, s.ids[from:to])
			return
		}
	}
}

func TestUnknownIsRetriedLikeAFailureUnderTheSameID(t *testing.T) {
	dispatch(t, map[string][]rules.Outcome{"phone": {unknown, unknown, down, unknown}}, func(b *box, s *service) {
		b.owe(on("phone", "one"))
		after(time.Minute)
		want(t, "told", s.heard(), "0s phone one\n1s phone one\n3s phone one\n7s phone one\n15s phone one")
		want(t, "states", b.states(), "sent")
		s.sameIDs(t, 0, 5)
	})
}

func TestUnknownIsADeadLetterAfterThreeDaysAndToldOfLikeOne(t *testing.T) {
	o := notify.Options{
		Policy: policy(t, "phone", notify.Settings{Fallback: "mail"}), Operators: func() []string {
			return []string{"phone", "pager"}
		},
	}
	dispatchBy(t, o, map[string][]rules.Outcome{"phone": many(2000, unknown)}, func(b *box, s *service) {
		b.owe(on("phone", "one"))
		after(14 * time.Minute)
		if strings.Contains(s.heard(), "mail") {
			t.Errorf("the fallback was told early:\n%s", s.heard())
		}
		after(2 * time.Minute)
		if !strings.Contains(s.heard(), "15m0s mail one") {
			t.Errorf("the fallback was not told:\n%s", s.heard())
		}
		after(71 * time.Hour)
		if got := b.states(); !strings.HasPrefix(got, "owed") {
			t.Errorf("states after 71 hours: %s", got)
		}
		after(2 * time.Hour)
		if got := b.states(); !strings.HasPrefix(got, "dead") {
			t.Errorf("states after 73 hours: %s", got)
		}
		if !strings.Contains(s.heard(), "pager Channel phone refuses messages") {
			t.Error("the operators were not told")
		}
	})
}

// TestNeverTwiceEndsWithTheFirstTry: it is not said again there, and as a dead
// letter to the fallback and to the operators.
func TestNeverTwiceEndsWithTheFirstTry(t *testing.T) {
	o := notify.Options{
		Policy:    policy(t, "phone", notify.Settings{Fallback: "mail", NeverTwice: true}),
		Operators: func() []string { return []string{"phone", "pager"} },
	}
	dispatchBy(t, o, map[string][]rules.Outcome{"phone": {unknown}}, func(b *box, s *service) {
		b.owe(on("phone", "one"))
		after(time.Hour)
		want(t, "states", b.states(), "dead sent sent")
		told := strings.Split(s.heard(), "\n")
		slices.Sort(told) // two channels at one instant have no order
		want(t, "told", strings.Join(told, "\n"), "0s mail one\n0s pager Channel phone refuses messages\n0s phone one")
	})
	// What surely never left is tried again there too.
	dispatchBy(t, o, map[string][]rules.Outcome{"phone": {down, down}}, func(b *box, s *service) {
		b.owe(on("phone", "one"))
		after(time.Hour)
		want(t, "states", b.states(), "sent")
	})
	// The daemon ended while it was on its way.
	dispatchBy(t, o, nil, func(b *box, s *service) {
		flying := on("phone", "one")
		flying.Unknown, flying.Error, flying.Attempts, flying.Message = true, "restart", 1, "m"
		b.owe(flying, on("phone", "two"))
		after(time.Hour)
		want(t, "states", b.states(), "dead sent sent sent")
		if strings.Contains(s.heard(), "phone one") {
			t.Errorf("told:\n%s", s.heard())
		}
	})
}

// TestAFoldThatMayHaveArrivedIsRepeatedAsItWas, also by a later dispatcher: what
// comes meanwhile goes on its own.
func TestAFoldThatMayHaveArrivedIsRepeatedAsItWas(t *testing.T) {
	dispatch(t, map[string][]rules.Outcome{"phone": {unknown, unknown}}, func(b *box, s *service) {
		b.owe(on("phone", "one"), on("phone", "two"))
		after(500 * time.Millisecond)
		b.owe(on("phone", "three"))
		after(time.Minute)
		lines := strings.Split(s.heard(), "\n")
		if len(lines) != 4 || lines[1] != "1s phone three" || lines[2] == lines[1] {
			t.Errorf("told:\n%s", s.heard())
		}
		want(t, "states", b.states(), "sent sent sent")
		if ids := s.ids; ids[0] != ids[2] || ids[1] != ids[3] || ids[0] == ids[1] {
			t.Errorf("ids = %v", ids)
		}
	})
}

// TestOneSuccessMakesAllThatWaitsDue: what had to wait for the service is not
// gathered any further.
func TestOneSuccessMakesAllThatWaitsDue(t *testing.T) {
	dispatch(t, map[string][]rules.Outcome{"phone": {unknown, unknown, unknown}}, func(b *box, s *service) {
		for _, name := range []string{"one", "two", "three"} {
			b.owe(on("phone", name))
			after(900 * time.Millisecond)
		}
		after(10 * time.Second)
		want(t, "states", b.states(), "sent sent sent")
		if lines := strings.Split(s.heard(), "\n"); len(lines) != 6 || lines[3][:3] != lines[4][:3] ||
			lines[4][:3] != lines[5][:3] {
			t.Errorf("told:\n%s", s.heard())
		}
	})
}

func TestAMessageThatItsServiceCannotBearKeepsNoOtherBack(t *testing.T) {
	dispatch(t, nil, func(b *box, s *service) {
		s.poison = "bad"
		b.owe(on("phone", "bad"))
		for i := range 20 {
			after(time.Minute)
			b.owe(on("phone", fmt.Sprint("good", i)))
		}
		after(time.Minute)
		want(t, "states", b.states(), "owed"+strings.Repeat(" sent", 20))
		for i, line := range strings.Split(s.heard(), "\n") {
			if strings.Contains(line, "alerts") || strings.Contains(line, "more") {
				t.Errorf("message %d is folded with it: %s", i, line)
			}
		}
	})
}

// TestNewsOfAnAlertGoWithWhatMayHaveArrived, under another ID: who has it must
// not take the end for a repeat.
func TestNewsOfAnAlertGoWithWhatMayHaveArrived(t *testing.T) {
	dispatch(t, map[string][]rules.Outcome{"phone": {unknown, unknown}}, func(b *box, s *service) {
		b.owe(on("phone", "one"))
		over := on("phone", "one")
		over.Reason = rules.Resolved
		after(500 * time.Millisecond)
		b.owe(over)
		after(time.Minute)
		want(t, "told", s.heard(), "0s phone one\n1s phone Came and went: one\n3s phone Came and went: one")
		want(t, "states", b.states(), "sent sent")
		if s.ids[0] == s.ids[1] || s.ids[1] != s.ids[2] {
			t.Errorf("ids = %v", s.ids)
		}
	})
}

// TestWhatIsNewOfOneRepeatsNoOtherUnderANewID: who has the first message by its ID
// sees nothing of the other alert again.
func TestWhatIsNewOfOneRepeatsNoOtherUnderANewID(t *testing.T) {
	dispatch(t, map[string][]rules.Outcome{"phone": {unknown}}, func(b *box, s *service) {
		b.owe(on("phone", "one"), on("phone", "two"))
		over := on("phone", "one")
		over.Reason = rules.Resolved
		after(500 * time.Millisecond)
		b.owe(over)
		after(time.Minute)
		want(t, "told", s.heard(), "0s phone one, and 1 more\n1s phone Came and went: one\n1s phone two")
		want(t, "states", b.states(), "sent sent sent")
		if s.ids[0] != s.ids[2] || s.ids[0] == s.ids[1] {
			t.Errorf("ids = %v", s.ids)
		}
	})
}

func TestAfterADayWithoutAnAnswerAllIsToldInAFewMessages(t *testing.T) {
	dispatch(t, map[string][]rules.Outcome{"phone": many(5000, unknown)}, func(b *box, s *service) {
		for i := range 24 * 6 {
			b.owe(on("phone", fmt.Sprint("alert", i)))
			after(10 * time.Minute)
		}
		before := strings.Count(s.heard(), "\n") + 1
		s.mu.Lock()
		s.answers = nil
		s.mu.Unlock()
		after(30 * time.Minute)
		if told := strings.Split(s.heard(), "\n")[before:]; len(told) > 6 {
			t.Errorf("told after the day:\n%s", strings.Join(told, "\n"))
		}
		if strings.Contains(b.states(), "owed") {
			t.Error("something is owed still")
		}
	})
}

// TestWhatIsDueInAMomentIsSentInAMoment: the bell rang for it, and rings no more.
func TestWhatIsDueInAMomentIsSentInAMoment(t *testing.T) {
	dispatch(t, nil, func(b *box, s *service) {
		soon, later := on("phone", "soon"), on("mail", "later")
		soon.Due, later.Due = time.Now().Add(time.Millisecond), time.Now().Add(20*time.Second)
		b.owe(soon, later)
		after(time.Millisecond)
		want(t, "told", s.heard(), "0s phone soon")
		after(20 * time.Second)
		want(t, "told", s.heard(), "0s phone soon\n20s mail later")
	})
}

func TestEachChannelHasItsTimeout(t *testing.T) {
	o := notify.Options{Policy: policy(t, "phone", notify.Settings{Timeout: "90s"})}
	dispatchBy(t, o, nil, func(b *box, s *service) {
		b.owe(on("phone", "one"), on("mail", "one"))
		after(time.Second)
		s.mu.Lock()
		defer s.mu.Unlock()
		if slices.Sort(s.timeouts); fmt.Sprint(s.timeouts) != "[0s 1m30s]" {
			t.Errorf("timeouts = %v", s.timeouts)
		}
	})
}

func TestWhileChannelsCannotBeReadMessagesWait(t *testing.T) {
	dispatch(t, nil, func(b *box, s *service) {
		s.unread, s.troubled = time.Now().Add(5*time.Second), true
		b.owe(on("phone", "one"))
		after(time.Minute)
		want(t, "told", s.heard(), "7s phone one")
		want(t, "states", b.states(), "sent")
	})
}

// TestWhatWasOnItsWayAtAKillIsRepeatedUnderItsID, by the daemon after it.
func TestWhatWasOnItsWayAtAKillIsRepeatedUnderItsID(t *testing.T) {
	dispatch(t, nil, func(b *box, s *service) {
		flying := []rules.Notification{on("phone", "one"), on("phone", "two")}
		for i := range flying {
			flying[i].Unknown, flying[i].Error, flying[i].Attempts, flying[i].Message = true, "restart", 1, "m7"
		}
		b.owe(flying...)
		after(time.Second)
		want(t, "ids", strings.Join(s.ids, " "), "m7")
		want(t, "states", b.states(), "sent sent")
	})
}

// TestWhatCannotBeBuriedNowIsBuriedLater, and not tried all the time.
func TestWhatCannotBeBuriedNowIsBuriedLater(t *testing.T) {
	o := notify.Options{Policy: policy(t, "phone", notify.Settings{NeverTwice: true})}
	dispatchBy(t, o, nil, func(b *box, s *service) {
		b.deaf, s.troubled = 5, true
		flying := on("phone", "one")
		flying.Unknown, flying.Error, flying.Attempts, flying.Message = true, "restart", 1, "m"
		b.owe(flying)
		after(4500 * time.Millisecond)
		want(t, "states at first", b.states(), "owed")
		after(time.Second)
		want(t, "states", b.states(), "dead")
		want(t, "told", s.heard(), "")
	})
}
