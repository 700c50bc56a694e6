package app_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// post is a Sender that refuses what goes to channels that are broken, and
// tells of each message.
type post struct {
	mu     sync.Mutex
	broken map[string]rules.Outcome
	told   chan string

	answers []string // what each message answered to
}

func (p *post) Check(rules.Secret) (string, error) { return "test", nil }

func (p *post) Targets(url rules.Secret) []string { return strings.Split(url.Reveal(), " ") }

func (*post) Renamed(_ rules.Secret, name string) string { return name }

func (p *post) Send(_ context.Context, c notify.Channel, m notify.Message) rules.Outcome {
	p.mu.Lock()
	name := strings.TrimSpace(c.Name + " " + c.Target)
	o, broken := p.broken[name]
	p.answers = append(p.answers, m.Answers)
	p.mu.Unlock()
	if !broken {
		o = rules.Outcome{State: rules.Sent, Code: 200, Ref: "ref of " + m.ID}
		p.told <- name + ": " + notify.Plain(m.Title+"\n"+m.Text)
	}
	return o
}

func (p *post) mend(channel string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.broken, channel)
}

// office is an App with a dispatcher on a real store.
type office struct {
	*testing.T
	*app.App
	*post
	rule rules.Rule
}

func newOffice(t *testing.T, broken map[string]rules.Outcome) *office {
	t.Helper()
	o := &office{T: t, post: &post{broken: broken, told: make(chan string, 100)}}
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "tocsin.db"), sqlite.Options{Migrate: true})
	o.must(err)
	t.Cleanup(func() { o.must(store.Close()) })
	url := rules.NewSecret("x")
	c := &app.Config{Channels: map[string]app.ChannelConfig{
		"phone": {URL: url, Settings: notify.Settings{Fallback: "mail"}}, "mail": {URL: url}, "pager": {URL: url},
	}, Operators: []string{"phone", "pager"}}
	quiet := slog.New(slog.DiscardHandler)
	directory := app.NewDirectory(c, store, nil, quiet)
	ledgers, err := evaluator.OpenLedgerCache(t.Context(), store, evaluator.LedgerCacheOptions{Route: directory.Route(c)})
	o.must(err)
	o.App = app.New(app.App{Config: c, Store: store, Ledgers: ledgers, Sender: o.post})
	d := notify.NewDispatcher(notify.LedgerOutbox{LedgerCache: ledgers}, o.post, directory.Open, quiet, notify.Options{
		Fold: time.Millisecond, Backoff: time.Millisecond, BackoffMax: 5 * time.Millisecond,
		FallbackAfter: 50 * time.Millisecond,
		Policy:        directory.Policy, Operators: directory.Operators(c),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() { cancel(); o.must(<-done) })
	o.rule, err = ruledoc.Parse(rules.Doc{
		"name": "fever", "title": "Too warm", "source": "home", "measurement": "m", "field": "f", "channels": []any{"phone"},
		"condition": map[string]any{"type": "threshold", "operator": ">", "value": 3.0},
	})
	o.must(err)
	o.rule.ID = "r1"
	o.must(ledgers.Create(t.Context(), rules.NewLedger(o.rule, anna, time.Now())))
	return o
}

func (o *office) must(err error) {
	o.Helper()
	if err != nil {
		o.Fatal(err)
	}
}

func (o *office) observe(v rules.Verdict) {
	o.Helper()
	o.must(o.Ledgers.Act(o.Context(), time.Now().UTC(), "r1", func(s rules.Setting, l *rules.Ledger) error {
		l.Observe(s, []rules.Observation{{Series: "room=a", Verdict: v, Value: 5}}, nil)
		l.RunTimers(s)
		return nil
	}))
}

// hear waits for messages that begin so, in any order.
func (o *office) hear(begins ...string) (texts string) {
	o.Helper()
	for range begins {
		select {
		case got := <-o.told:
			texts += got + "\n"
			found := false
			for _, b := range begins {
				found = found || strings.HasPrefix(got, b)
			}
			if !found {
				o.Fatalf("told %q, want one of %q", got, begins)
			}
		case <-time.After(time.Minute):
			o.Fatalf("not told; want %q", begins)
		}
	}
	return texts
}

