package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// TestAnswer is what came of a test message. Of a channel with several targets
// it is what came of the one that fared worst.
type TestAnswer struct {
	Channel string       `json:"channel"`
	ID      string       `json:"id"`
	State   string       `json:"state"`             // sent, owed, dead, or waiting when the daemon has not tried yet
	Error   string       `json:"error,omitempty"`   // the class of the failure
	Status  int          `json:"status,omitempty"`  // what the service answered: a status of HTTP or SMTP
	Targets []TestTarget `json:"targets,omitempty"` // of a channel with several
	Text    string       `json:"text"`              // a sentence for each outcome
}

// TestTarget is what came of a test message for one target of its channel.
type TestTarget struct {
	Name   string `json:"name"`
	State  string `json:"state"`
	Error  string `json:"error,omitempty"`
	Status int    `json:"status,omitempty"`
}

// TestChannel books a test message and waits for the daemon to deliver it, at
// most patience. Without a daemon nothing is booked: it would go out whenever
// one starts, when nobody expects it.
func (a *App) TestChannel(ctx context.Context, by rules.Actor, name string, patience time.Duration) (TestAnswer,
	error,
) {
	if err := a.KnownChannel(ctx, name); err != nil {
		return TestAnswer{}, err
	}
	if _, running := a.Daemon(); !running {
		return TestAnswer{}, rules.WithHint(rules.Errorf(rules.Unavailable,
			"channel %q was not tested and nothing was booked: only the daemon sends, and no daemon runs", name),
			rules.StartDaemon, "")
	}
	var n *rules.Notification
	err := a.Ledgers.Act(ctx, a.Time(), "", func(s rules.Setting, l *rules.Ledger) error {
		n = l.Book(name, rules.Test, rules.Facts{
			Title: "Test from tocsin", Text: "This is a test of channel " + name + ", asked for by " + by.Name + " (" + by.Door +
				"). If you read this, it works.",
		}, s.Now)
		return nil
	})
	if err != nil {
		return TestAnswer{}, err
	}
	return a.awaitTest(ctx, name, n.ID, patience)
}

func (a *App) awaitTest(ctx context.Context, name, id string, patience time.Duration) (TestAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	poll := time.NewTicker(200 * time.Millisecond)
	defer poll.Stop()
	for {
		list, err := a.Store.FanOut(context.WithoutCancel(ctx), id)
		if err != nil {
			return TestAnswer{}, err
		}
		if !slices.ContainsFunc(list, untried) || ctx.Err() != nil {
			return testAnswer(name, id, list), nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
		}
	}
}

func untried(n rules.Notification) bool {
	return !n.State.Final() && (n.State != rules.Owed || n.Error == "")
}

// testAnswer tells of each target, the worst first.
func testAnswer(name, id string, list []rules.Notification) TestAnswer {
	states := []string{string(rules.Sent), "waiting", string(rules.Owed), string(rules.Dead)}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(x, y rules.Notification) int {
		return slices.Index(states, string(tested(y))) - slices.Index(states, string(tested(x)))
	})
	out := TestAnswer{Channel: name, ID: id, State: string(tested(list[0])), Error: list[0].Error, Status: list[0].Code}
	if len(list) == 1 {
		out.Text = testSentence(list[0])
		return out
	}
	var said []string
	for _, n := range list {
		out.Targets = append(out.Targets,
			TestTarget{Name: n.Target, State: string(tested(n)), Error: n.Error, Status: n.Code})
		said = append(said, n.Target+": "+testSentence(n))
	}
	out.Text = strings.Join(said, " ")
	return out
}

// tested is how far a test message has come.
func tested(n rules.Notification) rules.Delivery {
	if untried(n) {
		return "waiting"
	}
	return n.State
}

func testSentence(n rules.Notification) string {
	answered, failed := "", notify.Trouble(n.Error, n.Unknown)
	if n.Code != 0 {
		answered = fmt.Sprintf(" with status %d", n.Code)
		failed += fmt.Sprintf(" (status %d)", n.Code)
	}
	switch state := tested(n); {
	case state == rules.Sent:
		return "Delivered: the service took the message" + answered + "."
	case state == rules.Owed:
		return "Not delivered yet: " + failed + ". tocsin goes on trying."
	case state == "waiting":
		return "The daemon has not delivered it yet; look again in a while."
	case n.Unknown:
		return "Perhaps delivered: " + failed + "; look whether it is there."
	}
	return "Not delivered: " + failed + "; check the channel's address and credential."
}
