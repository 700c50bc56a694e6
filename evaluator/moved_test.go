package evaluator_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

// twoProcesses are a daemon and a command on one database.
func twoProcesses(t *testing.T) (daemon, command *house) {
	command = newHouse(t)
	first := *command
	command.open(false)
	return &first, command
}

func warmRule(title string) rules.Doc {
	return rules.Doc{
		"title": title, "measurement": "temperature", "field": "celsius",
		"condition": rules.Doc{"aggregation": "mean", "window": "30s", "operator": ">", "value": -15.0},
	}
}

// TestACallThatIsCutLosesNoChange: whoever is the first to see a change reads it
// for all, whatever becomes of the call.
func TestACallThatIsCutLosesNoChange(t *testing.T) {
	daemon, command := twoProcesses(t)
	cut, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range 30 {
		command.rule(warmRule(fmt.Sprintf("Rule %d", i)))
		_, _ = daemon.ledgers.Version(cut) //nolint:errcheck // the caller is gone
	}
	daemon.tick("temperature celsius=-2")
	if got := len(daemon.owed()); got != 30 {
		t.Errorf("%d of 30 rules were judged", got)
	}
}

// TestWhatCouldNotBeReadIsReadTheNextTime: a change is done with when it was
// read, not when it was seen.
func TestWhatCouldNotBeReadIsReadTheNextTime(t *testing.T) {
	for _, err := range []error{
		errors.New("a page cannot be read"),
		rules.Errorf(rules.Unavailable, "the disk does not answer"),
	} {
		daemon, command := twoProcesses(t)
		command.rule(warmRule("Too warm"))
		daemon.meddler.load = func([]string) error { return err }
		if _, got := daemon.ledgers.Version(t.Context()); !errors.Is(got, err) {
			t.Errorf("seen with %v, want %v", got, err)
		}
		daemon.meddler.load = nil
		daemon.tick("temperature celsius=-2")
		daemon.wantOwed(rules.FirstNews)
	}
}

// TestOneLedgerThatCannotBeReadKeepsNoOtherBack: it stays as it was, and is
// told of at each tick.
func TestOneLedgerThatCannotBeReadKeepsNoOtherBack(t *testing.T) {
	daemon, command := twoProcesses(t)
	damaged := errors.New("this body is no JSON")
	daemon.meddler.load = func(ids []string) error {
		if slices.Contains(ids, "rdamaged") {
			return damaged
		}
		return nil
	}
	command.rule(warmRule("Damaged"))
	command.rule(warmRule("Sound"))
	for range 2 {
		daemon.now = daemon.now.Add(30 * time.Second)
		daemon.write("temperature celsius=-2")
		if err := daemon.engine.Tick(t.Context(), daemon.now); !errors.Is(err, damaged) {
			t.Errorf("the tick says %v", err)
		}
	}
	daemon.wantOwed(rules.FirstNews)
	if err := daemon.ledgers.Act(t.Context(), daemon.now, "rsound", func(rules.Setting, *rules.Ledger) error {
		return nil
	}); err != nil {
		t.Errorf("an act on the sound one: %v", err)
	}
	if err := daemon.ledgers.Act(t.Context(), daemon.now, "rdamaged", func(rules.Setting, *rules.Ledger) error {
		return nil
	}); !errors.Is(err, damaged) {
		t.Errorf("an act on the damaged one: %v", err)
	}
	daemon.meddler.load = nil
	daemon.tick("temperature celsius=-2")
	daemon.wantOwed(rules.FirstNews)
}

// TestRulesAreJudgedWhileChangesCannotBeSeen: as they were last known.
func TestRulesAreJudgedWhileChangesCannotBeSeen(t *testing.T) {
	h := newHouse(t)
	h.rule(warmRule("Too warm"))
	h.tick("temperature celsius=-18")
	gone := errors.New("the database is gone")
	h.meddler.moved = func() error { return gone }
	h.now = h.now.Add(30 * time.Second)
	h.write("temperature celsius=-2")
	if err := h.engine.Tick(t.Context(), h.now); !errors.Is(err, gone) {
		t.Errorf("the tick says %v", err)
	}
	var reasons []string
	for _, n := range h.ledgers.Owed(h.now) {
		reasons = append(reasons, string(n.Reason))
	}
	if got := strings.Join(reasons, " "); got != "first" {
		t.Errorf("owed: %q", got)
	}
}

