package mysql_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/mysql"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// nameOf is the name of the database in a URL.
func nameOf(u rules.Secret) string {
	parsed, err := url.Parse(u.Reveal())
	if err != nil {
		panic("a URL of these tests")
	}
	return strings.TrimPrefix(parsed.Path, "/")
}

func rule(name string) rules.Rule {
	r, err := ruledoc.Parse(rules.Doc{
		"name": name, "source": "home", "measurement": "temperature", "field": "celsius", "group_by": []any{"sensor"},
		"condition": map[string]any{
			"type": "threshold", "aggregation": "mean", "window": "5m", "operator": ">", "value": 3.0,
		},
		"channels": []any{"phone"}, "cooldown": "0s",
	})
	if err != nil {
		panic(err) // a document of these tests
	}
	r.ID = "id-" + name
	return r
}

// own loads tocsin's own ledger.
func own(t testing.TB, s *mysql.Store) *rules.Ledger { return load(t, s, "") }

func load(t testing.TB, s *mysql.Store, id string) *rules.Ledger {
	t.Helper()
	list, err := s.Load(t.Context(), id)
	if err != nil || len(list) != 1 {
		t.Fatalf("Load(%q) returned %d ledgers, %v", id, len(list), err)
	}
	return list[0]
}

func messages(l *rules.Ledger) (n int) {
	l.Notifications(func(*rules.Notification) bool { n++; return true })
	return n
}
