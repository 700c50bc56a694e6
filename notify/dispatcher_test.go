package notify_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// box is an Outbox in memory.
type box struct {
	mu   sync.Mutex
	list []*rules.Notification
	bell chan struct{}
	deaf int // outcomes that it does not take

	noFallback   bool // nothing can be given to a fallback
	untaken      int  // messages that cannot be taken
	notFannedOut int  // that cannot be fanned out
	unsaved      bool // what is fanned out is so in memory only
	fanOuts      int
}

func (b *box) owe(list ...rules.Notification) {
	b.mu.Lock()
	for _, n := range list {
		n.State, n.BookedAt = rules.Owed, time.Now()
		n.ID = fmt.Sprint(len(b.list), n.ID)
		b.list = append(b.list, &n)
	}
	b.mu.Unlock()
	b.bell <- struct{}{}
}

func (b *box) Owed(now time.Time) (out []rules.Notification) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.list {
		if n.State == rules.Owed && !n.Due.After(now) {
			out = append(out, *n)
		}
	}
	return out
}

func (b *box) NextDue(now time.Time) (next time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.list {
		if n.State == rules.Owed && n.Due.After(now) && (next.IsZero() || n.Due.Before(next)) {
			next = n.Due
		}
	}
	return next
}

func (b *box) change(list []rules.Notification, f func(*rules.Notification)) (out []rules.Notification) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.list {
		for _, wanted := range list {
			if n.ID == wanted.ID {
				f(n)
				out = append(out, *n)
			}
		}
	}
	return out
}

func (b *box) Claim(_ context.Context, list []rules.Notification, message string) ([]rules.Notification, error) {
	if len(list) == 0 {
		panic("there is nothing to take")
	}
	if b.untaken > 0 {
		b.untaken--
		return nil, errors.New("not now")
	}
	return b.change(list, func(n *rules.Notification) { n.State, n.Message = rules.Sending, message; n.Attempts++ }), nil
}

// Record does as a ledger does.
func (b *box) Record(_ context.Context, list []rules.Notification, o rules.Outcome) error {
	if b.deaf > 0 {
		b.deaf--
		return errors.New("not now")
	}
	b.change(list, func(n *rules.Notification) {
		if !n.Failed() {
			n.Due = time.Now()
		}
		n.State, n.Error, n.Unknown = o.State, o.Class, o.State != rules.Sent && (n.Unknown || o.Unknown)
	})
	return nil
}

func (b *box) Fallback(_ context.Context, list []rules.Notification, channel string) (has int, err error) {
	if b.noFallback {
		return 0, errors.New("not now")
	}
	for _, n := range list {
		if !n.MayGoTo(channel) {
			continue
		}
		has++
		if n.Fallback != "" {
			continue
		}
		b.change([]rules.Notification{n}, func(n *rules.Notification) { n.Fallback = channel })
		n.Channel, n.Target, n.Fallback, n.Attempts, n.Error, n.Unknown, n.Facts.Instead = channel, "", "", 0, "", false,
			[]string{n.Channel}
		b.owe(n)
	}
	return has, nil
}

func (b *box) FanOut(_ context.Context, list []rules.Notification, targets []string) error {
	if b.fanOuts++; b.notFannedOut > 0 {
		b.notFannedOut--
		return errors.New("not now")
	}
	for _, n := range list {
		missing := slices.DeleteFunc(slices.Clone(targets), func(t string) bool { return slices.Contains(n.Facts.Had, t) })
		n.Facts.Had = nil
		b.change([]rules.Notification{n}, func(was *rules.Notification) { was.Target, was.Facts = missing[0], n.Facts })
		for _, target := range missing[1:] {
			n.Target = target
			b.owe(n)
		}
	}
	if b.unsaved {
		return errors.New("not saved")
	}
	return nil
}

// held lists what was ever owed on a channel.
func (b *box) held(channel string) (out []rules.Notification) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.list {
		if n.Channel == channel {
			out = append(out, *n)
		}
	}
	return out
}

func (b *box) Notify(_ context.Context, _ string, to []rules.Address, reason rules.Reason, f rules.Facts) error {
	for _, a := range to {
		b.owe(rules.Notification{Channel: a.Channel, Target: a.Target, Reason: reason, Facts: f})
	}
	return nil
}

// shift moves what is owed as a ledger does after a jump of the wall clock.
func (b *box) shift(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.list {
		n.BookedAt, n.Due = n.BookedAt.Add(d), n.Due.Add(d)
	}
}

