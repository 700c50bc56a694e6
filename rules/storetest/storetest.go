// Package storetest is the contract of app.Store as tests. Every store runs it
// on the real database, so that they cannot differ. What a store alone can do,
// such as what befalls its files, is tested with that store.
package storetest

import (
	"testing"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

// Create makes an empty database for one test and returns how to open it. Each
// call of open stands for another process; the caller closes nothing.
type Create func(t *testing.T) (open func() app.Store)

// Run tests the whole contract.
func Run(t *testing.T, create Create) {
	for _, part := range []struct {
		name  string
		tests []clause
	}{
		{"ledgers", ledgerTests},
		{"processes", processTests},
		{"lists", listTests},
		{"silences", silenceTests},
		{"channels", channelTests},
		{"deliveries", deliveryTests},
		{"opened and closed", openTests},
		{"the audit", auditTests},
		{"tokens", tokenTests},
	} {
		t.Run(part.name, func(t *testing.T) {
			for _, r := range part.tests {
				t.Run(r.name, func(t *testing.T) { r.test(t, create(t)) })
			}
		})
	}
}

// clause is one sentence of the contract.
type clause struct {
	name string
	test func(t *testing.T, open func() app.Store)
}

var openTests = []clause{
	{"a store that works passes its check", func(t *testing.T, open func() app.Store) {
		s := open()
		put(t, s.Check(t.Context()))
		save(t, s, firing(simple("a"), noon))
		put(t, s.Check(t.Context()))
	}},
	{"a closed store says so", func(t *testing.T, open func() app.Store) {
		s := open()
		put(t, s.Close())
		if _, err := s.Load(t.Context()); err == nil {
			t.Error("Load works")
		}
		if err := s.Save(t.Context(), []*rules.Ledger{firing(simple("a"), noon)}, nil); err == nil {
			t.Error("Save works")
		}
		if _, err := s.Moved(t.Context()); err == nil {
			t.Error("Moved works")
		}
		if err := s.Check(t.Context()); err == nil {
			t.Error("Check works")
		}
	}},
}
