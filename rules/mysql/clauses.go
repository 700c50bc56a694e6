package mysql

import (
	"context"
	"strings"
)

// clauses are the conditions of a list and their arguments.
type clauses struct {
	terms []string
	args  []any
}

func (c *clauses) add(term string, args ...any) {
	c.terms, c.args = append(c.terms, term), append(c.args, args...)
}

// equal adds a condition unless the value is "", which is any.
func (c *clauses) equal(column, value string) {
	if value != "" {
		c.add(column+` = ?`, value)
	}
}

func (c *clauses) String() string {
	if len(c.terms) == 0 {
		return ""
	}
	return ` WHERE ` + strings.Join(c.terms, ` AND `)
}

// limit is a Limit as MySQL wants it: 0 of ours is all.
func limit(n int) uint64 {
	if n <= 0 {
		return 1 << 62
	}
	return uint64(n)
}

// count returns the one number of a query.
func count(ctx context.Context, q querier, query string, args []any) (int, error) {
	n, err := number(ctx, q, query, args...)
	return int(n), err
}
