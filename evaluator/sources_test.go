package evaluator_test

import (
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
)

// begin is when the tests of single parts take place.
var begin = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// TestHowFarAStatementReaches: 31 days, or its window.
func TestHowFarAStatementReaches(t *testing.T) {
	for window, want := range map[time.Duration]time.Duration{
		time.Hour:        744 * time.Hour,
		1000 * time.Hour: 1000 * time.Hour,
	} {
		s := evaluator.Statement{From: begin.Add(-window), To: begin}
		if got := s.Reach(); got != want {
			t.Errorf("%s reaches %s, want %s", window, got, want)
		}
	}
}
