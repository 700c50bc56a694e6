package storetest

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

var ledgerTests = []clause{
	{"a new database holds tocsin's own ledger and nothing else", func(t *testing.T, open func() app.Store) {
		got, err := open().Load(t.Context())
		if err != nil || len(got) != 1 || got[0].Rule.ID != "" || got[0].Revision == 0 {
			t.Fatalf("Load returned %d ledgers, %v", len(got), err)
		}
	}},
	{"tocsin's own ledger keeps what it owes", func(t *testing.T, open func() app.Store) {
		s := open()
		l := load(t, s, "")
		n := l.Book("phone", rules.Operational, rules.Facts{Text: "back again"}, noon)
		save(t, s, l)
		if got := load(t, open(), ""); picture(got) != picture(l) || messagesOf(got)[0].ID != n.ID {
			t.Errorf("read back:\n%s\nwritten:\n%s", picture(got), picture(l))
		}
	}},
	{"tocsin's own ledger keeps how far the sources are", func(t *testing.T, open func() app.Store) {
		s := open()
		l := load(t, s, "")
		var p rules.Progress
		fill(&p)
		l.Advance(p)
		save(t, s, l)
		if got := load(t, open(), ""); picture(got) != picture(l) || got.Changed() {
			t.Errorf("read back:\n%s\nwritten:\n%s", picture(got), picture(l))
		}
	}},
	{"every field of a rule, instance, alert and message survives", testEveryField},
	{"a number that is none stays none", testNoNumber},
	{"a saved ledger is at its revision and unchanged", func(t *testing.T, open func() app.Store) {
		s := open()
		l := firing(simple("a"), noon)
		save(t, s, l)
		got := load(t, s, l.Rule.ID)
		if l.Changed() || l.Revision == 0 || got.Revision != l.Revision || got.Changed() {
			t.Errorf("changed = %t, revision = %d, read back %t, %d", l.Changed(), l.Revision, got.Changed(), got.Revision)
		}
	}},
	{"what did not change is not written", func(t *testing.T, open func() app.Store) {
		s := open()
		l := firing(simple("a"), noon)
		save(t, s, l)
		was := l.Revision
		if err := s.Save(t.Context(), []*rules.Ledger{l}, nil); err != nil || l.Revision != was ||
			load(t, s, l.Rule.ID).Revision != was {
			t.Errorf("Save of nothing: %v, revision %d, was %d", err, l.Revision, was)
		}
	}},
	{"a quiet series that no roster needs leaves no row", func(t *testing.T, open func() app.Store) {
		s := open()
		l := firing(simple("a"), noon)
		save(t, s, l)
		if n := load(t, s, l.Rule.ID).Size(); n != 1 {
			t.Fatalf("while it fires %d series are stored", n)
		}
		observe(l, noon.Add(time.Minute), "a", rules.Good, 1)
		save(t, s, l)
		if n := load(t, s, l.Rule.ID).Size(); n != 0 {
			t.Errorf("%d series are stored", n)
		}
	}},
	{"a resolved alert stays in its ledger until its messages are out", testResolvedStays},
	{"an alert keeps its message history in the ledger while one is owed", testHistoryStays},
	{"a name is taken once", testNameTaken},
	{"a name is free again after its rule is deleted", testNameFree},
	{"a batch is saved whole or not at all", testBatchWhole},
	{"the same new rule twice is a conflict", func(t *testing.T, open func() app.Store) {
		s := open()
		save(t, s, rules.NewLedger(simple("a"), ann, noon))
		other := simple("b")
		other.ID = "id-a"
		wantCode(t, s.Save(t.Context(), []*rules.Ledger{rules.NewLedger(other, ann, noon)}, nil), rules.Conflict)
	}},
	{"a deleted rule that owes nothing is loaded only by its id", testDeleted},
	{"ids that do not exist are left out", func(t *testing.T, open func() app.Store) {
		s := open()
		save(t, s, firing(simple("a"), noon))
		if got, err := s.Load(t.Context(), "id-a", "nobody"); err != nil || len(got) != 1 || got[0].Rule.ID != "id-a" ||
			got[0].Size() != 1 {
			t.Errorf("Load returned %d ledgers, %v", len(got), err)
		}
	}},
	{"a thousand alerts in one commit", testThousand},
}

