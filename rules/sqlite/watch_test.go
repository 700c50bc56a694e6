package sqlite_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// overwrite writes into a file as it is, from an offset on.
func overwrite(t *testing.T, path string, at int64, text []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(text, at); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCheckNoticesWhatBecomesOfTheFiles: whatever somebody does to the files of
// an open database is noticed by the next Check.
func TestCheckNoticesWhatBecomesOfTheFiles(t *testing.T) {
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	cut := func(suffix string, size int64) func(t *testing.T, path string) {
		return func(t *testing.T, path string) { must(t, os.Truncate(path+suffix, size)) }
	}
	gone := func(suffix string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) { must(t, os.Remove(path+suffix)) }
	}
	garbage := bytes.Repeat([]byte("garbage "), 1024)
	replaced := func(suffix string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			text, err := os.ReadFile(path + suffix)
			must(t, err)
			must(t, os.WriteFile(path+".copy", text, 0o600))
			must(t, os.Rename(path+".copy", path+suffix))
		}
	}
	for _, tt := range []struct {
		name         string
		checkpointed bool // whether the log is checkpointed into the file before
		harm         func(t *testing.T, path string)
		want         error
	}{
		{"nothing", false, func(*testing.T, string) {}, nil},
		{"nothing, checkpointed", true, func(*testing.T, string) {}, nil},
		{"the log is deleted", false, gone("-wal"), sqlite.ErrGone},
		{"the log is replaced", false, replaced("-wal"), sqlite.ErrGone},
		{"the log is emptied", false, cut("-wal", 0), sqlite.ErrDamaged},
		{"the log is cut off within a frame", false, cut("-wal", 5000), sqlite.ErrDamaged},
		{"the log is cut off between frames", false, cut("-wal", 32+4*(4096+24)), sqlite.ErrDamaged},
		{
			"the log gets garbage", false, func(t *testing.T, path string) { overwrite(t, path+"-wal", 9000, garbage) },
			sqlite.ErrDamaged,
		},
		{
			"the log's head gets garbage", false, func(t *testing.T, path string) { overwrite(t, path+"-wal", 0, garbage[:32]) },
			sqlite.ErrDamaged,
		},
		{"the index is deleted", false, gone("-shm"), sqlite.ErrGone},
		{"the index is replaced", false, replaced("-shm"), sqlite.ErrGone},
		{"the file is deleted", false, gone(""), sqlite.ErrGone},
		{"the file is replaced", true, replaced(""), sqlite.ErrReplaced},
		{"the file is emptied", true, cut("", 0), sqlite.ErrDamaged},
		{"the file loses its end", true, cut("", 3*4096), sqlite.ErrDamaged},
		{
			"the file gets garbage", true, func(t *testing.T, path string) { overwrite(t, path, 4096, garbage) },
			sqlite.ErrDamaged,
		},
		{"an earlier state is copied over the file", true, func(t *testing.T, path string) {
			early, err := os.ReadFile(path + ".early")
			must(t, err)
			overwrite(t, path, 0, early)
		}, sqlite.ErrDamaged},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, path := fresh(t)
			must(t, s.Backup(t.Context(), path+".early"))
			fill(t, s, 20)
			if tt.checkpointed {
				must(t, s.Checkpoint(t.Context()))
			}
			must(t, s.Check(t.Context()))
			tt.harm(t, path)
			if err := s.Check(t.Context()); !errors.Is(err, tt.want) {
				t.Errorf("Check = %v, want %v", err, tt.want)
			}
			if errors.Is(tt.want, sqlite.ErrGone) {
				must(t, s.Backup(t.Context(), path+".saved"))
				saved := open(t, path+".saved", sqlite.Options{})
				if list, err := saved.Load(t.Context()); err != nil || len(list) != 21 {
					t.Errorf("what was saved has %d ledgers, %v", len(list), err)
				}
			}
		})
	}
}

