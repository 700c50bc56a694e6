package app_test

import (
	"context"
	"testing"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator"
)

// TestWhatTheDaemonTellsIsNotAskedAgain: beside a daemon its word about the
// sources counts, once.
func TestWhatTheDaemonTellsIsNotAskedAgain(t *testing.T) {
	told := app.Status{
		Status: "degraded", Daemon: app.DaemonView{Running: true, PID: 7}, Engine: &evaluator.Stats{},
		Sources:  []app.SourceView{{Name: "home", Error: "does not answer"}},
		Problems: []string{"source home: does not answer"},
	}
	a := app.New(app.App{
		Config: &app.Config{},
		Daemon: func() (int, bool) { return 7, true },
		Ask:    func(context.Context) (app.Status, error) { return told, nil },
	})
	if s := a.AskedStatus(t.Context()); len(s.Problems) != 1 {
		t.Errorf("problems = %q, want what the daemon told", s.Problems)
	}
}
