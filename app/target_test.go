package app_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

var noSuchUser = rules.Outcome{State: rules.Dead, Class: "rejected", Code: 550}

// two gives an office a rule on a channel with two targets.
func two(t *testing.T, broken map[string]rules.Outcome, fallback string) *office {
	t.Helper()
	o := newOffice(t, broken)
	o.Config.Channels["both"] = app.ChannelConfig{
		Kind: "smtp", URL: rules.NewSecret("me you"),
		Settings: notify.Settings{Fallback: fallback},
	}
	o.App.Targets = func(channel string) []string {
		if channel != "both" {
			return nil
		}
		return o.post.Targets(o.Config.Channels["both"].URL)
	}
	o.must(o.Ledgers.Act(t.Context(), time.Now().UTC(), "r1", func(s rules.Setting, l *rules.Ledger) error {
		r := l.Rule
		r.Channels = []string{"both"}
		l.Edit(s, r, anna)
		return nil
	}))
	return o
}

// nothingElse fails where something was told that nobody waited for.
func (o *office) nothingElse() {
	o.Helper()
	select {
	case got := <-o.told:
		o.Errorf("told besides: %q", got)
	default:
	}
}

// theChannel is what ListChannels says of both.
func (o *office) theChannel() rules.ChannelInfo {
	o.Helper()
	list, err := o.ListChannels(o.Context())
	o.must(err)
	return list[slices.IndexFunc(list, func(c rules.ChannelInfo) bool { return c.Name == "both" })]
}

func (o *office) delivery() app.DeliveryView {
	o.Helper()
	list, _, err := o.Alerts(o.Context(), app.AlertFilter{})
	o.must(err)
	return list[0].Delivery
}

func TestWhatOneTargetRefusesIsADeadLetterOfItsOwn(t *testing.T) {
	o := two(t, map[string]rules.Outcome{"both you": noSuchUser}, "mail")
	o.observe(rules.Bad)
	texts := o.hear("both me: Too warm", "mail: Too warm", "pager: Channel both refuses messages for you",
		"phone: Channel both refuses messages for you")
	if !strings.Contains(texts, "Told here because channel both did not reach you.") {
		t.Error(texts)
	}
	letters, err := o.DeadLetters(t.Context(), "")
	o.must(err)
	if len(letters) != 1 || letters[0].Channel != "both" || letters[0].Target != "you" || letters[0].Error != "rejected" ||
		letters[0].Fallback != "mail" {
		t.Errorf("dead letters = %+v", letters)
	}
	o.eventually(func() bool {
		d := o.delivery() // what was heard is recorded a moment later
		return d.State == "failed in part" && d.String() == "failed in part (both: you)" &&
			d.Channels["both"] == "me sent; you dead (rejected)" && d.Channels["mail"] == "sent"
	})
	if c := o.theChannel(); c.Health != app.FailingInPart || c.LastError != "rejected" ||
		!slices.Equal(c.Failing, []string{"you"}) || c.LastSuccess.IsZero() || c.DeadLetters != 1 {
		t.Errorf("channel = %+v", c)
	}
	problems := strings.Join(o.Status(t.Context()).Problems, "\n")
	if !strings.Contains(problems, "channel both: rejected for you") ||
		!strings.Contains(problems, "channel both: 1 dead letter (for you)") {
		t.Error(problems)
	}
	found := false
	for _, f := range insight.New(o.App).Doctor(t.Context()) {
		found = found || f.What == "channel both" && !f.OK && strings.Contains(f.Text, "fails: rejected for you;")
	}
	if !found {
		t.Errorf("doctor says %+v", insight.New(o.App).Doctor(t.Context()))
	}

	// Who was never told hears of no end, and a letter that is sent again goes to
	// who missed it alone.
	o.observe(rules.Good)
	o.hear("both me: Resolved: Too warm", "mail: Resolved: Too warm")
	o.mend("both you")
	n, err := o.ResendAll(t.Context(), "both")
	o.must(err)
	o.hear("both you: Came and went: Too warm")
	o.nothingElse()
	if letters, err := o.DeadLetters(t.Context(), ""); err != nil || n != 1 || len(letters) != 0 {
		t.Errorf("%d sent again, %+v left, %v", n, letters, err)
	}
	o.eventually(func() bool { return o.delivery().State == "delivered" && o.theChannel().Health == "ok" })
}

