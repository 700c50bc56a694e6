package mysql_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/mysql"
	"github.com/9bikes/tocsin/rules/mysqltest"
	"github.com/9bikes/tocsin/rules/storetest"
)

var _ app.Store = (*mysql.Store)(nil)

var (
	serve = mysql.Options{Migrate: true}
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ann   = rules.Actor{Name: "ann", Door: "cli"}
)

var databases atomic.Int64

func database(s *mysqltest.Server) rules.Secret {
	return s.Database(fmt.Sprintf("d%d", databases.Add(1)))
}

func open(t testing.TB, url rules.Secret, o mysql.Options) *mysql.Store {
	t.Helper()
	s, err := mysql.Open(t.Context(), url, o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// TestContract also with a server whose settings are others than those of
// Debian.
func TestContract(t *testing.T) {
	for name, flags := range map[string][]string{
		"as it comes": nil,
		"odd settings": {
			"--default-time-zone=+05:30", "--sql-mode=ANSI,NO_BACKSLASH_ESCAPES", "--transaction-isolation=SERIALIZABLE",
			"--character-set-server=latin1", "--collation-server=latin1_german2_ci", "--autocommit=0",
			"--innodb-strict-mode=0", "--default-storage-engine=MyISAM", "--max-allowed-packet=2M",
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := mysqltest.Start(t, flags...)
			storetest.Run(t, func(t *testing.T) func() app.Store {
				url := database(server)
				return func() app.Store { return open(t, url, serve) }
			})
		})
	}
}

func BenchmarkStore(b *testing.B) {
	server := mysqltest.Start(b, "--innodb-buffer-pool-size=512M", "--innodb-log-file-size=256M") // as servers have
	storetest.Bench(b, func(b *testing.B) app.Store { return open(b, database(server), serve) })
}
