package mysql

import (
	"context"
	"maps"
	"slices"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules/column"
)

// seen is up to where this store knows what was committed: rows of revisions.
type seen struct{ ledgers, silences, channels int64 }

// moved is what others committed and Moved has not told yet.
type moved struct{ ledgers map[string]bool }

func newMoved() moved { return moved{ledgers: map[string]bool{}} }

// look reads how far the database is.
func (s *Store) look(ctx context.Context) (at seen, err error) {
	err = s.read(ctx, "look for changes", func(q querier) error {
		return each(ctx, q, `SELECT subject, revision FROM revisions`, nil, func(row column.Row) error {
			var subject string
			var revision int64
			if err := row.Scan(&subject, &revision); err != nil {
				return err
			}
			switch subject {
			case "ledgers":
				at.ledgers = revision
			case "silences":
				at.silences = revision
			case "channels":
				at.channels = revision
			}
			return nil
		})
	})
	return at, err
}

// ledgersMoved lists the ledgers that were committed after one revision, up to
// another; one that moved beyond that is found the next time.
func ledgersMoved(ctx context.Context, q querier, after, upTo int64) (ids []string, err error) {
	const query = `SELECT rule_id FROM ledgers WHERE revision > ? AND revision <= ?`
	err = each(ctx, q, query, []any{after, upTo}, func(row column.Row) error {
		ids = append(ids, "")
		return row.Scan(&ids[len(ids)-1])
	})
	return ids, err
}

// Moved returns what others committed since it was last called, and what this
// store committed by other methods than Save.
func (s *Store) Moved(ctx context.Context) (evaluator.Moved, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, err := s.look(ctx)
	if err != nil {
		return evaluator.Moved{}, err
	}
	if at.ledgers != s.seen.ledgers {
		var ids []string
		err := s.read(ctx, "look for changed ledgers", func(q querier) (err error) {
			ids, err = ledgersMoved(ctx, q, s.seen.ledgers, at.ledgers)
			return err
		})
		if err != nil {
			return evaluator.Moved{}, err
		}
		s.moved.note(ids)
	}
	out := evaluator.Moved{
		Ledgers:  slices.Sorted(maps.Keys(s.moved.ledgers)),
		Silences: at.silences != s.seen.silences, Channels: at.channels != s.seen.channels,
	}
	s.seen, s.moved = at, newMoved()
	return out, nil
}

func (m *moved) note(ids []string) {
	for _, id := range ids {
		m.ledgers[id] = true
	}
}
