package app_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/apptest"
	"github.com/9bikes/tocsin/rules"
)

// create makes a rule through anna's door and returns its id.
func (h *home) create(name string, more rules.Doc) string {
	h.Helper()
	doc := rules.Doc{
		"name": name, "measurement": "temperature", "field": "celsius",
		"condition": rules.Doc{"operator": ">", "value": 9},
	}
	for key, v := range more {
		doc[key] = v
	}
	got, err := h.CreateRule(h.Context(), anna, doc, app.SaveOptions{})
	h.Must(err)
	return got.Rule.ID
}

func (h *home) changes(name string, limit int) string {
	h.Helper()
	list, _, err := h.Changes(h.Context(), app.ChangeFilter{Rule: name, Limit: limit})
	h.Must(err)
	var out []string
	for _, c := range list {
		undo := ""
		if c.Undoable {
			undo = "*"
		}
		out = append(out, fmt.Sprintf("%s%d %s %s(%s)", undo, c.Version, c.Act, c.Rule, apptest.KeysOf(c.Changes)))
	}
	return strings.Join(out, ", ")
}

func (h *home) last(name string) app.ChangeView {
	h.Helper()
	list, _, err := h.Changes(h.Context(), app.ChangeFilter{Rule: name, Limit: 1})
	h.Must(err)
	if len(list) != 1 {
		h.Fatalf("no change of %s", name)
	}
	return list[0]
}

func TestChangesTellWhoDidWhatToWhichKeys(t *testing.T) {
	h := newHome(t)
	h.create("fridge", nil)
	h.Update("fridge", rules.Doc{"for": "5m", "condition": rules.Doc{"value": 7, "recover": 6}})
	h.create("hall", nil)
	h.Update("fridge", rules.Doc{"enabled": false})
	h.Say("of one", h.changes("fridge", 0),
		`*3 disabled fridge(enabled true>false), 2 updated fridge(condition.value 9>7 condition.recover >6 for >"5m"), 1 created fridge()`)
	h.Say("of all", h.changes("", 0),
		`*3 disabled fridge(enabled true>false), *1 created hall(), 2 updated fridge(condition.value 9>7 condition.recover >6 for >"5m"), 1 created fridge()`)
	h.Say("the last two", h.changes("fridge", 2),
		`*3 disabled fridge(enabled true>false), 2 updated fridge(condition.value 9>7 condition.recover >6 for >"5m")`)
	if c := h.last("fridge"); c.By != anna || !c.At.Equal(noon) {
		t.Errorf("change = %+v", c)
	}
	if _, _, err := h.Changes(t.Context(), app.ChangeFilter{Rule: "frigde"}); rules.CodeOf(err) != rules.NotFound ||
		!strings.Contains(err.Error(), "did you mean fridge?") {
		t.Errorf("changes of none: %v", err)
	}
}

func TestAnyVersionCanBeRestored(t *testing.T) {
	h := newHome(t)
	h.create("fridge", nil)
	h.Update("fridge", rules.Doc{"for": "5m"})
	h.Update("fridge", rules.Doc{"severity": "low"})
	got, err := h.Restore(t.Context(), anna, "fridge", 1, app.SaveOptions{})
	h.Must(err)
	h.Say("changes", apptest.KeysOf(got.Changes), `for "5m"> severity "low">"medium"`)
	if got.Rule.Version != 4 || got.From != 1 || got.Rule.For != 0 {
		t.Errorf("restored = %+v", got)
	}
	h.Say("history", h.changes("fridge", 1), `*4 restored fridge(for "5m"> severity "low">"medium")`)
	for version, want := range map[int]string{
		9: "has no version 9; it has 1 to 4", 4: "is at version 4 already",
		0: "is not deleted, so the version to restore must be named",
	} {
		if _, err := h.Restore(t.Context(), anna, "fridge", version, app.SaveOptions{}); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("restore of version %d: %v", version, err)
		}
	}
	if _, err := h.Restore(t.Context(), anna, "fridge", 2,
		app.SaveOptions{ExpectedVersion: 3}); rules.CodeOf(err) != rules.Conflict {
		t.Errorf("restore over another change: %v", err)
	}
}

func TestADeletedRuleComesBackByNameAndById(t *testing.T) {
	h := newHome(t)
	id := h.create("fridge", rules.Doc{"for": "5m"})
	for _, handle := range []string{"fridge", id} {
		_, err := h.DeleteRule(t.Context(), anna, "fridge", app.SaveOptions{})
		h.Must(err)
		if _, err := h.Restore(t.Context(), anna, "frige", 0, app.SaveOptions{}); err == nil ||
			!strings.Contains(err.Error(), "did you mean the deleted rule fridge?") {
			t.Errorf("restore of a mistyped name: %v", err)
		}
		if _, err := h.Restore(t.Context(), anna, handle, 0, app.SaveOptions{DryRun: true}); err != nil {
			t.Errorf("dry run: %v", err)
		}
		if _, err := h.Rule(t.Context(), "fridge"); rules.CodeOf(err) != rules.NotFound {
			t.Errorf("after a dry run: %v", err)
		}
		_, err = h.Restore(t.Context(), anna, handle, 0, app.SaveOptions{})
		h.Must(err)
		r, err := h.Rule(t.Context(), "fridge")
		h.Must(err)
		if r.ID != id || r.For != 5*rules.Minute {
			t.Errorf("rule = %+v", r.Rule)
		}
	}
}