func TestAllTargetsRefuse(t *testing.T) {
	o := two(t, map[string]rules.Outcome{"both me": noSuchUser, "both you": noSuchUser}, "")
	o.observe(rules.Bad)
	o.hear("pager: ", "phone: ") // one message for both targets, or the first of two
	o.eventually(func() bool { return o.delivery().State == "failed" })
	letters, err := o.DeadLetters(t.Context(), "both")
	o.must(err)
	if len(letters) != 2 || letters[0].Target == letters[1].Target || letters[0].ID == letters[1].ID {
		t.Errorf("dead letters = %+v", letters)
	}
	if c := o.theChannel(); c.Health != "failing" {
		t.Errorf("channel = %+v", c)
	}
	o.mend("both me")
	o.must(o.Resend(t.Context(),
		letters[slices.IndexFunc(letters, func(d app.DeadLetter) bool { return d.Target == "me" })].ID))
	o.eventually(func() bool { return o.delivery().State == "failed in part" })
}

// eventually waits until something is so.
func (o *office) eventually(so func() bool) {
	o.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(10 * time.Second); !so(); {
		select {
		case <-tick.C:
		case <-end:
			o.Fatal("never so")
		}
	}
}

func TestTheFallbackHearsOnceOfWhatSeveralTargetsMissed(t *testing.T) {
	o := two(t, map[string]rules.Outcome{"both me": noSuchUser, "both you": noSuchUser}, "mail")
	o.observe(rules.Bad)
	o.eventually(func() bool {
		letters, err := o.DeadLetters(t.Context(), "both")
		return err == nil && len(letters) == 2 && letters[0].Fallback == "mail" && letters[1].Fallback == "mail"
	})
	o.observe(rules.Good)
	o.eventually(func() bool { return o.delivery().Channels["mail"] == "sent" })
	told := 0
	for len(o.told) > 0 {
		if got := <-o.told; strings.HasPrefix(got, "mail: ") && !strings.HasPrefix(got, "mail: Resolved") {
			told++
		}
	}
	if told != 1 {
		t.Errorf("the fallback was told %d times", told)
	}
}

func TestATestTellsOfEachTarget(t *testing.T) {
	for _, tt := range []struct {
		name   string
		broken map[string]rules.Outcome
		state  string
		text   string
	}{
		{"all take it", nil, "sent", "me: Delivered: the service took the message with status 200. you: Delivered: the " +
			"service took the message with status 200."},
		{
			"one is refused",
			map[string]rules.Outcome{"both you": noSuchUser},
			"dead",
			"you: Not delivered: it refuses the message or does not know the address (status 550); check the channel's " +
				"address and credential. me: Delivered: the service took the message with status 200.",
		},
		{
			"one is refused for now",
			map[string]rules.Outcome{"both me": {State: rules.Owed, Class: "server", Code: 450}},
			"owed",
			"me: Not delivered yet: it has trouble itself (status 450). tocsin goes on trying. you: Delivered: the service " +
				"took the message with status 200.",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := two(t, tt.broken, "")
			got, err := o.TestChannel(t.Context(), anna, "both", 10*time.Second)
			o.must(err)
			if got.State != tt.state || got.Text != tt.text || len(got.Targets) != 2 {
				t.Errorf("answer = %+v", got)
			}
		})
	}
}

// TestALetterGoesToWhoCameInstead: the usual cure of a refused address is
// another one.
func TestALetterGoesToWhoCameInstead(t *testing.T) {
	o := two(t, map[string]rules.Outcome{"both you": noSuchUser}, "")
	o.observe(rules.Bad)
	o.hear("both me: Too warm", "pager: Channel both refuses messages for you",
		"phone: Channel both refuses messages for you")
	c := o.Config.Channels["both"]
	c.URL = rules.NewSecret("me thou")
	o.Config.Channels["both"] = c
	_, err := o.ResendAll(t.Context(), "both")
	o.must(err)
	o.hear("both thou: Too warm")
	o.nothingElse()
	o.eventually(func() bool { return o.theChannel().Health == "ok" && o.delivery().State == "delivered" })
}

func TestARestartDoesNotForgetWhichTargetHasIt(t *testing.T) {
	o := two(t, map[string]rules.Outcome{"both you": {State: rules.Owed, Class: "server", Code: 450}}, "")
	o.observe(rules.Bad)
	o.hear("both me: Too warm")
	o.eventually(func() bool { return o.delivery().Channels["both"] == "me sent; you owed (server)" })
	o.must(o.Ledgers.Resume(t.Context(), time.Now().UTC()))
	o.mend("both you")
	o.hear("both you: Too warm")
	o.nothingElse()
	o.eventually(func() bool { return o.delivery().State == "delivered" })
}