func (b *box) Bell() <-chan struct{} { return b.bell }

func (b *box) states() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, n := range b.list {
		out = append(out, string(n.State))
	}
	return strings.Join(out, " ")
}

// service is a Sender that answers from a script and remembers when it was
// asked what.
type service struct {
	mu       sync.Mutex
	began    time.Time
	said     []string
	ids      []string // of the messages
	timeouts []time.Duration
	poison   string                     // a message of that title is never answered
	answers  map[string][]rules.Outcome // by channel, with its target where it has several; then Sent
	slow     map[string]time.Duration
	away     time.Time         // before this nothing gets through
	unread   time.Time         // before this no channel can be opened
	targets  map[string]string // of the channels that have several
	renamed  map[string]string
	log      strings.Builder
	troubled bool // errors are to be logged
	failing  func() (channel string, since time.Time)
}

func (s *service) Check(rules.Secret) (string, error) { return "test", nil }

// Targets are the words of the URL, none of one that cannot be read.
func (s *service) Targets(url rules.Secret) []string {
	if url.Reveal() == "unreadable" {
		return nil
	}
	return strings.Split(url.Reveal(), " ")
}

func (s *service) Renamed(_ rules.Secret, name string) string {
	if now := s.renamed[name]; now != "" {
		return now
	}
	return name
}

func (s *service) Send(ctx context.Context, c notify.Channel, m notify.Message) rules.Outcome {
	s.mu.Lock()
	name := strings.TrimSpace(c.Name + " " + c.Target)
	s.said = append(s.said, fmt.Sprintf("%s %s %s", time.Since(s.began).Truncate(time.Second), name,
		notify.Plain(m.Title)))
	s.ids, s.timeouts = append(s.ids, m.ID), append(s.timeouts, c.Timeout)
	wait := s.slow[name]
	out := rules.Outcome{State: rules.Sent}
	if list := s.answers[name]; len(list) > 0 {
		out, s.answers[name] = list[0], list[1:]
	}
	if s.poison != "" && m.Title == s.poison {
		out = unknown
	}
	if time.Now().Before(s.away) {
		out = rules.Outcome{State: rules.Owed, Class: "refused"}
	}
	s.mu.Unlock()
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return rules.Outcome{State: rules.Owed, Unknown: true, Class: "timeout"}
	}
	return out
}

func (s *service) open(name string) (notify.Channel, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case name == "gone":
		return notify.Channel{}, rules.Errorf(rules.NotFound, "no such channel")
	case time.Now().Before(s.unread):
		return notify.Channel{}, rules.Errorf(rules.Unavailable, "not now")
	}
	return notify.Channel{Name: name, URL: rules.NewSecret(s.targets[name])}, nil
}

func (s *service) heard() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.said, "\n")
}

// dispatch runs a dispatcher in a bubble of virtual time.
func dispatch(t *testing.T, answers map[string][]rules.Outcome, play func(b *box, s *service)) {
	t.Helper()
	dispatchBy(t, notify.Options{}, answers, play)
}

// dispatchBy is dispatch with options, and without chance.
func dispatchBy(t *testing.T, o notify.Options, answers map[string][]rules.Outcome, play func(b *box, s *service)) {
	t.Helper()
	if o.Jitter == nil {
		o.Jitter = func(time.Duration) time.Duration { return 0 }
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := &box{bell: make(chan struct{}, 100)}
		s := &service{
			began: time.Now(), answers: answers, slow: map[string]time.Duration{},
			targets: map[string]string{"both": "me you"},
		}
		d := notify.NewDispatcher(b, s, s.open, slog.New(slog.NewTextHandler(&s.log, nil)), o)
		s.failing = d.Failing
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		synctest.Wait()
		play(b, s)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if strings.Contains(s.log.String(), "level=ERROR") != s.troubled {
			t.Errorf("errors are expected: %v; the log is\n%s", s.troubled, s.log.String())
		}
	})
}

func on(channel, title string) rules.Notification {
	return rules.Notification{
		ID: title, AlertID: title, Channel: channel, Reason: rules.FirstNews,
		Facts: rules.Facts{Title: title},
	}
}

func after(d time.Duration) {
	time.Sleep(d) // virtual: only inside the bubble
	synctest.Wait()
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n%s\nwant\n%s", what, got, want)
	}
}