func TestADeadChannelHasItsFallbackToldAndItsLettersKept(t *testing.T) {
	o := newOffice(t, map[string]rules.Outcome{"phone": {State: rules.Dead, Class: "auth", Code: 401}})
	o.observe(rules.Bad)
	texts := o.hear("mail: Too warm, a", "pager: Channel phone refuses messages")
	if !strings.Contains(texts, "Told here because channel phone does not work.") ||
		!strings.Contains(texts, "`tocsin channels dead`") {
		t.Error(texts)
	}
	list, err := o.DeadLetters(t.Context(), "")
	o.must(err)
	if len(list) != 1 || list[0].Channel != "phone" || list[0].Fallback != "mail" || list[0].Error != "auth" {
		t.Errorf("dead letters = %+v", list)
	}
	o.observe(rules.Good)
	o.hear("mail: Resolved: Too warm, a")

	// What is sent again when it is over says so.
	o.mend("phone")
	n, err := o.ResendAll(t.Context(), "phone")
	o.must(err)
	o.hear("phone: Came and went: Too warm, a")
	if list, err := o.DeadLetters(t.Context(), ""); err != nil || n != 1 || len(list) != 0 {
		t.Errorf("%d sent again, %+v left, %v", n, list, err)
	}
}

// TestWhatFollowsAnswersToTheFirstMessage about an alert at its address, and that
// of the next alert to none.
func TestWhatFollowsAnswersToTheFirstMessage(t *testing.T) {
	o := newOffice(t, nil)
	for range 2 {
		o.observe(rules.Bad)
		o.hear("phone: Too warm, a")
		o.observe(rules.Good)
		o.hear("phone: Resolved: Too warm, a")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if a := o.answers; len(a) != 4 || a[0] != "" || !strings.HasPrefix(a[1], "ref of n") || a[2] != "" || a[3] == a[1] ||
		!strings.HasPrefix(a[3], "ref of n") {
		t.Errorf("they answer to %q", a)
	}
}

func TestAChannelThatFailsLongHasItsFallbackTold(t *testing.T) {
	o := newOffice(t, map[string]rules.Outcome{"phone": {State: rules.Owed, Class: "refused"}})
	o.observe(rules.Bad)
	o.hear("mail: Too warm, a")
	o.observe(rules.Good)
	o.hear("mail: Resolved: Too warm, a")
}

// TestAnAlertShowsHowSevereItWas when that is more than it is, while it lasts
// and afterwards.
func TestAnAlertShowsHowSevereItWas(t *testing.T) {
	o := newOffice(t, nil)
	o.must(o.Ledgers.Act(t.Context(), time.Now().UTC(), "r1", func(s rules.Setting, l *rules.Ledger) error {
		r := l.Rule
		r.Severity, r.Levels = rules.Medium, []rules.Level{{Value: rules.Num(90), Severity: rules.Critical}}
		l.Edit(s, r, anna)
		return nil
	}))
	look := func(v rules.Verdict, value float64, level int) app.AlertView {
		t.Helper()
		o.must(o.Ledgers.Act(t.Context(), time.Now().UTC(), "r1", func(s rules.Setting, l *rules.Ledger) error {
			l.Observe(s, []rules.Observation{{Series: "room=a", Verdict: v, Value: value, Level: level}}, nil)
			return nil
		}))
		list, _, err := o.Alerts(t.Context(), app.AlertFilter{})
		o.must(err)
		return list[0]
	}
	if v := look(rules.Bad, 5, 0); v.Severity != rules.Medium || v.Worst != "" {
		t.Errorf("at first: %s, worst %q", v.Severity, v.Worst)
	}
	if v := look(rules.Bad, 99, 1); v.Severity != rules.Critical || v.Worst != "" {
		t.Errorf("worse: %s, worst %q", v.Severity, v.Worst)
	}
	if v := look(rules.Bad, 5, 0); v.Severity != rules.Medium || v.Worst != rules.Critical {
		t.Errorf("better: %s, worst %q", v.Severity, v.Worst)
	}
	if v := look(rules.Good, 1, 0); v.Status != rules.StatusResolved || v.Worst != rules.Critical {
		t.Errorf("over: %s, worst %q", v.Status, v.Worst)
	}
}

// TestTheStoreKnowsSinceWhenAChannelFails, so that a restart does not begin to
// count anew.
func TestTheStoreKnowsSinceWhenAChannelFails(t *testing.T) {
	o := newOffice(t, map[string]rules.Outcome{"phone": {State: rules.Owed, Class: "refused"}})
	o.observe(rules.Bad)
	failed := func(attempts int) rules.Notification {
		t.Helper()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for end := time.After(time.Minute); ; {
			for _, n := range o.Ledgers.Owed(time.Now()) {
				if n.Channel == "phone" && n.Failed() && n.Attempts >= attempts {
					return n
				}
			}
			select {
			case <-tick.C:
			case <-end:
				t.Fatalf("not tried %d times", attempts)
			}
		}
	}
	first, later := failed(1), failed(6)
	// To the millisecond: that is what the store keeps, and who looks during a save is told.
	if later.Due.Sub(first.Due).Abs() > time.Millisecond || first.Due.Before(first.BookedAt) {
		t.Errorf("booked at %s; after %d tries due since %s, after %d since %s", first.BookedAt, first.Attempts, first.Due,
			later.Attempts, later.Due)
	}
	row, err := o.Store.Notification(t.Context(), first.ID)
	if err != nil || row.Due.Sub(first.Due).Abs() > time.Millisecond {
		t.Errorf("stored %s, %v", row.Due, err)
	}
	o.must(o.Ledgers.Resume(t.Context(), time.Now().UTC()))
	if again := failed(1); again.Due.Sub(first.Due).Abs() > time.Millisecond {
		t.Errorf("after a restart due since %s, want %s", again.Due, first.Due)
	}
}

func TestAllIsWellWhileNothingIsStuck(t *testing.T) {
	o := newOffice(t, nil)
	none := func() (string, time.Time) { return "", time.Time{} }
	if err := o.Well(t.Context(), none); err != nil {
		t.Error(err)
	}
	since := func(d time.Duration) func() (string, time.Time) {
		return func() (string, time.Time) { return "phone", time.Now().Add(-d) }
	}
	if err := o.Well(t.Context(), since(10*time.Minute)); err != nil {
		t.Error(err)
	}
	if err := o.Well(t.Context(), since(2*time.Hour)); err == nil ||
		!strings.Contains(err.Error(), "channel phone has failed for 2h") {
		t.Error(err)
	}
	if err := o.Store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := o.Well(t.Context(), none); rules.CodeOf(err) != rules.Unavailable {
		t.Errorf("with a closed database: %v", errors.Unwrap(err))
	}
}

// TestWhatNobodyConfirmedIsNotDelivered, wherever it is asked for.
func TestWhatNobodyConfirmedIsNotDelivered(t *testing.T) {
	o := newOffice(t, map[string]rules.Outcome{"phone": {State: rules.Owed, Unknown: true, Class: "timeout"}})
	o.observe(rules.Bad)
	shown := func(state, channel string) {
		t.Helper()
		tick, end := time.NewTicker(time.Millisecond), time.After(30*time.Second)
		defer tick.Stop()
		for {
			list, _, err := o.Alerts(t.Context(), app.AlertFilter{})
			o.must(err)
			got := list[0].Delivery
			if got.State == "delivered" && state != "delivered" {
				t.Fatalf("shown as %+v", got)
			}
			if got.State == state && got.Channels["phone"] == channel {
				return
			}
			select {
			case <-tick.C:
			case <-end:
				t.Fatalf("shown as %+v, want %s and phone %s", got, state, channel)
			}
		}
	}
	shown("pending", "owed (timeout), may have arrived")
	o.mend("phone")
	shown("delivered", "sent")
}
