package evaluator_test

import (
	"errors"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// freezer is a rule about one sensor.
func freezer(name, sensor string) rules.Doc {
	return rules.Doc{
		"name": name, "title": name, "measurement": "temperature", "field": "celsius", "where": rules.Doc{"sensor": sensor},
		"condition": rules.Doc{"aggregation": "latest", "window": "1m", "operator": ">", "value": -15.0},
	}
}

func (h *house) delete(id string) {
	h.Helper()
	err := h.ledgers.Act(h.Context(), h.now, id, func(s rules.Setting, l *rules.Ledger) error {
		l.Delete(s, rules.Actor{Name: "test", Door: "cli"})
		return nil
	})
	if err != nil {
		h.Fatal(err)
	}
}

// stored lists what a daemon finds that starts now: the rules by name, and the
// alerts by rule and status.
func (h *house) stored() (names, alerts map[string]bool) {
	h.Helper()
	h.restart()
	list, _, err := h.store.Rules(h.Context(), app.RuleFilter{})
	if err != nil {
		h.Fatal(err)
	}
	rows, _, err := h.store.Alerts(h.Context(), app.AlertFilter{})
	if err != nil {
		h.Fatal(err)
	}
	names, alerts = map[string]bool{}, map[string]bool{}
	for _, r := range list {
		names[r.Name] = true
	}
	for _, row := range rows {
		alerts[row.RuleID+" "+string(row.Status())] = true
	}
	return names, alerts
}

// TestWhatIsHeldIsWrittenOverAnEarlierState: the store went back in time; what
// the ledger cache before holds is the truth.
func TestWhatIsHeldIsWrittenOverAnEarlierState(t *testing.T) {
	h := newHouse(t)
	h.rule(freezer("stays", "a"))
	h.rule(freezer("ends", "b"))
	h.rule(freezer("goes", "c"))
	h.tick("temperature,sensor=a celsius=-18", "temperature,sensor=b celsius=-2", "temperature,sensor=c celsius=-2")
	earlier := filepath.Join(t.TempDir(), "tocsin.db")
	if err := h.store.Backup(t.Context(), earlier); err != nil {
		t.Fatal(err)
	}
	h.wantOwed(rules.FirstNews, rules.FirstNews)
	h.delete("rgoes")
	h.rule(freezer("goes2", "c"))
	h.rule(freezer("comes", "d"))
	h.tick("temperature,sensor=a celsius=-2", "temperature,sensor=b celsius=-18", "temperature,sensor=d celsius=-2")
	owed := len(h.ledgers.Owed(h.now))

	old, lost := h.ledgers, h.store.SideTables()
	h.path = earlier
	h.restart()
	if err := h.ledgers.Inherit(t.Context(), old, h.now, lost.Ledgers()); err != nil {
		t.Fatal(err)
	}
	names, alerts := h.stored()
	for name, want := range map[string]bool{"stays": true, "ends": true, "goes": false, "goes2": true, "comes": true} {
		if names[name] != want {
			t.Errorf("rule %s is stored: %t", name, names[name])
		}
	}
	for alert, want := range map[string]bool{
		"rstays firing": true, "rcomes firing": true, "rends firing": false, "rends resolved": true, "rgoes firing": false,
		"rgoes resolved": true,
	} {
		if alerts[alert] != want {
			t.Errorf("alert %s is stored: %t", alert, alerts[alert])
		}
	}
	if again := len(h.ledgers.Owed(h.now)); again != owed || owed == 0 {
		t.Errorf("%d messages are owed, %d were", again, owed)
	}
}

// TestAReloadInheritsWhatIsNotSavedAlone: what is stored stands, also a rule
// that another process made and this one has not seen.
func TestAReloadInheritsWhatIsNotSavedAlone(t *testing.T) {
	h := newHouse(t)
	h.rule(freezer("ours", "a"))
	h.rule(freezer("gone", "b"))
	h.delete("rgone") // what is stored of it is not watched
	h.tick("temperature,sensor=a celsius=-2")
	old, writes := h.ledgers, h.store
	revision, err := writes.Revision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	other := &house{T: t, path: h.path, points: h.points, now: h.now, source: h.source}
	other.open(false)
	other.rule(freezer("theirs", "b"))
	h.restart()
	if err := h.ledgers.Inherit(t.Context(), old, h.now, 0); err != nil {
		t.Fatal(err)
	}
	if names, _ := h.stored(); !names["ours"] || !names["theirs"] {
		t.Errorf("stored are %v", names)
	}
	if now, err := h.store.Revision(t.Context()); err != nil || now != revision+1 {
		t.Errorf("the revision went from %d to %d, %v: only the other process wrote", revision, now, err)
	}
	var none *evaluator.LedgerCache
	if err := h.ledgers.Inherit(t.Context(), none, h.now, 1); err != nil {
		t.Error(err)
	}
}

// edit gives a rule another title.
func (h *house) edit(id, title string) {
	h.Helper()
	err := h.ledgers.Act(h.Context(), h.now, id, func(s rules.Setting, l *rules.Ledger) error {
		next := l.Rule
		next.Title = title
		l.Edit(s, next, rules.Actor{Name: "test", Door: "cli"})
		return nil
	})
	if err != nil {
		h.Fatal(err)
	}
}

// TestWhatIsHeldStandsAgainstAStateThatSomebodyLeft: its revisions and versions
// are further, and say nothing.
func TestWhatIsHeldStandsAgainstAStateThatSomebodyLeft(t *testing.T) {
	h := newHouse(t)
	h.rule(freezer("ours", "a"))
	left := filepath.Join(t.TempDir(), "tocsin.db")
	if err := h.store.Backup(t.Context(), left); err != nil {
		t.Fatal(err)
	}
	other := &house{T: t, path: left, points: h.points, now: h.now, source: h.source}
	other.open(false)
	for _, title := range []string{"Left 1", "Left 2", "Left 3", "Left 4"} {
		other.edit("rours", title)
	}
	h.edit("rours", "Held")

	old, lost := h.ledgers, h.store.SideTables()
	h.path = left
	h.restart()
	if err := h.ledgers.Inherit(t.Context(), old, h.now, lost.Ledgers()); err != nil {
		t.Fatal(err)
	}
	h.restart()
	list, _, err := h.store.Rules(h.Context(), app.RuleFilter{})
	if err != nil || len(list) != 1 || list[0].Title != "Held" || list[0].Version != 6 {
		t.Errorf("stored is %+v, %v; want the title Held and a version after those that are taken", list, err)
	}
}

// TestWhatAReloadInherits when the store was made anew.
func TestWhatAReloadInherits(t *testing.T) {
	t.Run("a rule of the last state that was deleted stays so, a later one does not", func(t *testing.T) {
		h := newHouse(t)
		h.rule(freezer("gone", "a"))
		h.rule(freezer("later", "b"))
		revision := map[string]int64{}
		for _, id := range []string{"rgone", "rlater"} {
			h.ledgers.View(id, func(l *rules.Ledger) { revision[id] = l.Revision })
		}
		empty := newHouse(t)
		if err := h.ledgers.Inherit(t.Context(), empty.ledgers, h.now, revision["rgone"]); err != nil {
			t.Fatal(err)
		}
		if names, _ := h.stored(); names["gone"] || !names["later"] {
			t.Errorf("stored are %v", names)
		}
	})
	t.Run("a small cache does not know all", func(t *testing.T) {
		h := newHouse(t)
		h.rule(freezer("stays", "a"))
		h.rule(freezer("too", "b"))
		old := newHouse(t)
		old.cache = 1
		old.restart()
		if err := h.ledgers.Inherit(t.Context(), old.ledgers, h.now, math.MaxInt64); err != nil {
			t.Fatal(err)
		}
		if names, _ := h.stored(); !names["stays"] || !names["too"] {
			t.Errorf("stored are %v", names)
		}
	})
	t.Run("what cannot be saved keeps no other back", func(t *testing.T) {
		old := newHouse(t)
		old.rule(freezer("a", "a"))
		old.rule(freezer("b", "b"))
		h := newHouse(t)
		saves, broken := 0, errors.New("a page is broken")
		h.meddler.save = func() error {
			if saves++; saves < 3 { // all at once, and the first of them
				return broken
			}
			return nil
		}
		if err := h.ledgers.Inherit(t.Context(), old.ledgers, h.now, 1); !errors.Is(err, broken) {
			t.Errorf("inherited with %v", err)
		}
		if n := h.ledgers.Unsaved(); n != 1 || saves != 4 {
			t.Errorf("%d are not saved after %d saves, want 1 after 4", n, saves)
		}
		h.meddler.save = nil
		h.tick()
		if names, _ := h.stored(); !names["a"] || !names["b"] {
			t.Errorf("stored are %v", names)
		}
	})
	t.Run("what was not saved goes on being so", func(t *testing.T) {
		h := newHouse(t)
		h.rule(hotNow())
		h.meddler.save = func() error { return errors.New("the disk is full") }
		h.now = h.now.Add(30 * time.Second)
		h.write(warm)
		if err := h.engine.Tick(t.Context(), h.now); err == nil {
			t.Fatal("it was saved")
		}
		old := h.ledgers
		h.restart()
		if err := h.ledgers.Inherit(t.Context(), old, h.now, 0); err != nil {
			t.Fatal(err)
		}
		h.wantOwed(rules.FirstNews)
		if n := h.ledgers.Unsaved(); n != 0 {
			t.Errorf("%d are not saved after a save", n)
		}
	})
}
