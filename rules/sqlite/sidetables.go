package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/9bikes/tocsin/rules/column"
)

// SideTables is what is stored and in no ledger, but for history: channels,
// silences, tokens and secrets. It is little, and in memory, so that a database
// that was damaged can be written anew with all of it.
type SideTables struct {
	at     seen // when it was read
	known  seen // how far the store was, as far as that is known
	stale  bool
	tables []sideTable
}

type sideTable struct {
	name    string
	columns []string
	rows    [][]any
}

var sideTables = []string{"channels", "silences", "tokens", "secrets"}

// SideTables returns what is remembered. It asks no file.
func (s *Store) SideTables() SideTables {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kept
	k.known = k.at
	k.known.ledgers, k.known.tokens = max(k.at.ledgers, s.seen.ledgers), max(k.at.tokens, s.seen.tokens)
	return k
}

// Ledgers is the revision of the last ledger that the store knew of.
func (k *SideTables) Ledgers() int64 { return k.known.ledgers }

// remember reads the side tables again if anything of it was changed; what cannot
// be read leaves the old one. It is called with the lock held.
func (s *Store) remember(ctx context.Context) error {
	if !s.options.Migrate {
		return nil // only the daemon writes a database anew
	}
	at, err := s.pinned.look(ctx)
	if err != nil {
		return err
	}
	was := s.kept.at
	same := at.silences == was.silences && at.channels == was.channels && at.tokens == was.tokens
	if s.kept.tables != nil && !s.kept.stale && same {
		return nil
	}
	return s.readSideTables(ctx, at)
}

func (s *Store) readSideTables(ctx context.Context, at seen) error {
	k := SideTables{at: at}
	for _, name := range sideTables {
		t := sideTable{name: name}
		err := each(ctx, s.pinned, `SELECT name FROM pragma_table_info(?)`, []any{name}, func(rows column.Row) error {
			t.columns = append(t.columns, "")
			return rows.Scan(&t.columns[len(t.columns)-1])
		})
		if err != nil {
			return err
		}
		if t.columns == nil {
			continue // a schema before it
		}
		if err := each(ctx, s.pinned, t.query(), nil, t.scan); err != nil {
			return err
		}
		k.tables = append(k.tables, t)
	}
	s.kept = k
	return nil
}

func (t *sideTable) query() string {
	return `SELECT ` + strings.Join(t.columns, ", ") + ` FROM ` + t.name
}

func (t *sideTable) scan(rows column.Row) error {
	row, into := make([]any, len(t.columns)), make([]any, len(t.columns))
	for i := range row {
		into[i] = &row[i]
	}
	t.rows = append(t.rows, row)
	return rows.Scan(into...)
}

// RestoreTables makes the side tables of a store that was lost the contents of this one,
// whose revisions go on from there. What this one has of a later commit, which
// may be another process's, stays.
func (s *Store) RestoreTables(ctx context.Context, k SideTables) error {
	return s.write(ctx, "put back what was remembered", func(ctx context.Context, p *pinned) error {
		have, err := look(ctx, p)
		if err != nil {
			return err
		}
		for _, t := range k.tables {
			if have.of(t.name) > k.at.of(t.name) {
				continue
			}
			if err := t.restore(ctx, p); err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
		}
		for subject, revision := range map[string]int64{
			"ledgers": k.known.ledgers, "silences": k.known.silences, "channels": k.known.channels, "tokens": k.known.tokens,
		} {
			const raise = `UPDATE revisions SET revision = MAX(revision, ?) + 1 WHERE subject = ?`
			if _, err := p.exec(ctx, raise, revision, subject); err != nil {
				return err
			}
		}
		s.moved.silences, s.moved.channels = true, true
		return nil
	})
}

// of is the revision of a table, 0 for secrets: those are made once.
func (s seen) of(table string) int64 {
	switch table {
	case "channels":
		return s.channels
	case "silences":
		return s.silences
	case "tokens":
		return s.tokens
	}
	return 0
}

func (t *sideTable) restore(ctx context.Context, p *pinned) error {
	if t.name != "secrets" { // those are only ever added
		if _, err := p.exec(ctx, `DELETE FROM `+t.name); err != nil {
			return err
		}
	}
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(t.columns)), ", ")
	insert := `INSERT OR REPLACE INTO ` + t.name + ` (` + strings.Join(t.columns, ", ") + `) VALUES (` + marks + `)`
	for _, row := range t.rows {
		if _, err := p.exec(ctx, insert, row...); err != nil {
			return err
		}
	}
	return nil
}

// Revision counts the commits that people would miss: it never falls, unless a
// database went back in time.
func (s *Store) Revision(ctx context.Context) (n int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pinned == nil {
		return 0, fmt.Errorf("ask for the revision: %w", sql.ErrConnDone)
	}
	n, err = s.pinned.number(ctx, `SELECT SUM(revision) FROM revisions`)
	return n, s.fault("ask for the revision", err)
}

// AdvanceRevision raises the revision above another, which some other state has that is
// not to be taken for a later one.
func (s *Store) AdvanceRevision(ctx context.Context, revision int64) error {
	return s.write(ctx, "raise the revision", func(ctx context.Context, p *pinned) error {
		have, err := p.number(ctx, `SELECT SUM(revision) FROM revisions`)
		if err != nil || have > revision {
			return err
		}
		_, err = p.exec(ctx, `UPDATE revisions SET revision = revision + ?`, revision-have+1)
		return err
	})
}