// TestSilencesThatCannotBeReadStayInForce: else everything they hold comes
// through at once.
func TestSilencesThatCannotBeReadStayInForce(t *testing.T) {
	h := newHouse(t)
	var unreadable error
	h.silence = func(ctx context.Context) ([]rules.Silence, error) {
		list, err := h.store.Silences(ctx, h.now)
		return list, errors.Join(unreadable, err)
	}
	h.restart()
	h.rule(warmRule("Too warm"))
	put := func(id string, until time.Time) {
		all := rules.Silence{
			ID: id, By: rules.Actor{Name: "test", Door: "cli"}, CreatedAt: h.now,
			From: h.now.Add(-time.Hour), Until: until,
		}
		if err := h.store.PutSilence(t.Context(), all); err != nil {
			t.Fatal(err)
		}
	}
	put("s1", h.now.Add(time.Hour))
	h.tick("temperature celsius=-18")
	unreadable = errors.New("a page cannot be read")
	put("s2", h.now.Add(time.Hour))
	h.now = h.now.Add(30 * time.Second)
	h.write("temperature celsius=-2")
	if err := h.engine.Tick(t.Context(), h.now); !errors.Is(err, unreadable) {
		t.Errorf("the tick says %v", err)
	}
	h.wantOwed()
	unreadable = nil
	put("s1", h.now)
	put("s2", h.now)
	h.tick("temperature celsius=-2")
	h.wantOwed(rules.FirstNews)
}

