package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/migrations"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
	"github.com/9bikes/tocsin/rules/sqlite"
	"github.com/9bikes/tocsin/rules/storetest"
)

var _ app.Store = (*sqlite.Store)(nil)

var (
	serve = sqlite.Options{Migrate: true}
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ann   = rules.Actor{Name: "ann", Door: "cli"}
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) func() app.Store {
		path := filepath.Join(t.TempDir(), "tocsin.db")
		return func() app.Store { return open(t, path, serve) }
	})
}

func BenchmarkStore(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) app.Store { return open(b, filepath.Join(b.TempDir(), "tocsin.db"), serve) })
}

func open(t testing.TB, path string, o sqlite.Options) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, o)
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

// fresh opens a new database.
func fresh(t testing.TB) (s *sqlite.Store, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "tocsin.db")
	return open(t, path, serve), path
}

// raw opens the file beside the store.
func raw(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func run(t testing.TB, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatal(err)
	}
}

func wantFault(t *testing.T, err, kind error, code rules.Code, cure string) {
	t.Helper()
	var person *rules.Error
	if !errors.Is(err, kind) || !errors.As(err, &person) {
		t.Fatalf("the error is %v, want %v with a cure", err, kind)
	}
	if person.Code != code || !strings.Contains(person.Text, cure) {
		t.Errorf("the sentence is %q with code %q; want %q and %q", person.Text, person.Code, cure, code)
	}
	for _, foreign := range []string{"SQLITE_", "SQL logic", "errno"} {
		if strings.Contains(person.Text, foreign) {
			t.Errorf("the sentence %q shows what the driver says", person.Text)
		}
	}
}

func TestEveryConnectionHasItsPragmas(t *testing.T) {
	s, _ := fresh(t)
	want := map[string]map[string]string{
		"writer": {
			"busy_timeout": "5000", "journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "auto_vacuum": "2",
			"query_only": "0",
		},
		"reader": {"busy_timeout": "5000", "journal_mode": "wal", "foreign_keys": "1", "auto_vacuum": "2", "query_only": "1"},
	}
	seen := 0
	err := s.EachConnection(t.Context(), func(name string, conn *sql.Conn) error {
		seen++
		for pragma, value := range want[name] {
			var got string
			if err := conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil {
				return err
			}
			if got != value {
				t.Errorf("%s of a %s is %s, want %s", pragma, name, got, value)
			}
		}
		return nil
	})
	if err != nil || seen < 3 {
		t.Errorf("looked at %d connections, %v", seen, err)
	}
}

