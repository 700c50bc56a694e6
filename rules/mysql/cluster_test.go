package mysql_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/mysql"
	"github.com/9bikes/tocsin/rules/mysqltest"
)

// TestACluster takes writers on all of its nodes, whose commits meet: a node
// takes back what another was faster with. One node is killed meanwhile and comes
// back. What was said to be saved is there once, on each.
func TestACluster(t *testing.T) {
	nodes := mysqltest.StartCluster(t, 3)
	first := open(t, nodes[0].Database("tocsin"), serve)
	r := rules.NewLedger(rule("r"), ann, noon)
	must(t, first.Save(t.Context(), []*rules.Ledger{r}, nil))

	const turns = 40
	var wait sync.WaitGroup
	saved, unsure := make([]int, len(nodes)), make([]int, len(nodes))
	for i, node := range nodes {
		s := open(t, node.URL("tocsin", node.Address), mysql.Options{})
		wait.Go(func() {
			for turn := range turns {
				if err := bookOn(t, s, "id-r", fmt.Sprintf("%d-%d", i, turn)); err == nil {
					saved[i]++
				} else {
					unsure[i]++
					time.Sleep(200 * time.Millisecond)
				}
			}
		})
	}
	time.Sleep(500 * time.Millisecond)
	nodes[2].Kill()
	time.Sleep(time.Second)
	nodes[2].Start()
	wait.Wait()

	for i, n := range saved[:2] {
		if n != turns {
			t.Errorf("node %d saved %d of %d", i, n, turns)
		}
	}
	least := saved[0] + saved[1] + saved[2]
	for i, node := range nodes {
		s := open(t, node.URL("tocsin", node.Address), mysql.Options{})
		got := messages(load(t, s, "id-r"))
		if got < least || got > least+unsure[2] {
			t.Errorf("node %d has %d messages of %d saved and %d that nobody knew of", i, got, least, unsure[2])
		}
		_, entries, err := s.Audit(t.Context(), app.AuditFilter{})
		if err != nil || entries < least || entries > least+unsure[2] {
			t.Errorf("node %d has %d audit entries of %d and %d, %v", i, entries, least, unsure[2], err)
		}
	}
}

// bookOn owes a message, and notes that it does.
func bookOn(t *testing.T, s *mysql.Store, id, text string) error {
	list, err := s.Load(t.Context(), id)
	if err != nil {
		return err
	}
	book := func(l *rules.Ledger) error {
		l.Book("phone", rules.Test, rules.Facts{Text: text}, noon)
		return nil
	}
	must(t, book(list[0]))
	if err := s.Save(t.Context(), list, book); err != nil {
		return err
	}
	return s.AddAudit(t.Context(), app.AuditEntry{At: noon, Tool: text}, 0)
}
