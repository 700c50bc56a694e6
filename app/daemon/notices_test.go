package daemon

import (
	"log/slog"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/ledgertest"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// TestWhatCouldNotBeToldIsToldTheNextTime: what is wrong with the files is not
// forgotten with a ledger cache that takes nothing.
func TestWhatCouldNotBeToldIsToldTheNextTime(t *testing.T) {
	store := ledgertest.Store(t, "")
	open := func() (*evaluator.LedgerCache, *evaluator.Engine) {
		ledgers, err := evaluator.OpenLedgerCache(t.Context(), store, evaluator.LedgerCacheOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return ledgers, evaluator.NewEngine(ledgers, slog.New(slog.DiscardHandler), evaluator.EngineOptions{
			Operators: func() []string { return []string{"ops"} },
		})
	}
	d := &daemon{store: fileDatabase{Guarded: &sqlite.Guarded{}}}
	d.store.AddNote("a backup was restored")
	d.notices.add("the disk is full")
	d.notices.add("a file is in the way")
	ledgers, engine := open()
	ledgers.Retire()
	d.notifyOperators(t.Context(), engine)
	ledgers, engine = open()
	for range 2 {
		d.notifyOperators(t.Context(), engine)
	}
	told := map[string]int{}
	for _, n := range ledgers.Owed(time.Now().Add(time.Minute)) {
		if n.Reason == rules.Operational {
			told[n.Facts.Text]++
		}
	}
	for _, text := range []string{"storage: a backup was restored", "the disk is full", "a file is in the way"} {
		if told[text] != 1 {
			t.Errorf("told %d times: %s", told[text], text)
		}
	}
}
