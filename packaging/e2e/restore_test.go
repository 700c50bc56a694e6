//go:build !windows

package e2e_test

import (
	"archive/tar"
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator/sourcetest"
)

// entry is a file of an archive.
type entry struct {
	name string
	kind byte
	text []byte
}

func archive(t *testing.T, path string, entries ...entry) string {
	t.Helper()
	var text bytes.Buffer
	w := tar.NewWriter(&text)
	for _, e := range entries {
		header := &tar.Header{Name: e.name, Typeflag: e.kind, Mode: 0o600, Size: int64(len(e.text))}
		if e.kind == tar.TypeSymlink {
			header.Linkname, header.Size = "/etc/passwd", 0
		}
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// spoilt is a copy of a database on which statements were run.
func spoilt(t *testing.T, from, to, statements string) string {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", to)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Exec(statements); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestRestoreLooksBeforeItReplaces: what is no backup of ours is refused with a
// reason, and nothing in the data directory changes.
func TestRestoreLooksBeforeItReplaces(t *testing.T) {
	s := newStage(t, nil)
	d := s.serve()
	url := filepath.Join(s.dir, "phone.url")
	if err := os.WriteFile(url, []byte("generic://"+s.hook.address+"/phone?disabletls=yes&template=json\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	s.must("Added", "channels", "add", "phone", "--url-file", url)
	s.must("", "tokens", "add", "laptop", "--scope", "read")
	plain, whole := filepath.Join(s.dir, "plain.db"), filepath.Join(s.dir, "whole.tar")
	s.must("Wrote", "backup", plain)
	s.must("Wrote", "backup", "--with-key", whole)
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	database, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(s.dir, name) }
	write := func(name string, text []byte) string {
		if err := os.WriteFile(in(name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		return in(name)
	}
	pipe := in("pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	sparse := write("sparse.db", database)
	if err := os.Truncate(sparse, 3<<30); err != nil {
		t.Fatal(err)
	}
	ours := entry{"tocsin.db", tar.TypeReg, database}
	before := listing(t, in("data"))
	for _, tt := range []struct{ file, want string }{
		{write("empty", nil), "it is empty"},
		{"/dev/null", "it is no file"},
		{"/dev/zero", "it is no file"},
		{pipe, "it is no file"},
		{s.dir, "it is no file"},
		{write("text", []byte("hello")), "neither a database nor an archive"},
		{sparse, "it is longer than a database that begins so"},
		{write("half.db", database[:len(database)/2]), "not a sound database"},
		{archive(t, in("empty.tar")), "without a tocsin.db"},
		{archive(t, in("keys.tar"), entry{"links.key", tar.TypeReg, make([]byte, 32)}), "without a tocsin.db"},
		{archive(t, in("link.tar"), entry{"tocsin.db", tar.TypeSymlink, nil}), "which no backup has"},
		{archive(t, in("out.tar"), entry{"../tocsin.db", tar.TypeReg, database}), "which no backup has"},
		{archive(t, in("twice.tar"), ours, ours), "two tocsin.db"},
		{archive(t, in("short.tar"), ours, entry{"channels.key", tar.TypeReg, []byte("short")}), "5 bytes instead of 32"},
		{
			archive(t, in("big.tar"), ours, entry{"channels.key", tar.TypeReg, make([]byte, 5000)}),
			"channels.key is too large",
		},
		{
			archive(t, in("wrong.tar"), ours, entry{"channels.key", tar.TypeReg, bytes.Repeat([]byte("k"), 32)}),
			"opens none of its 1 stored channels",
		},
		{archive(t, in("none.tar"), entry{"tocsin.db", tar.TypeReg, nil}), "is empty"},
		{
			spoilt(t, plain, in("spy.db"), `CREATE TRIGGER spy AFTER INSERT ON tokens BEGIN DELETE FROM rules; END`),
			"trigger spy is not ours",
		},
		{
			spoilt(t, plain, in("view.db"), `DROP TABLE secrets; CREATE VIEW secrets AS SELECT 'a' AS name, x'00' AS value`),
			"secrets is not ours",
		},
		{spoilt(t, plain, in("less.db"), `DROP TABLE audit`), "is missing"},
	} {
		out, code := s.run("restore", "--yes", tt.file)
		if code == 0 || !strings.Contains(out, tt.want) {
			t.Errorf("%s: exit %d, %s; want %q", tt.file, code, out, tt.want)
		}
		if now := listing(t, in("data")); now != before {
			t.Fatalf("%s: the data directory changed from %s to %s", tt.file, before, now)
		}
	}
	planted := spoilt(t, plain, in("planted.db"),
		`INSERT INTO tokens (id, name, sum, scope, author, door, created_at) VALUES ('x', 'backdoor', x'00', 'admin', 'eve', 'cli', 0)`)
	if out, code := s.run("restore", planted); code != 2 ||
		!strings.Contains(out, `token "backdoor" (admin), made by eve`) || !strings.Contains(out, "add --yes") {
		t.Errorf("a planted token: exit %d, %s", code, out)
	}
	s.must(`token "laptop" (read)`, "restore", "--yes", whole)
	d = s.serve()
	s.must("Delivered", "channels", "test", "phone")
	if got := s.get("/status"); strings.Contains(got, "storage:") {
		t.Errorf("after the restore: %s", got)
	}
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Fatal(err)
	}
}

// listing is the names and contents of a directory, but for the lock.
func listing(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if e.Name() != "daemon.lock" {
			out.WriteString(e.Name() + " " + info.ModTime().String() + "\n")
		}
	}
	return out.String()
}

// TestARestoredStateStands: backups of later states, which the restore was to
// undo, do not come back with the next damage, nor those that are later than a
// file that somebody put in place.
func TestARestoredStateStands(t *testing.T) {
	influx := sourcetest.Influxd(t)
	defer (&site{T: t, influx: influx}).feed(-2)()
	s := newStage(t, influx)
	database := filepath.Join(s.dir, "data", "tocsin.db")
	create := func(names ...string) {
		t.Helper()
		for _, name := range names {
			s.must("Created", "rules", "create", "--title", name, "--measurement", "temperature", "--field", "celsius",
				"--above", "-15", "--channel", "hook")
			s.until("the daemon knows the rule", func() bool { return strings.Contains(s.hook.texts(), name) })
		}
	}
	wants := func(want map[string]bool) {
		t.Helper()
		out, code := s.run("rules", "list", "--json")
		for name, there := range want {
			if code != 0 || strings.Contains(out, `"`+name+`"`) != there {
				t.Errorf("rule %s is there: want %t; exit %d", name, there, code)
			}
		}
	}
	damage := func(want map[string]bool) {
		t.Helper()
		if err := os.Truncate(database, 0); err != nil {
			t.Fatal(err)
		}
		s.until("status tells", s.statusHas("written anew from memory"))
		wants(want)
	}
	d := s.serve()
	end := func() {
		t.Helper()
		if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	create("kept1")
	plain := filepath.Join(s.dir, "plain.db")
	s.must("Wrote", "backup", plain)
	create("undone1", "undone2")
	if err := os.Mkdir(filepath.Join(s.dir, "data", "backups"), 0o750); err != nil {
		t.Fatal(err)
	}
	s.must("Wrote", "backup", filepath.Join(s.dir, "data", "backups", "tocsin-20260101.db"))
	end()
	s.must("Restored", "restore", "--yes", plain)
	d = s.serve()
	create("after1")
	damage(map[string]bool{"kept1": true, "after1": true, "undone1": false, "undone2": false})
	end()

	text, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(database, text, 0o600); err != nil {
		t.Fatal(err)
	}
	d = s.serve()
	s.until("status tells", s.statusHas("is an earlier state"))
	create("late1")
	damage(map[string]bool{"kept1": true, "late1": true, "after1": false, "undone2": false})
	end()
	d = s.serve()
	wants(map[string]bool{"kept1": true, "late1": true, "after1": false, "undone2": false})
	end()
}
