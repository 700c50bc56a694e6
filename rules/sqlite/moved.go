package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"github.com/9bikes/tocsin/evaluator"

	"github.com/9bikes/tocsin/rules/column"
)

// seen is up to where this store knows what was committed.
type seen struct {
	data                                int64 // PRAGMA data_version of the pinned connection
	ledgers, silences, channels, tokens int64 // rows of revisions
}

// moved is what others committed and Moved has not told yet.
type moved struct {
	ledgers            map[string]bool
	silences, channels bool
}

func newMoved() moved { return moved{ledgers: map[string]bool{}} }

// look reads how far the database is.
func (p *pinned) look(ctx context.Context) (seen, error) {
	// Read first: what is committed in between is then seen the next time.
	data, err := p.number(ctx, `PRAGMA data_version`)
	if err != nil {
		return seen{}, err
	}
	at, err := look(ctx, p)
	at.data = data
	return at, err
}

// look reads the revisions.
func look(ctx context.Context, q querier) (at seen, err error) {
	err = each(ctx, q, `SELECT subject, revision FROM revisions`, nil, func(rows column.Row) error {
		var subject string
		var revision int64
		if err := rows.Scan(&subject, &revision); err != nil {
			return err
		}
		switch subject {
		case "ledgers":
			at.ledgers = revision
		case "silences":
			at.silences = revision
		case "channels":
			at.channels = revision
		case "tokens":
			at.tokens = revision
		}
		return nil
	})
	return at, err
}

// follow notes what others have committed since the last time. It is called
// with the lock held, inside the transaction when there is one, and before
// this store commits something itself, so that its own acts are not noted.
func (s *Store) follow(ctx context.Context) error {
	data, err := s.pinned.number(ctx, `PRAGMA data_version`)
	if err != nil || data == s.seen.data {
		return err
	}
	at, err := s.pinned.look(ctx)
	if err != nil {
		return err
	}
	if at.ledgers != s.seen.ledgers {
		if err := s.noteLedgers(ctx); err != nil {
			return err
		}
	}
	s.moved.silences = s.moved.silences || at.silences != s.seen.silences
	s.moved.channels = s.moved.channels || at.channels != s.seen.channels
	s.seen = at
	return nil
}

func (s *Store) noteLedgers(ctx context.Context) error {
	rows, err := s.pinned.QueryContext(ctx, `SELECT rule_id FROM ledgers WHERE revision > ?`, s.seen.ledgers)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return err
		}
		s.moved.ledgers[id] = true
	}
	return rows.Err()
}

// Moved returns what others committed since it was last called, and what this
// store committed by other methods than Save.
func (s *Store) Moved(ctx context.Context) (evaluator.Moved, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pinned == nil {
		return evaluator.Moved{}, fmt.Errorf("look for changes: %w", sql.ErrConnDone)
	}
	if err := s.follow(ctx); err != nil {
		return evaluator.Moved{}, s.fault("look for changes", err)
	}
	out := evaluator.Moved{
		Ledgers:  slices.Sorted(maps.Keys(s.moved.ledgers)),
		Silences: s.moved.silences, Channels: s.moved.channels,
	}
	s.moved = newMoved()
	return out, nil
}
