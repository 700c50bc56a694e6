package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

var processTests = []clause{
	{"an acknowledgement that lands between decide and commit is kept", testAckBetween},
	{"what another process prepared for the same decision is found by again", testAgainSeesFresh},
	{"a conflict without a way to decide again is refused", func(t *testing.T, open func() app.Store) {
		a, b := open(), open()
		save(t, a, firing(simple("r"), noon))
		mine, theirs := load(t, a, "id-r"), load(t, b, "id-r")
		book(theirs, "theirs")
		save(t, b, theirs)
		book(mine, "mine")
		wantCode(t, a.Save(t.Context(), []*rules.Ledger{mine}, nil), rules.Conflict)
	}},
	{"an error of again ends the transaction", testAgainFails},
	{"a decision that is moot once it is fresh writes nothing", testMoot},
	{"only the ledgers that others changed are decided again", testOnlyMoved},
	{"an unchanged ledger of the batch that others changed is decided again", testUnchangedMoved},
	{"two copies in one process do not overwrite each other", testTwoCopies},
	{"Moved tells what others committed, once", testMoved},
	{"Moved does not tell of this store's own saves", func(t *testing.T, open func() app.Store) {
		s := open()
		save(t, s, firing(simple("r"), noon))
		wantMoved(t, s, evaluator.Moved{})
	}},
	{"Moved tells of this store's own silences and channels", func(t *testing.T, open func() app.Store) {
		s := open()
		put(t, s.PutSilence(t.Context(), silence("s", noon.Add(time.Hour))))
		wantMoved(t, s, evaluator.Moved{Silences: true})
		put(t, s.PutChannel(t.Context(), channel("phone")))
		wantMoved(t, s, evaluator.Moved{Channels: true})
		put(t, s.DeleteChannel(t.Context(), "phone"))
		wantMoved(t, s, evaluator.Moved{Channels: true})
		wantMoved(t, s, evaluator.Moved{})
	}},
	{"what others did before one's own save is still told", testMovedAroundSave},
	{"two processes that hammer one ledger lose nothing", testHammer},
	{"what one process commits the next one reads", func(t *testing.T, open func() app.Store) {
		save(t, open(), firing(simple("r"), noon))
		if got := load(t, open(), "id-r"); !got.Busy() {
			t.Error("the alert is not there")
		}
	}},
}

