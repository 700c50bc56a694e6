package mysql_test

import (
	"fmt"
	"testing"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/mysql"
	"github.com/9bikes/tocsin/rules/mysqltest"
)

// calls are acts on a store, each with how often it was done.
var calls = []struct {
	name string
	act  func(t *testing.T, s *mysql.Store, n int) error
	done func(t *testing.T, s *mysql.Store) int
}{
	{"a new rule", func(t *testing.T, s *mysql.Store, n int) error {
		r := rule(fmt.Sprintf("new-%d", n))
		return s.Save(t.Context(), []*rules.Ledger{rules.NewLedger(r, ann, noon)}, nil)
	}, func(t *testing.T, s *mysql.Store) int {
		_, rules, err := s.Rules(t.Context(), app.RuleFilter{Text: "new-"})
		must(t, err)
		_, versions, err := s.Versions(t.Context(), app.VersionFilter{})
		must(t, err)
		if versions != rules {
			t.Errorf("%d rules have %d versions", rules, versions)
		}
		return rules
	}},
	{"a message is booked", func(t *testing.T, s *mysql.Store, n int) error {
		book := func(l *rules.Ledger) error {
			l.Book("phone", rules.Test, rules.Facts{Text: fmt.Sprint(n)}, noon)
			return nil
		}
		l := own(t, s)
		must(t, book(l))
		return s.Save(t.Context(), []*rules.Ledger{l}, book)
	}, func(t *testing.T, s *mysql.Store) int { return messages(own(t, s)) }},
	{"an audit entry", func(t *testing.T, s *mysql.Store, n int) error {
		return s.AddAudit(t.Context(), app.AuditEntry{At: noon, Tool: fmt.Sprint(n)}, 0)
	}, func(t *testing.T, s *mysql.Store) int {
		_, n, err := s.Audit(t.Context(), app.AuditFilter{})
		must(t, err)
		return n
	}},
	{"a token", func(t *testing.T, s *mysql.Store, n int) error {
		return s.PutToken(t.Context(), app.Token{ID: fmt.Sprint(n), Name: fmt.Sprint(n), Sum: []byte("sum")})
	}, func(t *testing.T, s *mysql.Store) int {
		list, err := s.Tokens(t.Context())
		must(t, err)
		return len(list)
	}},
	{"a channel", func(t *testing.T, s *mysql.Store, n int) error {
		return s.PutChannel(t.Context(), app.StoredChannel{ID: fmt.Sprint(n), Name: fmt.Sprint(n), Sealed: []byte("sealed")})
	}, func(t *testing.T, s *mysql.Store) int {
		list, err := s.Channels(t.Context())
		must(t, err)
		return len(list)
	}},
}

// TestAConnectionIsLostAtEveryPoint of every call: it is done once all the same,
// also where the answer to its commit was lost.
func TestAConnectionIsLostAtEveryPoint(t *testing.T) {
	server := mysqltest.Start(t)
	for _, call := range calls {
		t.Run(call.name, func(t *testing.T) {
			url := database(server)
			direct := open(t, url, serve)
			proxy := mysqltest.NewProxy(t, server.Address)
			s := open(t, server.URL(nameOf(url), proxy.Address), mysql.Options{})
			n := call.done(t, direct)
			for _, how := range []mysqltest.Cut{mysqltest.Before, mysqltest.Within, mysqltest.After} {
				for piece := 1; ; piece++ {
					proxy.Lose(piece, how)
					if err := call.act(t, s, n); err != nil {
						t.Fatalf("lost at piece %d: %v", piece, err)
					}
					passed := proxy.Passed()
					proxy.Lose(0, how)
					if n++; call.done(t, direct) != n {
						t.Fatalf("lost at piece %d, way %d: it was done %d times, want %d", piece, how, call.done(t, direct), n)
					}
					if passed < piece {
						break
					}
				}
			}
		})
	}
}

// TestAReadIsRepeatedWhereItsConnectionIsLost at every point, also while it is
// made.
func TestAReadIsRepeatedWhereItsConnectionIsLost(t *testing.T) {
	server := mysqltest.Start(t)
	url := database(server)
	direct := open(t, url, serve)
	for i := range 20 {
		must(t, direct.Save(t.Context(), []*rules.Ledger{rules.NewLedger(rule(fmt.Sprint(i)), ann, noon)}, nil))
	}
	proxy := mysqltest.NewProxy(t, server.Address)
	for _, how := range []mysqltest.Cut{mysqltest.Before, mysqltest.Within, mysqltest.After} {
		for piece := 1; ; piece++ {
			proxy.Lose(piece, how)
			s, err := mysql.Open(t.Context(), server.URL(nameOf(url), proxy.Address), mysql.Options{})
			if err != nil {
				t.Fatalf("Open: lost at piece %d, way %d: %v", piece, how, err)
			}
			list, err := s.Load(t.Context())
			if err != nil || len(list) != 21 {
				t.Fatalf("Load: lost at piece %d, way %d: %d ledgers, %v", piece, how, len(list), err)
			}
			must(t, s.Close())
			if proxy.Passed() < piece {
				break
			}
		}
	}
}