func testEveryField(t *testing.T, open func() app.Store) {
	s := open()
	l := firing(whole("a"), noon)
	observe(l, noon.Add(time.Minute), "a", rules.Bad, 12)
	a, n := alertOf(t, l), messagesOf(l)[0]
	in := l.Instance(a.Series)
	l.ShiftTimers(time.Minute) // marks everything as changed
	fill(a, "ID", "RuleID", "Series", "ResolvedAt")
	fill(n, "ID", "RuleID", "AlertID", "State")
	fill(in, "Series", "State", "Alert")
	if zero := append(zeroFields(*in), zeroFields(*n)...); len(zero) > 0 {
		t.Fatalf("the fixture leaves %v empty", zero)
	}
	save(t, s, l)
	got := load(t, open(), l.Rule.ID)
	if picture(got) != picture(l) {
		t.Errorf("read back:\n%s\nwritten:\n%s", picture(got), picture(l))
	}
	if got.Instance(a.Series).Alert != alertOf(t, got) {
		t.Error("the instance does not point at its alert")
	}
	all, err := s.Load(t.Context())
	if err != nil || len(all) != 2 || picture(all[1]) != picture(l) {
		t.Errorf("the load of all differs from that of one: %d ledgers, %v", len(all), err)
	}
	row, err := s.Alert(t.Context(), a.ID)
	if err != nil || written(fields(row.Alert)) != written(fields(*a)) {
		t.Errorf("Alert returned %s, %v; want %s", written(fields(row.Alert)), err, written(fields(*a)))
	}
	if len(row.Notifications) != len(messagesOf(l)) {
		t.Fatalf("Alert returned %d messages of %d", len(row.Notifications), len(messagesOf(l)))
	}
	for _, n := range row.Notifications {
		if want := message(l, n.ID); want == nil || written(fields(n)) != written(fields(*want)) {
			t.Errorf("Alert returned the message %s, want %+v", written(fields(n)), want)
		}
	}
}

func testNoNumber(t *testing.T, open func() app.Store) {
	s := open()
	l := firing(simple("a"), noon)
	a := alertOf(t, l)
	a.Value, a.Peak, l.Instance(a.Series).Value = math.NaN(), math.NaN(), math.NaN()
	save(t, s, l)
	got := alertOf(t, load(t, s, l.Rule.ID))
	if !math.IsNaN(got.Value) || !math.IsNaN(got.Peak) || !math.IsNaN(load(t, s, l.Rule.ID).Instance(a.Series).Value) {
		t.Errorf("value = %v, peak = %v", got.Value, got.Peak)
	}
}

func testResolvedStays(t *testing.T, open func() app.Store) {
	s := open()
	l := firing(simple("a"), noon)
	deliver(l, noon)
	save(t, s, l)
	observe(l, noon.Add(time.Minute), "a", rules.Good, 1)
	save(t, s, l)
	l = load(t, s, l.Rule.ID)
	if a := alertOf(t, l); a.Status() != rules.StatusResolved || a.Reason == "" {
		t.Fatalf("the alert is %s, %q", a.Status(), a.Reason)
	}
	deliver(l, noon.Add(2*time.Minute))
	save(t, s, l)
	if got := load(t, s, l.Rule.ID); got.Busy() || len(messagesOf(got)) > 0 {
		t.Errorf("the ledger still holds %s", picture(got))
	}
}

func testHistoryStays(t *testing.T, open func() app.Store) {
	s := open()
	l := firing(simple("a"), noon)
	deliver(l, noon)
	save(t, s, l)
	a := alertOf(t, l)
	silent := rules.Setting{
		Now:      noon.Add(time.Minute),
		Silences: []rules.Silence{{ID: "s", From: noon, Until: noon.Add(time.Hour)}},
	}
	l.Observe(silent, []rules.Observation{{Series: a.Series, Verdict: rules.Good, Value: 1}}, nil)
	save(t, s, l)
	got := load(t, s, l.Rule.ID)
	if heard := got.Announced(a.ID); len(heard) != 1 || heard[0].Channel != "phone" {
		t.Errorf("announced on %v; the resolve would get lost", heard)
	}
	if len(messagesOf(got)) != 2 {
		t.Errorf("the ledger holds %d messages, want the first and its resolve", len(messagesOf(got)))
	}
}

