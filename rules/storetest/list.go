package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

var listTests = []clause{
	{"rules are listed by name, in pages", testRulePages},
	{"rules are found by what a filter names", testRuleFilter},
	{"a rule is found by name or id", testFindRule},
	{"rules that never matched a series are listed", testUnmatched},
	{"enabled rules are listed with the tick they were judged at", testWatched},
	{"versions are listed, the newest first", testVersions},
	{"alerts are listed newest first, in pages", testAlertPages},
	{"alerts are found by what a filter names", testAlertFilter},
	{"an alert that does not exist is not found", func(t *testing.T, open func() app.Store) {
		_, err := open().Alert(t.Context(), "nobody")
		wantCode(t, err, rules.NotFound)
	}},
	{"a notification is found by its id", func(t *testing.T, open func() app.Store) {
		s := open()
		l := firing(simple("a"), noon)
		save(t, s, l)
		want := messagesOf(l)[0]
		got, err := s.Notification(t.Context(), want.ID)
		if err != nil || got.AlertID != want.AlertID || got.Facts.Title != want.Facts.Title || !got.Due.Equal(want.Due) {
			t.Errorf("Notification returned %+v, %v", got, err)
		}
		_, err = s.Notification(t.Context(), "nobody")
		wantCode(t, err, rules.NotFound)
	}},
	{"a notification that may have arrived keeps its message", func(t *testing.T, open func() app.Store) {
		s := open()
		l := firing(simple("a"), noon)
		id := messagesOf(l)[0].ID
		l.Claim(id, "m7")
		l.Record(id, rules.Outcome{State: rules.Owed, Unknown: true, Class: "timeout"}, noon, noon)
		save(t, s, l)
		if got, err := s.Notification(t.Context(), id); err != nil || got.Message != "m7" || !got.Unknown ||
			got.Error != "timeout" {
			t.Errorf("Notification returned %+v, %v", got, err)
		}
	}},
}

// named returns the names of rules.
func named(list []rules.Rule) string {
	var names []string
	for _, r := range list {
		names = append(names, r.Name)
	}
	return strings.Join(names, " ")
}

func testRulePages(t *testing.T, open func() app.Store) {
	s := open()
	var batch []*rules.Ledger
	for _, name := range []string{"c", "a", "e", "b", "d"} {
		batch = append(batch, rules.NewLedger(simple(name), ann, noon))
	}
	save(t, s, batch...)
	var pages []string
	for after := ""; len(pages) < 4; {
		list, total, err := s.Rules(t.Context(), app.RuleFilter{After: after, Limit: 2})
		if err != nil || total != 5 {
			t.Fatalf("Rules: total %d, %v", total, err)
		}
		pages = append(pages, named(list))
		if len(list) > 0 {
			after = list[len(list)-1].Name
		}
	}
	if got := strings.Join(pages, "|"); got != "a b|c d|e|" {
		t.Errorf("the pages are %q", got)
	}
}

func testRuleFilter(t *testing.T, open func() app.Store) {
	s := open()
	off, gone, theirs, odd := simple("off"), simple("gone"), simple("theirs"), simple("odd")
	off.Enabled, theirs.Owner, odd.Measurement, odd.Title = false, "bob", "100%_x", "Étage"
	deleted := rules.NewLedger(gone, ann, noon)
	save(t, s, rules.NewLedger(simple("on"), ann, noon), rules.NewLedger(off, ann, noon), deleted,
		rules.NewLedger(theirs, ann, noon), rules.NewLedger(odd, ann, noon))
	deleted.Delete(setting(noon), ann)
	save(t, s, deleted)
	yes, no := true, false
	for _, tt := range []struct {
		name string
		f    app.RuleFilter
		want string
	}{
		{"all", app.RuleFilter{}, "odd off on theirs"},
		{"deleted", app.RuleFilter{Deleted: true}, "gone"},
		{"enabled", app.RuleFilter{Enabled: &yes}, "odd on theirs"},
		{"disabled", app.RuleFilter{Enabled: &no}, "off"},
		{"owner", app.RuleFilter{Owner: "bob"}, "theirs"},
		{"name in another case", app.RuleFilter{Text: "OFF"}, "off"},
		{"title", app.RuleFilter{Text: "title of on"}, "on"},
		{"measurement", app.RuleFilter{Text: "temper"}, "off on theirs"},
		{"signs mean themselves", app.RuleFilter{Text: "%_"}, "odd"},
		{"no injection", app.RuleFilter{Text: "' OR 1=1 --", Owner: `"`}, ""},
	} {
		list, total, err := s.Rules(t.Context(), tt.f)
		if got := named(list); err != nil || got != tt.want || total != len(list) {
			t.Errorf("%s: %q of %d, %v; want %q", tt.name, got, total, err, tt.want)
		}
	}
}