func put(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// book owes a message that can be told apart.
func book(l *rules.Ledger, text string) {
	l.Book("phone", rules.Test, rules.Facts{Text: text}, noon)
}

func wantMoved(t *testing.T, s app.Store, want evaluator.Moved) {
	t.Helper()
	got, err := s.Moved(t.Context())
	if err != nil || !slices.Equal(got.Ledgers, want.Ledgers) || got.Silences != want.Silences ||
		got.Channels != want.Channels {
		t.Fatalf("Moved returned %+v, %v; want %+v", got, err, want)
	}
}

func testAckBetween(t *testing.T, open func() app.Store) {
	daemon, cli := open(), open()
	l := firing(simple("r"), noon)
	save(t, daemon, l)
	id := alertOf(t, l).ID

	theirs := load(t, cli, "id-r")
	tick := func(l *rules.Ledger) { observe(l, noon.Add(time.Minute), "a", rules.Good, 1) }
	tick(l) // the daemon has decided
	put(t, theirs.Acknowledge(setting(noon.Add(time.Minute)), id, rules.Acknowledgement{By: ann, Note: "on it"}))
	save(t, cli, theirs)

	calls := 0
	err := daemon.Save(t.Context(), []*rules.Ledger{l}, func(fresh *rules.Ledger) error {
		calls++
		fresh.Remember(l)
		tick(fresh)
		return nil
	})
	if err != nil || calls != 1 {
		t.Fatalf("Save: %v; decided again %d times", err, calls)
	}
	row, err := cli.Alert(t.Context(), id)
	if err != nil || row.Status() != rules.StatusResolved || row.Ack == nil || row.Ack.Note != "on it" {
		t.Fatalf("the alert is %s with acknowledgement %+v, %v", row.Status(), row.Ack, err)
	}
	wantMoved(t, daemon, evaluator.Moved{})
	wantMoved(t, cli, evaluator.Moved{Ledgers: []string{"id-r"}})
}

func testAgainSeesFresh(t *testing.T, open func() app.Store) {
	a, b := open(), open()
	save(t, a, firing(simple("r"), noon))
	mine, theirs := load(t, a, "id-r"), load(t, b, "id-r")
	edited := theirs.Rule
	edited.Title = "edited"
	theirs.Edit(setting(noon), edited, ann)
	save(t, b, theirs)

	book(mine, "mine")
	var fresh *rules.Ledger
	put(t, a.Save(t.Context(), []*rules.Ledger{mine}, func(f *rules.Ledger) error {
		fresh = f
		if f.Rule.Title != "edited" || f.Revision != theirs.Revision || f.Changed() {
			t.Errorf("the fresh ledger has title %q and revision %d", f.Rule.Title, f.Revision)
		}
		book(f, "mine")
		return nil
	}))
	if fresh == nil || fresh.Changed() || fresh.Revision <= theirs.Revision {
		t.Fatal("the fresh ledger was not told that it is saved")
	}
	if !mine.Changed() {
		t.Error("the ledger that was replaced was told that it is saved")
	}
	if got := load(t, b, "id-r"); picture(got) != picture(fresh) {
		t.Errorf("read back:\n%s\nwritten:\n%s", picture(got), picture(fresh))
	}
}

func testAgainFails(t *testing.T, open func() app.Store) {
	a, b := open(), open()
	save(t, a, firing(simple("r"), noon), firing(simple("q"), noon))
	mine, other, theirs := load(t, a, "id-r"), load(t, a, "id-q"), load(t, b, "id-r")
	book(theirs, "theirs")
	save(t, b, theirs)
	book(mine, "mine")
	book(other, "other")
	err := a.Save(t.Context(), []*rules.Ledger{other, mine}, func(*rules.Ledger) error { return errStop })
	if !errors.Is(err, errStop) {
		t.Fatalf("Save returned %v", err)
	}
	if got := load(t, b, "id-q"); len(messagesOf(got)) != 1 {
		t.Error("the other ledger of the batch was written")
	}
	wantMoved(t, a, evaluator.Moved{Ledgers: []string{"id-r"}})
	save(t, a, other)
}

func testMoot(t *testing.T, open func() app.Store) {
	a, b := open(), open()
	save(t, a, firing(simple("r"), noon))
	mine, theirs := load(t, a, "id-r"), load(t, b, "id-r")
	book(theirs, "theirs")
	save(t, b, theirs)
	book(mine, "mine")
	put(t, a.Save(t.Context(), []*rules.Ledger{mine}, func(*rules.Ledger) error { return nil }))
	if got := load(t, b, "id-r"); got.Revision != theirs.Revision {
		t.Errorf("revision = %d, want the other's %d", got.Revision, theirs.Revision)
	}
	wantMoved(t, b, evaluator.Moved{})
}

func testOnlyMoved(t *testing.T, open func() app.Store) {
	a, b := open(), open()
	var batch []*rules.Ledger
	for i := range 20 {
		batch = append(batch, firing(simple(fmt.Sprintf("r%02d", i)), noon))
	}
	save(t, a, batch...)
	theirs := load(t, b, "id-r07")
	book(theirs, "theirs")
	save(t, b, theirs)
	for _, l := range batch {
		book(l, "mine")
	}
	var again []string
	put(t, a.Save(t.Context(), batch, func(f *rules.Ledger) error {
		again = append(again, f.Rule.ID)
		book(f, "mine")
		return nil
	}))
	if !slices.Equal(again, []string{"id-r07"}) {
		t.Errorf("decided again: %v", again)
	}
	if got := load(t, b, "id-r07"); len(messagesOf(got)) != 3 {
		t.Errorf("the ledger owes %d messages, want 3", len(messagesOf(got)))
	}
}

func testUnchangedMoved(t *testing.T, open func() app.Store) {
	a, b := open(), open()
	save(t, a, firing(simple("r"), noon), firing(simple("q"), noon))
	still, mine, theirs := load(t, a, "id-r"), load(t, a, "id-q"), load(t, b, "id-r")
	book(theirs, "theirs")
	save(t, b, theirs)
	book(mine, "mine")
	called := false
	put(t, a.Save(t.Context(), []*rules.Ledger{still, mine}, func(f *rules.Ledger) error {
		called = f.Rule.ID == "id-r"
		return nil
	}))
	if !called {
		t.Error("it was not decided again")
	}
	wantMoved(t, a, evaluator.Moved{})
}

func testTwoCopies(t *testing.T, open func() app.Store) {
	s := open()
	save(t, s, firing(simple("r"), noon))
	one, two := load(t, s, "id-r"), load(t, s, "id-r")
	book(one, "one")
	book(two, "two")
	save(t, s, one)
	put(t, s.Save(t.Context(), []*rules.Ledger{two}, func(f *rules.Ledger) error { book(f, "two"); return nil }))
	if got := load(t, s, "id-r"); len(messagesOf(got)) != 3 {
		t.Errorf("the ledger owes %d messages, want 3", len(messagesOf(got)))
	}
}

func testMoved(t *testing.T, open func() app.Store) {
	daemon, other := open(), open()
	wantMoved(t, daemon, evaluator.Moved{})
	l, own := firing(simple("r"), noon), load(t, other, "")
	book(own, "own")
	save(t, other, l, firing(simple("q"), noon), own)
	wantMoved(t, daemon, evaluator.Moved{Ledgers: []string{"", "id-q", "id-r"}})
	wantMoved(t, daemon, evaluator.Moved{})
	put(t, other.PutSilence(t.Context(), silence("s", noon.Add(time.Hour))))
	wantMoved(t, daemon, evaluator.Moved{Silences: true})
	put(t, other.PutChannel(t.Context(), channel("phone")))
	book(l, "more")
	save(t, other, l)
	wantMoved(t, daemon, evaluator.Moved{Ledgers: []string{"id-r"}, Channels: true})
	wantMoved(t, daemon, evaluator.Moved{})
}

func testMovedAroundSave(t *testing.T, open func() app.Store) {
	daemon, other := open(), open()
	mine, theirs := firing(simple("mine"), noon), firing(simple("theirs"), noon)
	save(t, daemon, mine, theirs)
	theirs = load(t, other, "id-theirs")
	book(theirs, "theirs")
	save(t, other, theirs)
	put(t, other.PutSilence(t.Context(), silence("s", noon.Add(time.Hour))))
	book(mine, "mine")
	save(t, daemon, mine)
	wantMoved(t, daemon, evaluator.Moved{Ledgers: []string{"id-theirs"}, Silences: true})
	wantMoved(t, daemon, evaluator.Moved{})
}

func testHammer(t *testing.T, open func() app.Store) {
	const turns = 60
	first := open()
	save(t, first, rules.NewLedger(simple("r"), ann, noon))
	stores := []app.Store{first, open()}
	var wg sync.WaitGroup
	for who, s := range stores {
		wg.Go(func() {
			l := load(t, s, "id-r")
			for i := range turns {
				act := func(l *rules.Ledger) error { book(l, fmt.Sprintf("%d of %d", i, who)); return nil }
				put(t, act(l))
				err := s.Save(t.Context(), []*rules.Ledger{l}, func(f *rules.Ledger) error { l = f; return act(f) })
				if err != nil {
					t.Errorf("Save: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got := len(messagesOf(load(t, first, "id-r"))); got != turns*len(stores) {
		t.Errorf("%d messages of %d are stored", got, turns*len(stores))
	}
}