func testNameTaken(t *testing.T, open func() app.Store) {
	s := open()
	save(t, s, rules.NewLedger(simple("freezer"), ann, noon))
	second := simple("freezer")
	second.ID = "id-second"
	err := s.Save(t.Context(), []*rules.Ledger{rules.NewLedger(second, ann, noon)}, nil)
	wantCode(t, err, rules.Conflict)
	if want := `a rule named "freezer" exists already (id id-freezer)`; !strings.Contains(err.Error(), want) {
		t.Errorf("the error is %q and does not say %q", err, want)
	}
	second.Owner = "bob"
	save(t, s, rules.NewLedger(second, ann, noon))
}

func testNameFree(t *testing.T, open func() app.Store) {
	s := open()
	old := rules.NewLedger(simple("freezer"), ann, noon)
	save(t, s, old)
	version := rules.Version{Rule: old.Rule}
	old.Delete(setting(noon), ann)
	next := simple("freezer")
	next.ID = "id-next"
	// In one batch, and in the order that would fail if it were kept.
	save(t, s, rules.NewLedger(next, ann, noon), old)
	old.Restore(setting(noon), version, ann)
	wantCode(t, s.Save(t.Context(), []*rules.Ledger{old}, nil), rules.Conflict)
}

func testBatchWhole(t *testing.T, open func() app.Store) {
	s := open()
	save(t, s, rules.NewLedger(simple("a"), ann, noon))
	clash := simple("a")
	clash.ID = "id-clash"
	good := rules.NewLedger(simple("b"), ann, noon)
	wantCode(t, s.Save(t.Context(), []*rules.Ledger{good, rules.NewLedger(clash, ann, noon)}, nil), rules.Conflict)
	if got, err := s.Load(t.Context(), "id-b"); err != nil || len(got) != 0 {
		t.Errorf("half of the batch was written: %d ledgers, %v", len(got), err)
	}
	if !good.Changed() || good.Revision != 0 {
		t.Error("a ledger was told that it is saved, and is not")
	}
	save(t, s, good)
	observe(good, noon.Add(time.Minute), "a", rules.Bad, 5)
	save(t, s, good)
}

func testDeleted(t *testing.T, open func() app.Store) {
	s := open()
	l := firing(simple("a"), noon)
	deliver(l, noon)
	save(t, s, l)
	l.Delete(setting(noon.Add(time.Minute)), ann)
	save(t, s, l)
	ids := func() (out []string) {
		list, err := s.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range list {
			out = append(out, l.Rule.ID)
		}
		return out
	}
	if got := ids(); fmt.Sprint(got) != "[ id-a]" {
		t.Fatalf("while its resolve is owed, Load returns %q", got)
	}
	l = load(t, s, "id-a")
	deliver(l, noon.Add(2*time.Minute))
	save(t, s, l)
	if got := ids(); fmt.Sprint(got) != "[]" {
		t.Errorf("Load returns %q", got)
	}
	if got := load(t, s, "id-a"); !got.Deleted || got.Rule.Name != "a" {
		t.Errorf("the deleted rule is read back as deleted = %t, %q", got.Deleted, got.Rule.Name)
	}
}

func testThousand(t *testing.T, open func() app.Store) {
	s := open()
	l := rules.NewLedger(parsed("storm", rules.Doc{"max_series": 2000.0}), ann, noon)
	var obs []rules.Observation
	for i := range 1000 {
		obs = append(obs,
			rules.Observation{Series: rules.SeriesOf(rules.Labels{"sensor": fmt.Sprint(i)}), Verdict: rules.Bad, Value: 5})
	}
	l.Observe(setting(noon), obs, nil)
	save(t, s, l)
	got := load(t, s, l.Rule.ID)
	if picture(got) != picture(l) || got.Size() != 1000 || len(messagesOf(got)) != 1000 {
		t.Errorf("read back %d series and %d messages", got.Size(), len(messagesOf(got)))
	}
	list, total, err := s.Alerts(t.Context(), app.AlertFilter{Limit: 10})
	if err != nil || total != 1000 || len(list) != 10 || len(list[0].Notifications) != 1 {
		t.Errorf("Alerts returned %d of %d, %v", len(list), total, err)
	}
}

// errStop is what the decision of a test may end with.
var errStop = errors.New("stop")