func testFindRule(t *testing.T, open func() app.Store) {
	s := open()
	theirs, gone := simple("freezer"), simple("gone")
	theirs.ID, theirs.Owner = "id-theirs", "bob"
	deleted := rules.NewLedger(gone, ann, noon)
	save(t, s, rules.NewLedger(simple("freezer"), ann, noon), rules.NewLedger(theirs, ann, noon), deleted)
	deleted.Delete(setting(noon), ann)
	save(t, s, deleted)
	for _, tt := range []struct{ owner, wanted, id string }{
		{"", "freezer", "id-freezer"},
		{"bob", "freezer", "id-theirs"},
		{"", "id-freezer", "id-freezer"},
		{"bob", "id-freezer", ""}, // of somebody else
		{"", "gone", ""},
		{"", "id-gone", "id-gone"}, // so that it can be restored
		{"", "freezr", ""},
		{"carol", "freezer", ""},
	} {
		got, err := s.FindRule(t.Context(), tt.owner, tt.wanted)
		if got.ID != tt.id || (tt.id == "") != (rules.CodeOf(err) == rules.NotFound) {
			t.Errorf("FindRule(%q, %q) = %q, %v; want %q", tt.owner, tt.wanted, got.ID, err, tt.id)
		}
	}
	if _, err := s.FindRule(t.Context(), "", "freezr"); !strings.Contains(err.Error(), "did you mean freezer") {
		t.Errorf("the error is %v and does not tell the name that was meant", err)
	}
}

func testVersions(t *testing.T, open func() app.Store) {
	s := open()
	l := rules.NewLedger(whole("a"), ann, noon)
	save(t, s, l, rules.NewLedger(simple("b"), ann, noon))
	next := l.Rule
	next.Title = "second"
	l.Edit(setting(noon.Add(time.Minute)), next, rules.Actor{Name: "bob", Door: "web"})
	next.Title, next.Enabled = "third", false
	l.Edit(setting(noon.Add(2*time.Minute)), next, ann)
	save(t, s, l)
	list, total, err := s.Versions(t.Context(), app.VersionFilter{RuleID: "id-a", Limit: 2})
	if err != nil || total != 3 || len(list) != 2 || list[0].Rule.Title != "third" || list[0].Act != "disabled" ||
		list[1].Version != 2 {
		t.Fatalf("Versions returned %+v, %v", list, err)
	}
	if v := list[1]; v.By.Name != "bob" || v.By.Door != "web" || !v.At.Equal(noon.Add(time.Minute)) || v.RuleID != "id-a" {
		t.Errorf("the version is %+v", v)
	}
	rest, _, err := s.Versions(t.Context(), app.VersionFilter{RuleID: "id-a", BeforeRule: "id-a", BeforeVersion: 2})
	if err != nil || len(rest) != 1 || rest[0].Version != 1 {
		t.Errorf("the page after version 2 is %+v, %v", rest, err)
	}
	all, total, err := s.Versions(t.Context(), app.VersionFilter{})
	if err != nil || total != 4 || len(all) != 4 || all[2].RuleID == all[3].RuleID {
		t.Errorf("Versions of all rules returned %d of %d, %v", len(all), total, err)
	}
}

func alertIDs(list []app.AlertRow) (ids []string) {
	for _, row := range list {
		ids = append(ids, row.ID)
	}
	return ids
}

func testAlertPages(t *testing.T, open func() app.Store) {
	s := open()
	l := rules.NewLedger(simple("a"), ann, noon)
	for i := range 9 { // three begin at the same time
		at := noon.Add(time.Duration(i/3) * time.Minute)
		observe(l, at, fmt.Sprint(i), rules.Bad, 5)
	}
	save(t, s, l)
	all, total, err := s.Alerts(t.Context(), app.AlertFilter{})
	if err != nil || total != 9 || len(all) != 9 {
		t.Fatalf("Alerts returned %d of %d, %v", len(all), total, err)
	}
	if !slices.IsSortedFunc(all, func(a, b app.AlertRow) int { return b.StartedAt.Compare(a.StartedAt) }) {
		t.Error("they are not sorted")
	}
	var paged []string
	f := app.AlertFilter{Limit: 2}
	for range 5 {
		page, total, err := s.Alerts(t.Context(), f)
		if err != nil || total != 9 || len(page) == 0 {
			t.Fatalf("a page has %d of %d, %v", len(page), total, err)
		}
		paged = append(paged, alertIDs(page)...)
		last := page[len(page)-1]
		f.Before, f.BeforeID = last.StartedAt, last.ID
	}
	if !slices.Equal(paged, alertIDs(all)) {
		t.Errorf("the pages give %v, the list %v", paged, alertIDs(all))
	}
}