func TestFoldingNeverDelaysTheFirst(t *testing.T) {
	dispatch(t, nil, func(b *box, s *service) {
		b.owe(on("phone", "one"))
		after(2 * time.Second)
		b.owe(on("phone", "two"))
		after(3 * time.Second)
		b.owe(on("phone", "three"))
		after(20 * time.Second)
		want(t, "told", s.heard(), "0s phone one\n10s phone two, and 1 more")
		want(t, "states", b.states(), "sent sent sent")
	})
}

func TestOneCommitIsOneMessage(t *testing.T) {
	dispatch(t, nil, func(b *box, s *service) {
		b.owe(on("phone", "one"), on("phone", "two"), on("mail", "one"))
		after(time.Second)
		if got := s.heard(); !strings.Contains(got, "0s phone one, and 1 more") ||
			!strings.Contains(got, "0s mail one") {
			t.Error(got)
		}
	})
}

func TestBackoffDoublesUpToFiveMinutes(t *testing.T) {
	down := rules.Outcome{State: rules.Owed, Class: "refused"}
	dispatch(t, map[string][]rules.Outcome{"phone": {
		down, down, down, down, down, down, down, down, down, down, down,
		down,
	}}, func(b *box, s *service) {
		b.owe(on("phone", "one"))
		after(time.Hour)
		var gaps []time.Duration
		last := time.Duration(-1)
		for line := range strings.Lines(s.heard()) {
			at, err := time.ParseDuration(strings.Fields(line)[0])
			if err != nil {
				t.Fatal(err)
			}
			if last >= 0 {
				gaps = append(gaps, at-last)
			}
			last = at
		}
		if len(gaps) != 12 || gaps[0] > 2*time.Second || gaps[4] < 16*time.Second || gaps[11] < 5*time.Minute ||
			gaps[11] > 6*time.Minute+time.Second {
			t.Errorf("gaps = %v", gaps)
		}
		want(t, "states", b.states(), "sent")
	})
}

func TestWhatIsAddedToAWaitByChanceIsAdded(t *testing.T) {
	o := notify.Options{Jitter: func(wait time.Duration) time.Duration { return wait / 2 }}
	dispatchBy(t, o, map[string][]rules.Outcome{"phone": {down, down}}, func(b *box, s *service) {
		b.owe(on("phone", "one"))
		after(time.Minute)
		want(t, "told", s.heard(), "0s phone one\n1s phone one\n4s phone one")
	})
}

