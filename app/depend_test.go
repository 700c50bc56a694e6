package app_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

// parents tells what a rule depends on, and at which version it is.
func (h *home) parents(name string) string {
	h.Helper()
	r, err := h.Rule(h.Context(), name)
	h.Must(err)
	return strings.Join(r.DependsOn, " ") + "@" + string(rune('0'+r.Version))
}

func TestRulesFollowARuleThatGetsAnotherName(t *testing.T) {
	h := newHome(t)
	router := h.create("router", nil)
	h.create("wifi", rules.Doc{"depends_on": []any{"router"}})
	h.create("camera", rules.Doc{"depends_on": []any{"wifi", "router"}})
	h.create("nas", rules.Doc{"depends_on": []any{router}})
	got, err := h.UpdateRule(t.Context(), anna, "router", rules.Doc{"name": "gateway"}, app.SaveOptions{})
	h.Must(err)
	for name, want := range map[string]string{"wifi": "gateway@2", "camera": "wifi gateway@2", "nas": router + "@1"} {
		h.Say(name, h.parents(name), want)
	}
	h.Say("warnings", strings.Join(got.Warnings, "; "),
		"rule camera depends on it, and names it gateway now; rule wifi depends on it, and names it gateway now")
	if by := h.last("wifi").By; by != anna {
		t.Errorf("wifi was changed by %v", by)
	}

	_, err = h.Undo(t.Context(), anna, app.Handle(router, 2), app.SaveOptions{})
	h.Must(err)
	h.Say("wifi after undo", h.parents("wifi"), "router@3")

	h.create("taken", nil)
	if _, err := h.UpdateRule(t.Context(), anna, "router", rules.Doc{"name": "taken"},
		app.SaveOptions{}); rules.CodeOf(err) != rules.Conflict {
		t.Errorf("a name that is taken: %v", err)
	}
	if _, err := h.UpdateRule(t.Context(), anna, "router", rules.Doc{"name": "gateway"},
		app.SaveOptions{ExpectedVersion: 1}); rules.CodeOf(err) != rules.Conflict {
		t.Errorf("an old version: %v", err)
	}
	_, err = h.UpdateRule(t.Context(), anna, "router", rules.Doc{"name": "gateway"}, app.SaveOptions{DryRun: true})
	h.Must(err)
	h.Say("wifi after refusals", h.parents("wifi"), "router@3")
}

func TestARuleThatIsDeletedIsMissedByThoseThatDependOnIt(t *testing.T) {
	h := newHome(t)
	h.create("router", nil)
	h.create("wifi", rules.Doc{"depends_on": []any{"router"}})
	for _, dry := range []bool{true, false} {
		got, err := h.DeleteRule(t.Context(), anna, "router", app.SaveOptions{DryRun: dry})
		h.Must(err)
		h.Say("warnings", strings.Join(got.Warnings, "; "),
			"rule wifi depends on router; without it, it fires without regard to it")
	}
	const lost = `rule wifi: depends on "router", which is no rule; it fires without regard to it`
	if s := h.Status(t.Context()); !slices.Contains(s.Problems, lost) {
		t.Errorf("problems = %q", s.Problems)
	}
	got, err := h.UpdateRule(t.Context(), anna, "wifi", rules.Doc{"severity": "low"}, app.SaveOptions{})
	h.Must(err)
	if !slices.Contains(got.Warnings, lost) {
		t.Errorf("warnings = %q", got.Warnings)
	}
	_, err = h.UpdateRule(t.Context(), anna, "wifi", rules.Doc{"depends_on": []any{"router", "ruoter"}}, app.SaveOptions{})
	if err == nil ||
		err.Error() != `depends_on: there is no rule "ruoter"; create it first, or take it out of depends_on` {
		t.Errorf("another name: %v", err)
	}
}
