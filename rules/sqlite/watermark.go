package sqlite

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// watermark is written beside the database: that there is one, and its revision. So
// a database that is gone is not taken for one that never was, nor an earlier
// state for the last one. A note in memory says the same, and is newer after a
// crash; it counts for the mark whose name it bears.
type watermark struct {
	path, note string // note is "" where there is no directory in memory
	name       string
}

// Always of one length: it is written over the old one, so that a crash leaves
// one of the two.
const watermarkText = "tocsin's database belongs here: %8.8s, revision %020d\n"

func newWatermark(f Files) *watermark {
	m := &watermark{path: f.Mark, note: f.Note}
	if m.name, _ = readWatermark(m.path); m.name == "" {
		m.name = rand.Text()[:8]
	}
	return m
}

func readWatermark(path string) (name string, revision int64) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", 0
	}
	if _, err := fmt.Sscanf(string(text), "tocsin's database belongs here: %8s, revision %d", &name,
		&revision); err != nil {
		return "", 0
	}
	return name, revision
}

// known reports whether there was a database.
func (m *watermark) known() bool {
	_, err := os.Lstat(m.path)
	return err == nil || !errors.Is(err, fs.ErrNotExist)
}

// revision is the newest that the database is known to have had.
func (m *watermark) revision() int64 {
	_, newest := readWatermark(m.path)
	if name, n := readWatermark(m.note); name == m.name {
		newest = max(newest, n)
	}
	return newest
}

// noteInMemory notes a revision in memory only.
func (m *watermark) noteInMemory(revision int64) {
	if m.note != "" {
		// It only makes a loss easier to see.
		_ = os.WriteFile(m.note, fmt.Appendf(nil, watermarkText, m.name, revision), 0o600)
	}
}

// write writes a revision beside the database, unless it is there already.
func (m *watermark) write(revision int64) error {
	m.noteInMemory(revision)
	if name, n := readWatermark(m.path); name == m.name && n == revision {
		return nil
	}
	f, err := os.OpenFile(m.path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(fmt.Appendf(nil, watermarkText, m.name, revision), 0)
	return errors.Join(err, f.Close())
}

// renew makes a revision the last state, whatever was noted before.
func (m *watermark) renew(revision int64) error {
	m.name = rand.Text()[:8]
	return m.write(revision)
}
