package insight_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/apptest"
	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// unsure is a clock that nothing has proven yet.
type unsure struct{}

var _ app.Clock = unsure{}

func (unsure) Blind() bool     { return true }
func (unsure) State() string   { return "unsure" }
func (unsure) Problem() string { return "clock: not known to be right yet" }

// TestTheDoctorFindsWhatDegradesTheStatus whatever it is: nobody may be told
// that something is wrong, and not what.
func TestTheDoctorFindsWhatDegradesTheStatus(t *testing.T) {
	h := newHome(t)
	h.Clock = unsure{}
	h.Engine = evaluator.NewEngine(h.Ledgers, slog.New(slog.DiscardHandler), evaluator.EngineOptions{})
	h.Notes = func() []string { return []string{"storage: works on a copy in memory", "a note without a subject"} }
	s := h.Status(t.Context())
	if s.Status != "degraded" || len(s.Problems) < 3 {
		t.Fatalf("status %s, problems %q", s.Status, s.Problems)
	}
	found := insight.New(h.App).Doctor(t.Context())
	for _, problem := range s.Problems {
		if !slices.ContainsFunc(found, func(f insight.Finding) bool { return !f.OK && strings.HasSuffix(problem, f.Text) }) {
			t.Errorf("status says %q, the doctor finds %+v", problem, found)
		}
	}
	for i, f := range found {
		if slices.Contains(found[i+1:], f) {
			t.Errorf("found twice: %+v", f)
		}
	}
}

// changed is a source whose field celsius was text once.
type changed struct{ evaluator.Source }

func (c changed) Fields(ctx context.Context, measurement string) (map[string]string, error) {
	fields, err := c.Source.Fields(ctx, measurement)
	fields["celsius"] += evaluator.TypesBetween + "string"
	return fields, err
}

// TestAFieldOfTwoTypesIsSaid when a rule is made and by the doctor.
func TestAFieldOfTwoTypesIsSaid(t *testing.T) {
	h := newHome(t)
	h.Sources["home"] = changed{h.Sources["home"]}
	saved, err := h.CreateRule(t.Context(), apptest.Anna, rules.Doc{
		"name": "warm", "measurement": "temperature", "field": "celsius",
		"condition": rules.Doc{"operator": ">", "value": 30},
	}, app.SaveOptions{})
	const want = `field "celsius" of "temperature" has changed its type over time (float, string)`
	if err != nil || !strings.Contains(strings.Join(saved.Warnings, "\n"), want) {
		t.Errorf("create warns %q, %v", saved.Warnings, err)
	}
	if !slices.ContainsFunc(insight.New(h.App).Doctor(t.Context()), func(f insight.Finding) bool {
		return !f.OK && f.What == "rule warm" && strings.HasPrefix(f.Text, want)
	}) {
		t.Error("the doctor says nothing")
	}
}
