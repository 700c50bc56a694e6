package mysql

import (
	"context"
	"errors"
	"time"

	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/column"
)

// LeaseTime is how long a daemon that was killed, or cut off, keeps others from
// taking its place.
const LeaseTime = 15 * time.Second

// ErrFenced says that another daemon has taken the place of this one, which can
// write nothing any more.
var ErrFenced = errors.New("another daemon has taken over")

// serving is the lease of the one daemon that evaluates and tells.
const serving = "serve"

// The database's clock, in milliseconds.
const clock = `CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)`

// Serve makes this store that of the one daemon that works on the database. From
// then on each commit proves that it still is, and lasts LeaseTime; Renew does
// where nothing is committed. A holder that does not renew its lease any more is
// waited for, one that does is a rules.Conflict. Who has the same name takes over
// at once from what it was before.
func (s *Store) Serve(ctx context.Context, name string) error {
	const look = time.Second
	first := int64(0)
	for {
		other, err := s.take(ctx, name)
		switch {
		case err != nil:
			return err
		case other.until == 0:
			return nil
		case first == 0:
			first = other.until
		case other.until != first:
			return rules.Errorf(rules.Conflict, "the daemon of %s works on the database %s already, and one at a time does: "+
				"end that one first", other.name, s.address)
		}
		if !rules.Sleep(ctx, look) {
			return ctx.Err()
		}
	}
}

// holder is who has the lease, and until when; 0 for nobody.
type holder struct {
	name  string
	token int64
	until int64
}

// take takes the lease, unless another holds it.
func (s *Store) take(ctx context.Context, name string) (other holder, err error) {
	var token int64
	err = s.write(ctx, "take the database's lease", func(ctx context.Context, q querier) error {
		if other, err = holderOf(ctx, q); err != nil || other.until != 0 && other.name != name {
			return errors.Join(err, errNothing)
		}
		token, other.until = other.token+1, 0
		const take = `INSERT INTO leases (name, holder, token, until) VALUES (?, ?, ?, ` + clock + ` + ?)
			ON DUPLICATE KEY UPDATE holder = VALUES(holder), token = VALUES(token), until = VALUES(until)`
		_, err := exec(ctx, q, take, serving, name, token, LeaseTime.Milliseconds())
		return err
	})
	if err == nil && other.until == 0 {
		s.mu.Lock()
		s.lease = token
		s.mu.Unlock()
	}
	return other, err
}

func holderOf(ctx context.Context, q querier) (h holder, err error) {
	const query = `SELECT holder, token, IF(until > ` + clock + `, until, 0) FROM leases WHERE name = ? FOR UPDATE`
	err = each(ctx, q, query, []any{serving}, func(row column.Row) error { return row.Scan(&h.name, &h.token, &h.until) })
	return h, err
}

// Renew keeps the lease; its error is ErrFenced when another has taken it.
func (s *Store) Renew(ctx context.Context) error {
	return s.write(ctx, "renew the database's lease", func(context.Context, querier) error { return nil })
}

// Release gives the lease back, so that another need not wait for its end.
func (s *Store) Release(ctx context.Context) error {
	s.mu.Lock()
	lease := s.lease
	s.lease = 0
	s.mu.Unlock()
	return s.write(ctx, "give the database's lease back", func(ctx context.Context, q querier) error {
		_, err := exec(ctx, q, `UPDATE leases SET until = 0 WHERE name = ? AND token = ?`, serving, lease)
		return err
	})
}

// prove ends a transaction of a daemon that is not the one any more.
func (s *Store) prove(ctx context.Context, q querier) error {
	if s.lease == 0 {
		return nil
	}
	const renew = `UPDATE leases SET until = ` + clock + ` + ? WHERE name = ? AND token = ?`
	n, err := exec(ctx, q, renew, LeaseTime.Milliseconds(), serving, s.lease)
	if err == nil && n == 0 {
		err = ErrFenced
	}
	return err
}