func testAlertFilter(t *testing.T, open func() app.Store) {
	s := open()
	severe := simple("severe")
	severe.Severity, severe.Owner = rules.Critical, "bob"
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	fires, acked, over, other := firing(simple("fires"), at(0)), firing(simple("acked"), at(1)),
		firing(simple("over"), at(2)), firing(severe, at(3))
	names := map[string]string{}
	for _, l := range []*rules.Ledger{fires, acked, over, other} {
		names[alertOf(t, l).ID] = l.Rule.Name
	}
	put(t, acked.Acknowledge(setting(at(2)), alertOf(t, acked).ID, rules.Acknowledgement{By: ann}))
	observe(over, at(3), "a", rules.Good, 1)
	save(t, s, fires, acked, over, other)
	for _, tt := range []struct {
		name string
		f    app.AlertFilter
		want string
	}{
		{"all", app.AlertFilter{}, "severe over acked fires"},
		{"firing means live and not acknowledged", app.AlertFilter{Status: rules.StatusFiring}, "severe fires"},
		{"acknowledged", app.AlertFilter{Status: rules.StatusAcknowledged}, "acked"},
		{"resolved", app.AlertFilter{Status: rules.StatusResolved}, "over"},
		{"rule", app.AlertFilter{RuleID: "id-over"}, "over"},
		{"severity", app.AlertFilter{Severity: rules.Critical}, "severe"},
		{"owner", app.AlertFilter{Owner: "bob"}, "severe"},
		{"since is included", app.AlertFilter{Since: at(2)}, "severe over"},
		{"until is not", app.AlertFilter{Until: at(2)}, "acked fires"},
		{"several", app.AlertFilter{Since: at(1), Until: at(3), Status: rules.StatusResolved}, "over"},
	} {
		list, total, err := s.Alerts(t.Context(), tt.f)
		var got []string
		for _, row := range list {
			got = append(got, names[row.ID])
		}
		if err != nil || strings.Join(got, " ") != tt.want || total != len(list) {
			t.Errorf("%s: %v of %d, %v; want %s", tt.name, got, total, err, tt.want)
		}
	}
}

func testWatched(t *testing.T, open func() app.Store) {
	s := open()
	off, gone := simple("off"), rules.NewLedger(simple("gone"), ann, noon)
	off.Enabled = false
	gone.Delete(setting(noon), ann)
	judged := rules.NewLedger(simple("judged"), ann, noon)
	save(t, s, gone, rules.NewLedger(off, ann, noon), rules.NewLedger(simple("new"), ann, noon), judged)
	observe(judged, noon.Add(time.Minute), "a", rules.Good, 1)
	judged.Flush()
	save(t, s, judged)
	want := []evaluator.WatchedRule{
		{ID: "id-judged", Name: "judged", Judged: noon.Add(time.Minute)},
		{ID: "id-new", Name: "new", Judged: noon},
	}
	if got, err := s.Watched(t.Context()); err != nil || !slices.Equal(got, want) {
		t.Errorf("watched are %v, %v; want %v", got, err, want)
	}
}

func testUnmatched(t *testing.T, open func() app.Store) {
	s := open()
	off := simple("off")
	off.Enabled = false
	found := rules.NewLedger(simple("found"), ann, noon)
	save(t, s, found, rules.NewLedger(simple("lost"), ann, noon), rules.NewLedger(off, ann, noon))
	observe(found, noon.Add(time.Minute), "a", rules.Good, 1)
	if found.Changed() {
		t.Error("a first match writes at once")
	}
	found.Flush() // the heartbeat
	save(t, s, found)
	if ids, err := s.Unmatched(t.Context()); err != nil || strings.Join(ids, " ") != "id-lost" {
		t.Errorf("unmatched are %q, %v", ids, err)
	}
	if !load(t, open(), "id-found").Matched {
		t.Error("the match is forgotten")
	}
}