func TestReadersCannotWrite(t *testing.T) {
	s, _ := fresh(t)
	err := s.EachConnection(t.Context(), func(name string, conn *sql.Conn) error {
		if name == "writer" {
			return nil
		}
		if _, err := conn.ExecContext(t.Context(), `DELETE FROM revisions`); err == nil {
			return errors.New("a reader deleted rows")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestOnlyTheOwnerCanReadTheFile(t *testing.T) {
	s, path := fresh(t)
	fill(t, s, 1)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", suffix, info.Mode(), err)
		}
	}
}

func TestAnyPathWorks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c=%41#d&e")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "tocsin ä.db")
	s := open(t, path, serve)
	fill(t, s, 1)
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		t.Errorf("the file at the path given: %v", err)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// fill stores n rules with an alert each and returns their ledgers.
func fill(t testing.TB, s *sqlite.Store, n int) []*rules.Ledger {
	t.Helper()
	batch := make([]*rules.Ledger, n)
	for i := range batch {
		r, err := ruledoc.Parse(rules.Doc{
			"name": fmt.Sprintf("r%d", i), "title": "A rule", "source": "home", "measurement": "m", "field": "f",
			"channels": []any{"phone"},
			"condition": map[string]any{
				"type": "threshold", "aggregation": "mean", "window": "5m", "operator": ">",
				"value": 3.0,
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		r.ID = "id-" + r.Name
		batch[i] = rules.NewLedger(r, ann, noon)
		batch[i].Observe(rules.Setting{Now: noon}, []rules.Observation{{Verdict: rules.Bad, Value: 5}}, nil)
	}
	if err := s.Save(t.Context(), batch, nil); err != nil {
		t.Fatal(err)
	}
	return batch
}

func TestOpenTellsTheCure(t *testing.T) {
	dir := t.TempDir()
	garbage, foreign, empty := filepath.Join(dir, "garbage.db"), filepath.Join(dir, "foreign.db"),
		filepath.Join(dir, "empty.db")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, raw(t, foreign), `CREATE TABLE photos (id INTEGER)`)
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, path string
		o          sqlite.Options
		kind       error
		cure       string
	}{
		{"no file", filepath.Join(dir, "none.db"), sqlite.Options{}, sqlite.ErrGone, `start "tocsin serve" first`},
		{
			"no file to read", filepath.Join(dir, "none.db"),
			sqlite.Options{ReadOnly: true},
			sqlite.ErrGone,
			`start "tocsin serve" first`,
		},
		{"no directory", filepath.Join(dir, "no", "none.db"), serve, sqlite.ErrGone, "mkdir -p " + filepath.Join(dir, "no")},
		{"a directory", dir, serve, sqlite.ErrGone, "set data_dir"},
		{"a file that is no database", garbage, serve, sqlite.ErrMalformed, "the newest backup"},
		{"a file that is no database, for others", garbage, sqlite.Options{}, sqlite.ErrMalformed, "the newest backup"},
		{"a database of another program", foreign, serve, sqlite.ErrReplaced, "another program"},
		{"an empty file, for others", empty, sqlite.Options{}, sqlite.ErrGone, `start "tocsin serve" first`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := sqlite.Open(t.Context(), tt.path, tt.o)
			if err == nil {
				t.Fatal(s.Close())
			}
			wantFault(t, err, tt.kind, rules.Unavailable, tt.cure)
		})
	}
	if _, err := os.Stat(filepath.Join(dir, "none.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a refused Open left a file behind")
	}
}

func TestADamagedPageIsNoticedAfterAnUncleanEnd(t *testing.T) {
	s, path := fresh(t)
	fill(t, s, 500)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for page := 5; page < len(content)/4096; page += 3 {
		copy(content[page*4096:], strings.Repeat("\xff", 2048))
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	// A log without a valid frame is what a crash right after a checkpoint leaves.
	if err := os.WriteFile(path+"-wal", make([]byte, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = sqlite.Open(t.Context(), path, serve)
	wantFault(t, err, sqlite.ErrMalformed, rules.Unavailable, "the newest backup")
}

func TestAnotherSchemaIsRefused(t *testing.T) {
	s, path := fresh(t)
	fill(t, s, 1)
	for _, tt := range []struct {
		name, change, cure string
	}{
		{
			"newer", `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)`,
			"this binary is older than the daemon",
		},
		{"older", `DELETE FROM goose_db_version WHERE version_id = 99`, "an older daemon is running"},
	} {
		run(t, raw(t, path), tt.change)
		steps := fs.FS(migrations.SQLite())
		if tt.name == "older" {
			steps = withStep(t, `CREATE TABLE added (id INTEGER) STRICT;`)
		}
		_, err := sqlite.OpenWith(t.Context(), path, sqlite.Options{}, steps)
		wantFault(t, err, sqlite.ErrSchema, rules.Conflict, tt.cure)
	}
}

func TestTheDaemonRefusesANewerSchemaToo(t *testing.T) {
	s, path := fresh(t)
	fill(t, s, 1)
	run(t, raw(t, path), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)`)
	_, err := sqlite.Open(t.Context(), path, serve)
	wantFault(t, err, sqlite.ErrSchema, rules.Conflict, "older than the daemon")
}

// withStep returns the released migrations and one after them.
func withStep(t *testing.T, query string) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	released := migrations.SQLite()
	names, err := fs.Glob(released, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(released, name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = &fstest.MapFile{Data: text}
	}
	out["9999_test.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + query + "\n")}
	return out
}

func backups(t *testing.T, path string) []string {
	t.Helper()
	names, err := filepath.Glob(path + ".*.bak")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestMigrationsRunFromTheOldestSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tocsin.db")
	first := fstest.MapFS{}
	text, err := fs.ReadFile(migrations.SQLite(), "0001_init.sql")
	if err != nil {
		t.Fatal(err)
	}
	first["0001_init.sql"] = &fstest.MapFile{Data: text}
	s, err := sqlite.OpenWith(t.Context(), path, serve, first)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path, serve)
	newest, err := migrations.Newest(migrations.SQLite())
	if err != nil {
		t.Fatal(err)
	}
	var have int64
	if err := raw(t, path).QueryRow(`SELECT MAX(version_id) FROM goose_db_version`).Scan(&have); err != nil ||
		have != newest {
		t.Errorf("schema = %d, want %d, %v", have, newest, err)
	}
}

// TestWhatNobodyAnsweredForIsNotShownAsDelivered after an upgrade either.
func TestWhatNobodyAnsweredForIsNotShownAsDelivered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tocsin.db")
	old := fstest.MapFS{}
	for _, name := range []string{
		"0001_init.sql", "0002_delivery.sql", "0003_matched.sql", "0004_tokens.sql",
		"0005_audit.sql",
	} {
		text, err := fs.ReadFile(migrations.SQLite(), name)
		if err != nil {
			t.Fatal(err)
		}
		old[name] = &fstest.MapFile{Data: text}
	}
	s, err := sqlite.OpenWith(t.Context(), path, serve, old)
	if err != nil {
		t.Fatal(err)
	}
	db := raw(t, path)
	for id, was := range map[string][2]string{
		"lost": {"unknown", "timeout"}, "again": {"owed", "unknown: server"},
		"busy": {"owed", "server"},
	} {
		_, err := db.Exec(`INSERT INTO notifications (id, rule_id, channel, reason, state, held_by, attempts, error, facts)
			VALUES (?, '', 'phone', 'operational', ?, '', 1, ?, '{}')`, id, was[0], was[1])
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(db.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	now := open(t, path, serve)
	for id, want := range map[string]rules.Notification{
		"lost":  {State: rules.Dead, Unknown: true, Error: "timeout"},
		"again": {State: rules.Owed, Unknown: true, Error: "server"},
		"busy":  {State: rules.Owed, Error: "server"},
	} {
		n, err := now.Notification(t.Context(), id)
		if err != nil || n.State != want.State || n.Unknown != want.Unknown || n.Error != want.Error {
			t.Errorf("%s is %s, unknown %v, %q, %v", id, n.State, n.Unknown, n.Error, err)
		}
	}
}

func TestAMigrationIsPrecededByABackup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tocsin.db")
	s := open(t, path, serve)
	fill(t, s, 3)
	if len(backups(t, path)) != 0 {
		t.Fatal("a new database was backed up")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		s, err := sqlite.OpenWith(t.Context(), path, serve,
			withStep(t, `CREATE TABLE IF NOT EXISTS added (id INTEGER) STRICT;`))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		run(t, raw(t, path), `DELETE FROM goose_db_version WHERE version_id = 9999`)
	}
	kept := backups(t, path)
	if len(kept) != 3 {
		t.Fatalf("kept %v, want the newest three", kept)
	}
	if info, err := os.Stat(kept[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup has mode %v, %v", info.Mode(), err)
	}
	if got, err := open(t, kept[2], sqlite.Options{}).Load(t.Context()); err != nil || len(got) != 4 {
		t.Errorf("the backup holds %d ledgers, %v", len(got), err)
	}
}

func TestAFailedMigrationLeavesTheOldSchema(t *testing.T) {
	s, path := fresh(t)
	fill(t, s, 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.OpenWith(t.Context(), path, serve,
		withStep(t, `CREATE TABLE half (id INTEGER) STRICT; INSERT INTO nothing VALUES (1);`))
	newest, newestErr := migrations.Newest(migrations.SQLite())
	if newestErr != nil {
		t.Fatal(newestErr)
	}
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("migrate from schema %d to 9999", newest)) {
		t.Fatalf("Open returned %v", err)
	}
	if got, err := open(t, path, sqlite.Options{}).Load(t.Context()); err != nil || len(got) != 2 {
		t.Errorf("the old schema holds %d ledgers, %v", len(got), err)
	}
	if n := len(backups(t, path)); n != 1 {
		t.Errorf("%d backups, want 1", n)
	}
}

func TestReadOnlyReadsAndRefusesToWrite(t *testing.T) {
	s, path := fresh(t)
	batch := fill(t, s, 2)
	r := open(t, path, sqlite.Options{ReadOnly: true})
	if got, err := r.Load(t.Context()); err != nil || len(got) != 3 {
		t.Errorf("Load returned %d ledgers, %v", len(got), err)
	}
	if err := r.Check(t.Context()); err != nil {
		t.Error(err)
	}
	batch[0].Book("phone", rules.Test, rules.Facts{}, noon)
	err := r.Save(t.Context(), batch, nil)
	if rules.CodeOf(err) != rules.Unavailable {
		t.Errorf("Save returned %v", err)
	}
	if err := s.Save(t.Context(), batch, nil); err != nil {
		t.Fatal(err)
	}
	if m, err := r.Moved(t.Context()); err != nil || len(m.Ledgers) != 1 {
		t.Errorf("Moved returned %+v, %v", m, err)
	}
}

func TestALockHeldByOthersIsNamed(t *testing.T) {
	s, path := fresh(t)
	batch := fill(t, s, 1)
	db := raw(t, path)
	run(t, db, `BEGIN IMMEDIATE`)
	batch[0].Book("phone", rules.Test, rules.Facts{}, noon)
	wantFault(t, s.Save(t.Context(), batch, nil), sqlite.ErrLocked, rules.Unavailable, "try again")

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := s.Save(ctx, batch, nil); err == nil || time.Since(began) > 2*time.Second {
		t.Errorf("Save returned %v after %v; it should end with its context", err, time.Since(began))
	}
	run(t, db, `ROLLBACK`)
	if err := s.Save(t.Context(), batch, nil); err != nil {
		t.Errorf("after the lock is free: %v", err)
	}
}

func TestCheckNoticesAFileThatIsGoneOrReplaced(t *testing.T) {
	s, path := fresh(t)
	fill(t, s, 2)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	wantFault(t, s.Check(t.Context()), sqlite.ErrGone, rules.Unavailable, "was removed")
	// All of it is still there, and can be put back.
	if err := s.Backup(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	wantFault(t, s.Check(t.Context()), sqlite.ErrReplaced, rules.Unavailable, "restart tocsin")
}

func TestBackup(t *testing.T) {
	s, _ := fresh(t)
	fill(t, s, 20)
	path := filepath.Join(t.TempDir(), "copy.db")
	if err := s.Backup(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if got, err := open(t, path, sqlite.Options{}).Load(t.Context()); err != nil || len(got) != 21 {
		t.Errorf("the copy holds %d ledgers, %v", len(got), err)
	}
	if err := s.Backup(t.Context(), path); rules.CodeOf(err) != rules.Conflict {
		t.Errorf("a backup over a file returned %v", err)
	}
	missing := filepath.Join(t.TempDir(), "no", "copy.db")
	wantFault(t, s.Backup(t.Context(), missing), sqlite.ErrGone, rules.Unavailable, "mkdir -p")
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*.part")); err != nil || len(left) != 0 {
		t.Errorf("drafts are left: %v, %v", left, err)
	}
}

func TestSizeFallsWithPruneAndVacuumShrinksTheFile(t *testing.T) {
	s, path := fresh(t)
	l := fill(t, s, 1)[0]
	for i := range 2000 {
		at := noon.Add(time.Duration(i) * time.Minute)
		verdict := rules.Good
		if i%2 == 1 {
			verdict = rules.Bad
		}
		l.Observe(rules.Setting{Now: at}, []rules.Observation{{Verdict: verdict, Value: 5}}, nil)
		l.Notifications(func(n *rules.Notification) bool {
			if l.Claim(n.ID, "m") {
				l.Record(n.ID, rules.Outcome{State: rules.Sent}, time.Time{}, at)
			}
			return true
		})
	}
	if err := s.Save(t.Context(), []*rules.Ledger{l}, nil); err != nil {
		t.Fatal(err)
	}
	size := func() int64 {
		n, err := s.Size(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	full := size()
	if n, err := s.Prune(t.Context(), noon.Add(1e6*time.Minute), 0); err != nil || n < 900 {
		t.Fatalf("Prune deleted %d, %v", n, err)
	}
	if now := size(); now > full/2 {
		t.Errorf("the contents take %d bytes, before %d", now, full)
	}
	if err := s.Vacuum(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	var pages, free int64
	if err := raw(t,
		path).QueryRow(`SELECT page_count, freelist_count FROM pragma_page_count, pragma_freelist_count`).Scan(&pages,
		&free); err != nil {
		t.Fatal(err)
	}
	if free != 0 || pages*4096 > full/2 {
		t.Errorf("the file has %d pages, %d of them free", pages, free)
	}
}
