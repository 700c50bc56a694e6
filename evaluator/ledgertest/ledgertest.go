// Package ledgertest opens a ledger cache on a real store, for the tests of all that
// stands on one. It is for tests only.
package ledgertest

import (
	"path/filepath"
	"testing"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// Open opens the database at path, "" is a new one, and a ledger cache on it, until the
// test ends.
func Open(t testing.TB, path string, o evaluator.LedgerCacheOptions) (*sqlite.Store, *evaluator.LedgerCache) {
	t.Helper()
	store := Store(t, path)
	ledgers, err := evaluator.OpenLedgerCache(t.Context(), store, o)
	if err != nil {
		t.Fatal(err)
	}
	return store, ledgers
}

// Store opens the database alone.
func Store(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	if path == "" {
		path = filepath.Join(t.TempDir(), "tocsin.db")
	}
	store, err := sqlite.Open(t.Context(), path, sqlite.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}
