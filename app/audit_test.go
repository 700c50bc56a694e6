package app_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

func TestAConsentIsGoodForWhatItWasGiven(t *testing.T) {
	h := newHome(t)
	now := noon
	h.Now = func() time.Time { return now }
	token, err := h.Consent(t.Context(), "delete", "r1", "4")
	h.Must(err)
	h.Must(h.CheckConsent(t.Context(), token, "delete", "r1", "4"))
	for name, about := range map[string][]string{
		"another version": {"delete", "r1", "5"}, "another act": {"disable", "r1", "4"}, "less": {"delete", "r1"},
		"more":                            {"delete", "r1", "4", ""},
		"the same letters, cut elsewhere": {"delete", "r", "14"},
	} {
		if err := h.CheckConsent(t.Context(), token, about...); rules.CodeOf(err) != rules.Conflict {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, token := range []string{"", "x", token[:len(token)-1], token + "AAAA", "!" + token[1:]} {
		if err := h.CheckConsent(t.Context(), token, "delete", "r1", "4"); rules.CodeOf(err) != rules.Invalid {
			t.Errorf("%q: %v", token, err)
		}
	}
	now = now.Add(app.ConsentLasts)
	h.Must(h.CheckConsent(t.Context(), token, "delete", "r1", "4"))
	now = now.Add(time.Second)
	if err := h.CheckConsent(t.Context(), token, "delete", "r1", "4"); rules.CodeOf(err) != rules.Conflict ||
		!strings.Contains(err.Error(), "more than 10 minutes old") {
		t.Errorf("too late: %v", err)
	}
}

func TestActsAreOnRecord(t *testing.T) {
	h := newHome(t)
	list, total, err := h.Audit(t.Context(), app.AuditFilter{})
	if err != nil || list == nil || total != 0 {
		t.Errorf("of nothing: %v, %d, %v", list, total, err)
	}
	h.Must(h.Record(t.Context(), app.AuditEntry{By: anna, Tool: "delete_alert_rule", Outcome: app.ActDone}))
	list, total, err = h.Audit(t.Context(), app.AuditFilter{Tool: "delete_alert_rule"})
	if err != nil || total != 1 || !list[0].At.Equal(noon) || list[0].By != anna {
		t.Errorf("on record: %+v, %v", list, err)
	}
}

func TestTheVersionOfTheRulesMovesWithEveryChange(t *testing.T) {
	h := newHome(t)
	seen := map[string]bool{}
	look := func() {
		t.Helper()
		v, err := h.RulesVersion(t.Context())
		h.Must(err)
		if seen[v] {
			t.Errorf("%q was seen before", v)
		}
		seen[v] = true
	}
	look()
	h.create("fridge", nil)
	look()
	h.Update("fridge", rules.Doc{"enabled": false})
	look()
	h.Update("fridge", rules.Doc{"summary": "x"}) // also of a rule that is not watched
	look()
	_, err := h.DeleteRule(t.Context(), anna, "fridge", app.SaveOptions{})
	h.Must(err)
	look()
}

func TestAnUndoCanBeTriedFirst(t *testing.T) {
	h := newHome(t)
	h.create("fridge", nil)
	would, err := h.Undo(t.Context(), anna, "fridge@1", app.SaveOptions{DryRun: true})
	h.Must(err)
	if !would.Ends() || would.From != 0 || h.last("fridge").Version != 1 {
		t.Errorf("would = %+v", would)
	}
	h.Update("fridge", rules.Doc{"enabled": false})
	h.Update("fridge", rules.Doc{"enabled": true})
	would, err = h.Undo(t.Context(), anna, "fridge@3", app.SaveOptions{DryRun: true})
	h.Must(err)
	if !would.Ends() {
		t.Error("going back to disabled ends nothing")
	}
	_, err = h.DeleteRule(t.Context(), anna, "fridge", app.SaveOptions{})
	h.Must(err)
	would, err = h.Restore(t.Context(), anna, "fridge", 2, app.SaveOptions{DryRun: true})
	h.Must(err)
	if would.Ends() {
		t.Error("a deleted rule that comes back disabled ends something")
	}
}

func TestChangesComeInPages(t *testing.T) {
	h := newHome(t)
	h.create("fridge", nil)
	for i := range 4 {
		h.Update("fridge", rules.Doc{"for": fmt.Sprintf("%dm", i+1)})
	}
	var seen []int
	f := app.ChangeFilter{Limit: 2}
	for {
		page, total, err := h.Changes(t.Context(), f)
		h.Must(err)
		if total != 5 {
			t.Errorf("total = %d", total)
		}
		if len(page) == 0 {
			break
		}
		for _, c := range page {
			seen = append(seen, c.Version)
		}
		f.After = page[len(page)-1].Handle
	}
	if fmt.Sprint(seen) != "[5 4 3 2 1]" {
		t.Errorf("saw %v", seen)
	}
}

func TestWithoutADaemonNoTestIsBooked(t *testing.T) {
	h := newHome(t)
	h.Daemon = func() (int, bool) { return 0, false }
	if _, err := h.TestChannel(t.Context(), anna, "phone", time.Second); rules.CodeOf(err) != rules.Unavailable ||
		len(rules.Hints(err)) != 1 || rules.Hints(err)[0].Cure != rules.StartDaemon {
		t.Errorf("tested: %v", err)
	}
	if owed := h.Ledgers.Owed(noon.Add(time.Hour)); len(owed) != 0 {
		t.Errorf("owed: %+v", owed)
	}
}
