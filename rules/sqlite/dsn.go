package sqlite

import (
	"context"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// access is what a connection may do.
type access uint8

const (
	reading   access = iota
	verifying        // the file alone, which is not trusted
	copying          // VACUUM INTO opens the copy with the rights of the original
	writing
)

// dsn names a file with the settings of a connection. They stand in the name,
// so that every pooled connection gets them; busy_timeout is first, so that
// the others can wait, and auto_vacuum comes before the switch to WAL, which
// writes the first page and would fix it.
func dsn(path string, mode access) string {
	q := url.Values{"mode": {"rw"}, "_txlock": {"deferred"}}
	switch mode {
	case reading:
		q.Set("mode", "ro")
		q["_pragma"] = []string{
			"busy_timeout(5000)", "foreign_keys(1)", "query_only(1)",
			"cache_size(-512)", // there are several, and the system caches the file as well
		}
	case verifying:
		q.Set("mode", "ro")
		q.Set("immutable", "1")
		q["_pragma"] = []string{"query_only(1)", "trusted_schema(0)", "cell_size_check(1)"}
	case copying:
		q["_pragma"] = []string{"busy_timeout(5000)"}
	case writing:
		q.Set("_txlock", "immediate")
		q["_pragma"] = []string{
			"busy_timeout(5000)", "auto_vacuum(INCREMENTAL)", "journal_mode(WAL)",
			"synchronous(FULL)", "foreign_keys(1)", "journal_size_limit(4194304)",
			"cache_size(-16384)", // a storm touches many pages, and a spilled one is written twice
			// Within a commit it would keep a tick waiting, and look as if another wrote into the file.
			// The daemon folds long before; where none runs, and in a copy in memory, this is the bound.
			"wal_autocheckpoint(10000)",
		}
	}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // of a drive
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// patience is how long a process waits for others that open a new file at the
// same time: the switch to WAL does not heed busy_timeout.
const patience = 15 * time.Second

// patiently repeats act while the file is locked.
func patiently(ctx context.Context, act func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := act(ctx)
		if err == nil || !locked(err) || !rules.Sleep(ctx, 20*time.Millisecond) {
			return err
		}
	}
}
