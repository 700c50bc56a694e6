package sqlite_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/9bikes/tocsin/migrations"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// TestVerifyTakesOurOwnAlone: whatever a file has that tocsin did not make, or
// lacks, it is refused before anything is done with it.
func TestVerifyTakesOurOwnAlone(t *testing.T) {
	for _, tt := range []struct {
		name, sql, want string
	}{
		{"a trigger", `CREATE TRIGGER spy AFTER INSERT ON tokens BEGIN DELETE FROM rules; END`, "trigger spy is not ours"},
		{
			"a view for a table", `DROP TABLE secrets; CREATE VIEW secrets AS SELECT 'a' AS name, x'00' AS value`,
			"is not ours",
		},
		{"another table", `CREATE TABLE extra (a)`, "table extra is not ours"},
		{"another index", `CREATE INDEX extra ON rules (title)`, "index extra is not ours"},
		{"another column", `ALTER TABLE rules ADD COLUMN extra TEXT`, "table rules is not ours"},
		{"a missing table", `DROP TABLE audit`, "is missing"},
		{"a missing index", `DROP INDEX rules_name`, "index rules_name is missing"},
		{"a missing step", `DELETE FROM goose_db_version WHERE version_id = 2`, "step 2 is missing"},
		{
			"a check that is gone",
			`PRAGMA writable_schema = 1; UPDATE sqlite_master SET sql = replace(sql, 'CHECK (id <> '''')', '') WHERE name = 'rules'`, "table rules is not ours",
		},
		{"another program's", `PRAGMA application_id = 7`, "of another program"},
		{"a newer schema", `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)`, "knows only"},
		{
			"a row of nothing",
			`PRAGMA foreign_keys = 0; INSERT INTO versions (rule_id, version, act, author, door, at, body) VALUES ('none', 1, '', '', '', 1, '{}')`, "not a sound database",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := fresh(t)
			fill(t, s, 2)
			path := filepath.Join(t.TempDir(), "backup.db")
			if err := s.Backup(t.Context(), path); err != nil {
				t.Fatal(err)
			}
			if n, err := sqlite.Verify(t.Context(), path); err != nil || n == 0 {
				t.Fatalf("before: %d, %v", n, err)
			}
			run(t, raw(t, path), tt.sql)
			if _, err := sqlite.Verify(t.Context(), path); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Verify = %v, want %q", err, tt.want)
			}
		})
	}
}

// TestVerifyRefusesWhatIsNoDatabase says what it is instead.
func TestVerifyRefusesWhatIsNoDatabase(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for path, want := range map[string]string{
		file("empty", ""):                                 "is empty",
		file("short", "SQLite format 3\x00"):              "",
		file("text", strings.Repeat("no database ", 999)): "not a sound database",
		dir:                           "is no file, but a directory",
		"/dev/null":                   "is no file, but a device",
		filepath.Join(dir, "nothing"): "no such file",
	} {
		if _, err := sqlite.Verify(t.Context(), path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Verify(%s) = %v, want %q", path, err, want)
		}
	}
}

// TestVerifyTakesEverySchemaThatWas: a backup of an earlier version is as good.
func TestVerifyTakesEverySchemaThatWas(t *testing.T) {
	names, err := fs.Glob(migrations.SQLite(), "*.sql")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	steps := fstest.MapFS{}
	for _, name := range names {
		text, err := fs.ReadFile(migrations.SQLite(), name)
		if err != nil {
			t.Fatal(err)
		}
		steps[name] = &fstest.MapFile{Data: text}
		path := filepath.Join(t.TempDir(), "tocsin.db")
		s, err := sqlite.OpenWith(t.Context(), path, serve, steps)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := sqlite.Verify(t.Context(), path); err != nil {
			t.Errorf("with %s: %v", name, err)
		}
	}
}
