package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/9bikes/tocsin/rules"
)

// pinned is the one connection that writes, with its prepared statements. It
// stays the same as long as the store is open, because PRAGMA data_version
// tells of the commits of all connections but the one that asks.
type pinned struct {
	conn       *sql.Conn
	statements map[string]*sql.Stmt
}

func (p *pinned) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt := p.statements[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := p.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	p.statements[query] = stmt
	return stmt, nil
}

func (p *pinned) exec(ctx context.Context, query string, args ...any) (rows int64, err error) {
	stmt, err := p.prepare(ctx, query)
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// QueryContext makes pinned a querier.
func (p *pinned) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := p.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

func (p *pinned) number(ctx context.Context, query string, args ...any) (n int64, err error) {
	stmt, err := p.prepare(ctx, query)
	if err != nil {
		return 0, err
	}
	err = stmt.QueryRowContext(ctx, args...).Scan(&n)
	return n, err
}

// transact runs act in a transaction. Once it has the lock it does not heed
// the end of ctx: it is short, and a statement that is interrupted would take
// the whole transaction with it.
func (p *pinned) transact(ctx context.Context, act func(ctx context.Context) error) (err error) {
	if _, err := p.exec(ctx, `BEGIN IMMEDIATE`); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	committed := false
	defer func() {
		if !committed { // also after a panic of act
			_, _ = p.exec(ctx, `ROLLBACK`)
		}
	}()
	if err := act(ctx); err != nil {
		return err
	}
	if _, err := p.exec(ctx, `COMMIT`); err != nil {
		return err
	}
	committed = true
	return nil
}

// bump counts a commit that touches a subject, and returns its number.
func (p *pinned) bump(ctx context.Context, subject string) (int64, error) {
	return p.number(ctx, `UPDATE revisions SET revision = revision + 1 WHERE subject = ? RETURNING revision`, subject)
}

// tryWrite reports whether the database could be written, without doing so.
func (p *pinned) tryWrite(ctx context.Context) error {
	errDry := errors.New("only tried")
	err := p.transact(ctx, func(ctx context.Context) error {
		// On a read-only file BEGIN IMMEDIATE succeeds, this does not.
		if _, err := p.exec(ctx, `DELETE FROM revisions WHERE subject = 'none'`); err != nil {
			return err
		}
		return errDry
	})
	if errors.Is(err, errDry) {
		return nil
	}
	return err
}

func (p *pinned) close() error {
	var errs []error
	for _, stmt := range p.statements {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, p.conn.Close())...)
}

// write runs act in a transaction on the pinned connection.
func (s *Store) write(ctx context.Context, name string, act func(ctx context.Context, p *pinned) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil {
		return err
	}
	if err := s.pinned.transact(ctx, func(ctx context.Context) error { return act(ctx, s.pinned) }); err != nil {
		return s.fault(name, err)
	}
	s.kept.stale = true
	_ = s.remember(ctx) // this is committed; Check tries again, and says what is wrong
	return nil
}

// writable is called with the lock held.
func (s *Store) writable() error {
	if s.pinned == nil {
		return fmt.Errorf("write: %w", sql.ErrConnDone)
	}
	if s.options.ReadOnly {
		return rules.Errorf(rules.Unavailable,
			"the database %s was opened for reading only; ask the daemon to make the change", s.path)
	}
	return nil
}