// TestWaitsAreLongerByUpToAFifth by chance, where nothing else is said.
func TestWaitsAreLongerByUpToAFifth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b, s := &box{bell: make(chan struct{}, 1)},
			&service{began: time.Now(), answers: map[string][]rules.Outcome{"phone": many(20, down)}}
		d := notify.NewDispatcher(b, s, s.open, slog.New(slog.DiscardHandler),
			notify.Options{Backoff: time.Hour, BackoffMax: time.Hour})
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		b.owe(on("phone", "one"))
		after(48 * time.Hour)
		last, waits := time.Duration(0), map[time.Duration]bool{}
		for _, line := range s.said[1:] {
			at, err := time.ParseDuration(strings.Fields(line)[0])
			if err != nil {
				t.Fatal(err)
			}
			wait := at - last
			if last, waits[wait] = at, true; wait < time.Hour-time.Second || wait > 72*time.Minute+time.Second {
				t.Errorf("waited %s, want an hour and up to a fifth of it", wait)
			}
		}
		if len(s.said) != 21 || len(waits) < 2 {
			t.Errorf("tried %d times, with the waits %v", len(s.said), waits)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestEachDeliveryIsALineAndAWarningWhereItIsNotSent(t *testing.T) {
	dispatch(t, map[string][]rules.Outcome{"phone": {down}}, func(b *box, s *service) {
		b.owe(on("phone", "one"))
		after(time.Minute)
		var lines []string
		for line := range strings.Lines(s.log.String()) {
			if _, line, ok := strings.Cut(line, " level="); ok && strings.Contains(line, "msg=delivery") {
				lines = append(lines, strings.Fields(line)[0]+line[strings.Index(line, " outcome"):strings.Index(line, " unknown")])
			}
		}
		want(t, "logged", strings.Join(lines, "\n"), "WARN outcome=owed\nINFO outcome=sent")
	})
}

func TestWhatCannotBeTakenWaitsAsAFailureDoes(t *testing.T) {
	dispatch(t, nil, func(b *box, s *service) {
		b.untaken, s.troubled = 3, true
		b.owe(on("phone", "one"))
		after(time.Minute)
		want(t, "told", s.heard(), "7s phone one")
		want(t, "states", b.states(), "sent")
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	dispatch(t, map[string][]rules.Outcome{"phone": {{State: rules.Owed, Class: "rate_limited", Retry: 90 * time.Second}}},
		func(b *box, s *service) {
			b.owe(on("phone", "one"))
			after(89 * time.Second)
			want(t, "told early", s.heard(), "0s phone one")
			after(2 * time.Second)
			want(t, "told", s.heard(), "0s phone one\n1m30s phone one")
		})
}

func TestAfterASuccessAllThatWaitsIsTold(t *testing.T) {
	down := rules.Outcome{State: rules.Owed, Class: "refused"}
	dispatch(t, map[string][]rules.Outcome{"phone": {down, down}}, func(b *box, s *service) {
		b.owe(on("phone", "one"))
		after(500 * time.Millisecond)
		b.owe(on("phone", "two"))
		after(time.Minute)
		want(t, "states", b.states(), "sent sent")
		if got := s.heard(); !strings.HasSuffix(got, "one, and 1 more") {
			t.Error(got)
		}
	})
}

func TestASlowChannelDelaysNobody(t *testing.T) {
	dispatch(t, nil, func(b *box, s *service) {
		s.slow["mail"] = 14 * time.Second
		b.owe(on("mail", "one"), on("phone", "one"))
		after(time.Second)
		b.owe(on("chat", "two"))
		after(time.Second)
		if got := s.heard(); !strings.Contains(got, "0s phone one") || !strings.Contains(got, "1s chat two") {
			t.Error(got)
		}
		after(time.Minute)
		want(t, "states", b.states(), "sent sent sent")
	})
}

func TestRefusedForGoodAndUnknownChannelAreDead(t *testing.T) {
	dispatch(t, map[string][]rules.Outcome{"phone": {{State: rules.Dead, Class: "auth", Code: 401}}},
		func(b *box, s *service) {
			s.troubled = true
			b.owe(on("phone", "one"), on("gone", "one"))
			after(time.Minute)
			want(t, "states", b.states(), "dead dead")
		})
}

func TestDeadLetterAfterThreeDays(t *testing.T) {
	dispatch(t, nil, func(b *box, s *service) {
		s.slow["phone"] = 24 * time.Hour // never answers: each try is unknown only after its time
		s.answers = map[string][]rules.Outcome{}
		down := rules.Outcome{State: rules.Owed, Class: "refused"}
		for range 2000 {
			s.answers["phone"] = append(s.answers["phone"], down)
		}
		s.slow["phone"] = 0
		b.owe(on("phone", "one"))
		after(71 * time.Hour)
		want(t, "states after 71 hours", b.states(), "owed")
		after(2 * time.Hour)
		want(t, "states after 73 hours", b.states(), "dead")
	})
}

// TestWhatIsAsOldAsThatIsGivenUp once it was so for two minutes.
func TestWhatIsAsOldAsThatIsGivenUp(t *testing.T) {
	o := notify.Options{Backoff: time.Minute, BackoffMax: time.Minute, GiveUp: 3 * time.Minute}
	dispatchBy(t, o, map[string][]rules.Outcome{"phone": many(100, down)}, func(b *box, s *service) {
		b.owe(on("phone", "one"))
		after(5*time.Minute - time.Second)
		want(t, "states before", b.states(), "owed")
		after(time.Second)
		want(t, "states", b.states(), "dead")
	})
}

func TestTheEndWaitsForWhatIsUnderWay(t *testing.T) {
	var states string
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := &box{bell: make(chan struct{}, 1)}
		s := &service{began: time.Now(), slow: map[string]time.Duration{"phone": 2 * time.Second, "mail": time.Hour}}
		d := notify.NewDispatcher(b, s, func(name string) (notify.Channel, error) { return notify.Channel{Name: name}, nil },
			slog.New(slog.DiscardHandler), notify.Options{})
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		b.owe(on("phone", "one"), on("mail", "one"))
		after(time.Second)
		cancel()
		began := time.Now()
		if err := <-done; err != nil || time.Since(began) > 3*time.Second {
			t.Errorf("ended with %v after %s, want within 3 s", err, time.Since(began))
		}
		states = b.states()
	})
	want(t, "states", states, "sent owed")
}
