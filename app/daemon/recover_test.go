package daemon

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// TestWhatAnotherCommittedJustBeforeTheHarmIsKept: the daemon had no tick to see
// it, and what it holds does not stand against it.
func TestWhatAnotherCommittedJustBeforeTheHarmIsKept(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"the file is cut":    func(path string) error { return os.Truncate(path, 0) },
		"the log is deleted": func(path string) error { return os.Remove(path + "-wal") },
	} {
		t.Run(name, func(t *testing.T) {
			c := &app.Config{DataDir: t.TempDir()}
			d := bookkeeper(t, c)
			other, err := sqlite.Open(t.Context(), databasePath(c), sqlite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = other.Close() }()
			if err := ledgersOf(t, other).Act(t.Context(), time.Now(), "r1", func(s rules.Setting, l *rules.Ledger) error {
				next := l.Rule
				next.Title = "After"
				l.Edit(s, next, rules.Actor{Name: "anna", Door: "cli"})
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if err := harm(databasePath(c)); err != nil {
				t.Fatal(err)
			}
			if err := d.supervise(t.Context(), d.ledgers); err == nil {
				t.Fatal("the harm was not seen")
			}
			if err := d.reopen(t.Context()); err != nil {
				t.Fatal(err)
			}
			ledgers := ledgersOf(t, d.store)
			d.inherit(t.Context(), ledgers)
			ledgers.View("r1", func(l *rules.Ledger) {
				if l.Rule.Title != "After" {
					t.Errorf("the rule is %q, want what was committed last", l.Rule.Title)
				}
			})
		})
	}
}

// bookkeeper is a daemon with a database and one rule in it.
func bookkeeper(t *testing.T, c *app.Config) *daemon {
	t.Helper()
	d := &daemon{serveOptions: serveOptions{log: slog.New(slog.DiscardHandler)}}
	d.socket = d.newSocket(c.DataDir)
	store, err := openDatabase(t.Context(), c, d.log)
	if err != nil {
		t.Fatal(err)
	}
	d.use(store)
	t.Cleanup(func() { _ = d.store.Close() })
	d.ledgers = ledgersOf(t, d.store)
	rule := rules.Rule{ID: "r1", Name: "hall", Title: "Before", Enabled: true}
	if err := d.ledgers.Create(t.Context(),
		rules.NewLedger(rule, rules.Actor{Name: "anna", Door: "cli"}, time.Now())); err != nil {
		t.Fatal(err)
	}
	if err := d.store.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

func ledgersOf(t *testing.T, s evaluator.Store) *evaluator.LedgerCache {
	t.Helper()
	ledgers, err := evaluator.OpenLedgerCache(t.Context(), s, evaluator.LedgerCacheOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return ledgers
}
