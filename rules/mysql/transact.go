package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/column"
)

// querier is a transaction or a connection.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// each calls scan for every row of a query.
func each(ctx context.Context, q querier, query string, args []any, scan func(column.Row) error) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// number returns the one number of a query, 0 where it has no row.
func number(ctx context.Context, q querier, query string, args ...any) (n int64, err error) {
	err = each(ctx, q, query, args, func(row column.Row) error { return row.Scan(&n) })
	return n, err
}

func exec(ctx context.Context, q querier, query string, args ...any) (rows int64, err error) {
	result, err := q.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// How long an act is tried again: what others are in the way of passes soon, a
// server that does not answer may not.
const (
	busyPatience = 15 * time.Second
	lostPatience = 2 * time.Second
)

// retry repeats act while its error is one that passes.
func (s *Store) retry(ctx context.Context, act func() error) error {
	began, patience := time.Now(), lostPatience
	if err, known := s.away.state(began); err != nil {
		return err
	} else if known {
		patience = 0
	}
	for try := 0; ; try++ {
		err := act()
		wait := min(5*time.Millisecond<<min(try, 10), 500*time.Millisecond)
		wait = wait/2 + rand.N(wait)
		switch spent := time.Since(began) + wait; {
		case err != nil && ctx.Err() != nil:
			return err
		case lostAgainst(err) && spent < busyPatience && rules.Sleep(ctx, wait):
		case cutOff(err) && spent < patience && rules.Sleep(ctx, wait):
		default:
			s.away.note(err, began)
			return err
		}
	}
}

// away knows whether the server was away a moment ago. While it is, nobody waits
// for it again and again: what is in memory goes on.
type away struct {
	mu    sync.Mutex
	err   error // of the last act, where the server did not answer it
	until time.Time
}

// state is the error of an act that is not tried now, and whether the server was
// away the last time.
func (a *away) state(now time.Time) (err error, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Before(a.until) {
		return a.err, true
	}
	return nil, a.err != nil
}

// note remembers how an act ended. One that took long is not tried again soon.
func (a *away) note(err error, began time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !cutOff(err) {
		a.err, a.until = nil, time.Time{}
		return
	}
	now := time.Now()
	a.err, a.until = err, now.Add(max(time.Second, 2*now.Sub(began)))
}

// read runs act on one state of the database. It may be called again, and what
// it gathers begins anew each time.
func (s *Store) read(ctx context.Context, name string, act func(q querier) error) error {
	return s.fault(name, s.retry(ctx, func() error {
		tx, err := s.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }()
		return act(tx)
	}))
}

// errNothing ends a transaction that turned out to have nothing to write.
var errNothing = errors.New("nothing to write")

// write runs act in a transaction, as one writer of this process. It may be
// called again, after all that it did was undone.
func (s *Store) write(ctx context.Context, name string, act func(ctx context.Context, q querier) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.transact(ctx, act); err != nil && !errors.Is(err, errNothing) {
		return s.fault(name, err)
	}
	return nil
}

// transact is write with the lock held. A transaction that began does not heed
// the end of ctx, since whether a commit that was left alone has happened would
// have to be found out. Each of its statements has its time, and all of them no
// other bound: a storm may take long.
func (s *Store) transact(ctx context.Context, act func(ctx context.Context, q querier) error) error {
	return s.retry(ctx, func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		once := context.WithoutCancel(ctx)
		tx, err := s.writers.BeginTx(once, nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // also after a panic of act
		if err := act(once, tx); err != nil {
			return err
		}
		return s.commit(once, tx)
	})
}

// commit commits under a number by which its outcome can be found where the
// answer is lost.
func (s *Store) commit(ctx context.Context, tx *sql.Tx) error {
	if err := s.prove(ctx, tx); err != nil {
		return err
	}
	s.commits++
	const mark = `INSERT INTO writers (id, commits, fence, at) VALUES (?, ?, 0, ?)
		ON DUPLICATE KEY UPDATE commits = VALUES(commits), at = VALUES(at)`
	if _, err := exec(ctx, tx, mark, s.id, s.commits, time.Now().UnixMilli()); err != nil {
		return err
	}
	err := tx.Commit()
	if err == nil || lostAgainst(err) {
		return err
	}
	done, asked := s.outcome(ctx)
	switch {
	case asked != nil:
		return fmt.Errorf("it is not known whether it was saved: %w", errors.Join(asked, err))
	case done:
		return nil
	}
	return err
}

// outcome reports whether the last commit was done, of which no answer came. It
// fences this writer first, on the row that each of its transactions writes: one
// that is still under way has ended when that is done, here or on another node of
// a cluster, or can never be committed.
func (s *Store) outcome(ctx context.Context) (done bool, err error) {
	err = s.retry(ctx, func() error {
		tx, err := s.writers.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }()
		const fence = `INSERT INTO writers (id, commits, fence, at) VALUES (?, 0, 1, ?)
			ON DUPLICATE KEY UPDATE fence = fence + 1`
		if _, err := exec(ctx, tx, fence, s.id, time.Now().UnixMilli()); err != nil {
			return err
		}
		last, err := number(ctx, tx, `SELECT commits FROM writers WHERE id = ?`, s.id)
		if err != nil {
			return err
		}
		done = last == s.commits
		return tx.Commit()
	})
	return done, err
}

// bump counts a commit that touches a subject, and returns its number. Who comes
// second waits here until the first is done.
func bump(ctx context.Context, q querier, subject string, by int) (int64, error) {
	const count = `UPDATE revisions SET revision = LAST_INSERT_ID(revision + ?) WHERE subject = ?`
	result, err := q.ExecContext(ctx, count, by, subject)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}
