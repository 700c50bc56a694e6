package insight_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/evaluator"
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