// TestACheckpointMakesTheFileWhole: a copy of it alone has everything.
func TestACheckpointMakesTheFileWhole(t *testing.T) {
	s, path := fresh(t)
	fill(t, s, 20)
	if err := s.Check(t.Context()); err != nil || !s.WAL().Pending() {
		t.Fatalf("before: %+v, %v", s.WAL(), err)
	}
	if err := s.Checkpoint(t.Context()); err != nil || s.WAL().Pending() {
		t.Fatalf("after: %+v, %v", s.WAL(), err)
	}
	alone := filepath.Join(t.TempDir(), "alone.db")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(alone, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if list, err := open(t, alone, sqlite.Options{}).Load(t.Context()); err != nil || len(list) != 21 {
		t.Errorf("the copy has %d ledgers, %v", len(list), err)
	}
}

// TestWhatIsInNoLedgerIsRemembered: channels, silences, tokens and secrets come
// back in a database that has none of them.
func TestWhatIsInNoLedgerIsRemembered(t *testing.T) {
	s, path := fresh(t)
	other := open(t, path, sqlite.Options{})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.PutSilence(t.Context(), rules.Silence{ID: "s1", Comment: "ours"}))
	must(other.PutChannel(t.Context(), app.StoredChannel{ID: "c1", Name: "phone", Kind: "ntfy", Sealed: []byte{1, 2, 3}}))
	must(s.Check(t.Context()))
	must(s.PutToken(t.Context(), app.Token{ID: "t1", Name: "laptop", Sum: []byte{4}, Scope: "read"}))
	secret, err := s.Secret(t.Context(), "confirm")
	must(err)
	before, err := s.Revision(t.Context())
	must(err)
	must(os.Truncate(path, 0))

	anew, _ := fresh(t)
	must(anew.PutSilence(t.Context(), rules.Silence{ID: "old", Comment: "ended meanwhile"}))
	must(anew.RestoreTables(t.Context(), s.SideTables()))
	silences, channels, tokens, again := sideTables(t, anew)
	if len(silences) != 1 || silences[0].Comment != "ours" || len(channels) != 1 ||
		!bytes.Equal(channels[0].Sealed, []byte{1, 2, 3}) ||
		len(tokens) != 1 || tokens[0].Name != "laptop" || !bytes.Equal(secret, again) {
		t.Errorf("silences %v, channels %v, tokens %v, secret %x for %x", silences, channels, tokens, again, secret)
	}
	if after, err := anew.Revision(t.Context()); err != nil || after <= before {
		t.Errorf("the revision went from %d to %d, %v", before, after, err)
	}
}

// TestACommitCheckpointsNothing: checkpointing takes long, and it would look as if another
// wrote into the file.
func TestACommitCheckpointsNothing(t *testing.T) {
	s, _ := fresh(t)
	fill(t, s, 3000)
	if err := s.PutSilence(t.Context(), rules.Silence{ID: "s1", Comment: "one more commit"}); err != nil {
		t.Fatal(err)
	}
	err := s.Check(t.Context())
	if l := s.WAL(); err != nil || l.Frames < 1000 || l.Checkpointed != 0 || l.Touched {
		t.Errorf("the log is %+v, %v; want more than 1000 frames, none checkpointed", l, err)
	}
}

// TestThatAnotherWroteIsKnownUntilItIsFolded: whoever checks again meanwhile.
func TestThatAnotherWroteIsKnownUntilItIsFolded(t *testing.T) {
	s, path := fresh(t)
	want := func(when string, touched bool) {
		t.Helper()
		if err := s.Check(t.Context()); err != nil || s.WAL().Touched != touched {
			t.Errorf("%s: %+v, %v; want touched %t", when, s.WAL(), err, touched)
		}
	}
	want("at first", false)
	if err := os.Chtimes(path, noon, noon); err != nil {
		t.Fatal(err)
	}
	want("another wrote", true)
	want("a second look", true)
	fill(t, s, 1)
	want("a commit later", true)
	if err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("checkpointed", false)
}

// TestWhatOthersCommittedIsNotPutBack: what is remembered is as of the last
// look, and the database that takes its place may be later.
func TestWhatOthersCommittedIsNotPutBack(t *testing.T) {
	s, path := fresh(t)
	other := open(t, path, sqlite.Options{})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.PutToken(t.Context(), app.Token{ID: "t1", Name: "laptop", Sum: []byte{4}, Scope: "read"}))
	must(s.PutChannel(t.Context(), app.StoredChannel{ID: "c1", Name: "phone", Kind: "ntfy", Sealed: []byte{1}}))
	must(s.Check(t.Context()))
	must(other.DeleteToken(t.Context(), "laptop"))
	must(other.PutSilence(t.Context(), rules.Silence{ID: "s1", Comment: "theirs"}))
	secret, err := other.Secret(t.Context(), "confirm")
	must(err)
	must(s.Backup(t.Context(), path+".anew"))

	anew := open(t, path+".anew", serve)
	must(anew.RestoreTables(t.Context(), s.SideTables()))
	silences, channels, tokens, again := sideTables(t, anew)
	if len(silences) != 1 || len(channels) != 1 || len(tokens) != 0 || !bytes.Equal(secret, again) {
		t.Errorf("silences %v, channels %v, tokens %v, secret %x for %x", silences, channels, tokens, again, secret)
	}
}

// sideTables are what a store has outside its ledgers.
func sideTables(t *testing.T, s *sqlite.Store) ([]rules.Silence, []app.StoredChannel, []app.Token, []byte) {
	t.Helper()
	silences, err := s.Silences(t.Context(), noon)
	channels, e1 := s.Channels(t.Context())
	tokens, e2 := s.Tokens(t.Context())
	secret, e3 := s.Secret(t.Context(), "confirm")
	if err = errors.Join(err, e1, e2, e3); err != nil {
		t.Fatal(err)
	}
	return silences, channels, tokens, secret
}
