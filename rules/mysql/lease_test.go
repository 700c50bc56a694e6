package mysql_test

import (
	"errors"
	"testing"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/mysql"
	"github.com/9bikes/tocsin/rules/mysqltest"
)

// TestOneDaemonAtATimeWorksOnADatabase, by the database's clock.
func TestOneDaemonAtATimeWorksOnADatabase(t *testing.T) {
	server := mysqltest.Start(t)
	u := database(server)
	first, second, beside := open(t, u, serve), open(t, u, serve), open(t, u, mysql.Options{})
	must(t, first.Serve(t.Context(), "one"))
	must(t, write(t, first))
	renew := make(chan error)
	go func() {
		second := second.Serve(t.Context(), "two")
		renew <- second
	}()
	for served := false; !served; {
		select {
		case err := <-renew:
			served = true
			if rules.CodeOf(err) != rules.Conflict {
				t.Fatalf("a second daemon: %v", err)
			}
		default:
			must(t, first.Renew(t.Context()))
		}
	}
	must(t, write(t, beside)) // a command needs no lease

	must(t, first.Release(t.Context()))
	must(t, second.Serve(t.Context(), "two"))
	must(t, second.Release(t.Context()))
}

// TestADaemonThatLostItsLeaseWritesNothing, whether it was killed or cut off.
func TestADaemonThatLostItsLeaseWritesNothing(t *testing.T) {
	server := mysqltest.Start(t)
	u := database(server)
	first, second := open(t, u, serve), open(t, u, serve)
	must(t, first.Serve(t.Context(), "one"))
	server.Run("UPDATE " + nameOf(u) + ".leases SET until = 1") // its time is over, and it was not heard of
	must(t, second.Serve(t.Context(), "two"))
	for name, err := range map[string]error{
		"a write": write(t, first), "Renew": first.Renew(t.Context()),
		"Save": first.Save(t.Context(), []*rules.Ledger{rules.NewLedger(rule("a"), ann, noon)}, nil),
	} {
		if !errors.Is(err, mysql.ErrFenced) {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, first.Release(t.Context()))
	must(t, write(t, second))
	if list, err := second.Load(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("Load returned %d ledgers, %v", len(list), err)
	}
	// The same one, started again, need not wait for its own lease.
	again := open(t, u, serve)
	must(t, again.Serve(t.Context(), "two"))
	if err := write(t, second); !errors.Is(err, mysql.ErrFenced) {
		t.Errorf("what it was before writes: %v", err)
	}
}

func write(t *testing.T, s *mysql.Store) error {
	return s.AddAudit(t.Context(), app.AuditEntry{At: noon}, 0)
}