func TestOfSeveralDeletedRulesOfANameTheLastComesBack(t *testing.T) {
	h := newHome(t)
	now := noon
	h.Now = func() time.Time { return now }
	var last string
	for range 3 {
		now = now.Add(time.Minute)
		last = h.create("fridge", nil)
		_, err := h.DeleteRule(t.Context(), anna, "fridge", app.SaveOptions{})
		h.Must(err)
	}
	got, err := h.Restore(t.Context(), anna, "fridge", 0, app.SaveOptions{})
	h.Must(err)
	if got.Rule.ID != last {
		t.Errorf("restored %s, want %s", got.Rule.ID, last)
	}
}

func TestANameThatIsTakenIsNotRestoredOver(t *testing.T) {
	h := newHome(t)
	id := h.create("fridge", nil)
	_, err := h.DeleteRule(t.Context(), anna, "fridge", app.SaveOptions{})
	h.Must(err)
	other := h.create("fridge", nil)
	if _, err := h.Restore(t.Context(), anna, id, 0, app.SaveOptions{}); rules.CodeOf(err) != rules.Conflict ||
		!strings.Contains(err.Error(), "another rule is called fridge by now (id "+other+")") {
		t.Errorf("restore: %v", err)
	}
}

func TestARestoredRuleWarnsOfWhatIsGone(t *testing.T) {
	h := newHome(t)
	h.create("parent", nil)
	h.create("fridge", rules.Doc{"channels": []any{"mail", "phone"}, "depends_on": []any{"parent"}})
	h.Update("fridge", rules.Doc{"channels": []any{"phone"}, "depends_on": nil})
	_, err := h.DeleteRule(t.Context(), anna, "parent", app.SaveOptions{})
	h.Must(err)
	delete(h.Config.Channels, "mail")
	h.Sources["shed"] = h.Sources["home"]
	delete(h.Sources, "home")
	got, err := h.Restore(t.Context(), anna, "fridge", 1, app.SaveOptions{})
	h.Must(err)
	for _, want := range []string{
		`depends_on: there is no rule "parent" any more`,
		`channels: no channel "mail"; known: phone`, `its source "home" is not in the config, so it will not be evaluated`,
	} {
		if !slices.Contains(got.Warnings, want) {
			t.Errorf("warnings = %q, want %q", got.Warnings, want)
		}
	}
}

func TestACircleIsNotRestored(t *testing.T) {
	h := newHome(t)
	h.create("a", nil)
	h.create("b", rules.Doc{"depends_on": []any{"a"}})
	h.Update("b", rules.Doc{"depends_on": nil})
	h.Update("a", rules.Doc{"depends_on": []any{"b"}})
	if _, err := h.Restore(t.Context(), anna, "b", 1, app.SaveOptions{}); err == nil ||
		!strings.Contains(err.Error(), "goes round in a circle: b on a on b") {
		t.Errorf("restore: %v", err)
	}
}

// TestUndo takes back each kind of change, the undo of an undo too.
func TestUndo(t *testing.T) {
	h := newHome(t)
	h.create("fridge", nil)
	created := h.last("fridge").Handle
	h.Update("fridge", rules.Doc{"for": "5m"})
	undo := func() app.RestoreAnswer {
		t.Helper()
		got, err := h.Undo(t.Context(), anna, h.last("fridge").Handle, app.SaveOptions{})
		h.Must(err)
		return got
	}
	h.Say("an update", apptest.KeysOf(undo().Changes), `for "5m">`)
	h.Say("its undo", apptest.KeysOf(undo().Changes), `for >"5m"`)
	_, err := h.DeleteRule(t.Context(), anna, "fridge", app.SaveOptions{})
	h.Must(err)
	if got := undo(); got.Rule.For != 5*rules.Minute || got.From != 4 {
		t.Errorf("undo of a delete = %+v", got)
	}
	if got := undo(); got.From != 0 {
		t.Errorf("undo of the return from a delete = %+v", got)
	}
	if _, err := h.Rule(t.Context(), "fridge"); rules.CodeOf(err) != rules.NotFound {
		t.Errorf("it is still there: %v", err)
	}
	for handle, want := range map[string]string{
		created:     "was changed again since, by anna (web) to version 7; undo that first",
		"fridge@70": "has no version 70; it has 1 to 7",
		"fridge":    "must be a rule and the version", "fridge@x": "must be a rule and the version",
		"@1": "must be a rule and the version", "nothing@1": `no rule "nothing"`,
	} {
		if _, err := h.Undo(t.Context(), anna, handle, app.SaveOptions{}); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("undo of %s: %v", handle, err)
		}
	}
}

func TestUndoOfACreationDeletes(t *testing.T) {
	h := newHome(t)
	h.create("fridge", nil)
	got, err := h.Undo(t.Context(), anna, "fridge@1", app.SaveOptions{})
	h.Must(err)
	if got.From != 0 || got.Rule.Version != 2 {
		t.Errorf("undo = %+v", got)
	}
	h.Say("history", h.changes("fridge", 0), "*2 deleted fridge(), 1 created fridge()")
}