// TestABookThatIsReplacedTakesNothingAway: a call that began before a reload
// neither takes the changes that the next LedgerCache must see, nor makes any.
func TestABookThatIsReplacedTakesNothingAway(t *testing.T) {
	daemon, command := twoProcesses(t)
	before := daemon.ledgers
	before.Retire()
	next, err := evaluator.OpenLedgerCache(t.Context(), daemon.meddler, evaluator.LedgerCacheOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Inherit(t.Context(), before, daemon.now, 0); err != nil {
		t.Fatal(err)
	}
	command.rule(warmRule("Too warm"))
	if _, err := before.Version(t.Context()); rules.CodeOf(err) != rules.Unavailable {
		t.Errorf("the old one is asked: %v", err)
	}
	r, err := ruledoc.Parse(warmRule("Late"))
	if err != nil {
		t.Fatal(err)
	}
	r.ID = "rlate"
	if err := before.Create(t.Context(),
		rules.NewLedger(r, rules.Actor{Name: "test", Door: "cli"}, daemon.now)); rules.CodeOf(err) != rules.Unavailable {
		t.Errorf("the old one takes a rule: %v", err)
	}
	if err := before.Act(t.Context(), daemon.now, "", func(rules.Setting, *rules.Ledger) error {
		return nil
	}); rules.CodeOf(err) != rules.Unavailable {
		t.Errorf("the old one acts: %v", err)
	}
	var known []string
	if _, err := next.Watched(t.Context(), 0, func(list []*rules.Rule) {
		for _, r := range list {
			known = append(known, r.Name)
		}
	}); err != nil || strings.Join(known, " ") != "too_warm" {
		t.Errorf("the new one knows %q (%v)", known, err)
	}
}

// swallowing is a store that loses what others changed.
type swallowing struct{ evaluator.Store }

func (s swallowing) Moved(ctx context.Context) (evaluator.Moved, error) {
	_, err := s.Store.Moved(ctx)
	return evaluator.Moved{}, err
}

// TestARuleThatIsNotJudgedIsNamed: also one that the engine has never heard of.
func TestARuleThatIsNotJudgedIsNamed(t *testing.T) {
	daemon, command := twoProcesses(t)
	daemon.meddler.Store = swallowing{daemon.store}
	unjudged := func() string {
		t.Helper()
		stored, err := command.store.Watched(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(daemon.engine.Unjudged(stored, daemon.now.Add(time.Second)), " ")
	}
	daemon.rule(warmRule("Known"))
	slow := warmRule("Slow")
	slow["every"] = "10m"
	daemon.rule(slow)
	daemon.tick()
	command.rule(warmRule("Unheard"))
	for i, want := range []string{"", "", "unheard", "unheard"} {
		daemon.tick()
		if got := unjudged(); got != want {
			t.Errorf("after %d ticks %q are unjudged, want %q", i+1, got, want)
		}
	}
	daemon.meddler.Store = daemon.store
	if err := command.ledgers.Act(t.Context(), daemon.now, "runheard", func(s rules.Setting, l *rules.Ledger) error {
		next := l.Rule
		next.Title = "Heard"
		l.Edit(s, next, rules.Actor{Name: "test", Door: "cli"})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	daemon.tick()
	if got := unjudged(); got != "" {
		t.Errorf("%q are unjudged after all were judged", got)
	}
}

// TestRulesOfASourceThatFailsAreUnjudged once three of their ticks were missed.
func TestRulesOfASourceThatFailsAreUnjudged(t *testing.T) {
	h, source := gapHouse(t)
	h.rule(hotRule())
	h.tick("temperature,sensor=a celsius=-18")
	source.down.Store(true)
	for i, want := range []int{0, 0, 1, 1} {
		h.tick()
		stored, err := h.store.Watched(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := h.engine.Unjudged(stored, h.now.Add(time.Second)); len(got) != want {
			t.Errorf("%d ticks into the outage %q are unjudged, want %d", i+1, got, want)
		}
	}
	h.restart()
	if got := h.engine.Unjudged(nil, h.now.Add(time.Hour)); len(got) != 0 {
		t.Errorf("before the first tick %q are unjudged", got)
	}
}

// TestWhatOthersMovedIsPassedOn: channels to who keeps them, and silences that could not be read are read
// the next time.
func TestWhatOthersMovedIsPassedOn(t *testing.T) {
	h := newHouse(t)
	channels, commits, reads := 0, 0, 0
	var unread error
	moved := evaluator.Moved{}
	store := &movedStore{meddled: h.meddler, moved: &moved}
	ledgers, err := evaluator.OpenLedgerCache(t.Context(), store, evaluator.LedgerCacheOptions{
		ChannelsMoved: func() { channels++ }, Committed: func() { commits++ },
		Silences: func(context.Context) ([]rules.Silence, error) { reads++; return nil, unread },
	})
	if err != nil {
		t.Fatal(err)
	}
	look := func() error { _, err := ledgers.Version(t.Context()); return err }
	moved = evaluator.Moved{Channels: true}
	if err := look(); err != nil || channels != 1 {
		t.Errorf("channels moved %d times, %v", channels, err)
	}
	if err := look(); err != nil || channels != 1 || commits != 0 {
		t.Errorf("channels moved %d times, %d commits, %v; want no more", channels, commits, err)
	}
	unread, moved, reads = errors.New("not now"), evaluator.Moved{Silences: true}, 0
	if err := look(); !errors.Is(err, unread) {
		t.Errorf("silences that cannot be read: %v", err)
	}
	unread = nil
	for range 3 {
		if err := look(); err != nil {
			t.Error(err)
		}
	}
	if reads != 2 {
		t.Errorf("silences were read %d times, want once more", reads)
	}
	h.rule(hotNow())
	commits = 0
	moved = evaluator.Moved{Ledgers: []string{"rtoo_warm"}}
	h.meddler.load = func([]string) error { return errors.New("not now") }
	if err := look(); err == nil || commits != 0 {
		t.Errorf("what cannot be read is told as a commit: %d, %v", commits, err)
	}
	h.meddler.load = nil
	if err := look(); err != nil || commits != 1 {
		t.Errorf("%d commits, %v; want that of the other", commits, err)
	}
	held := func() (held *rules.Ledger) {
		ledgers.View("rtoo_warm", func(l *rules.Ledger) { held = l })
		return held
	}
	before := held()
	moved = evaluator.Moved{Ledgers: []string{"rtoo_warm"}}
	if err := look(); err != nil || held() != before {
		t.Errorf("what is no newer takes the place of what is held: %v", err)
	}
}

// movedStore says once what others moved.
type movedStore struct {
	*meddled
	moved *evaluator.Moved
}

func (m *movedStore) Moved(context.Context) (evaluator.Moved, error) {
	out := *m.moved
	*m.moved = evaluator.Moved{}
	return out, nil
}
