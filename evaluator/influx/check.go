package influx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/9bikes/tocsin/rules"
)

// proof is a question that no point answers. That a server answers a ping, or a
// SHOW with nothing, proves nothing: InfluxDB 2 does so for a database that does
// not exist or may not be read.
const proof = `SELECT "tocsin" FROM "tocsin" WHERE time = 0`

// Ping asks what a rule would ask, and returns what answers: "InfluxDB 1.8.10",
// or "InfluxDB" when it does not tell.
func (c *Client) Ping(ctx context.Context) (string, error) {
	version, err := c.askVersion(ctx)
	if err == nil {
		err = c.prove(ctx)
	}
	if err != nil {
		return "", err
	}
	return strings.TrimSpace("InfluxDB " + version), nil
}

// prove makes sure that the database can be read.
func (c *Client) prove(ctx context.Context) error {
	_, err := c.show(ctx, []string{proof})
	if absent := (notThere{}); errors.As(err, &absent) {
		return c.suggest(ctx, absent)
	}
	return err
}

// suggest tells, beside what is not there, what is.
func (c *Client) suggest(ctx context.Context, n notThere) error {
	database, retention, err := c.place(ctx)
	if err != nil {
		return err
	}
	if n.retention {
		known, err := c.column(ctx, "SHOW RETENTION POLICIES ON "+name(database), "name")
		if err != nil || len(known) == 0 {
			return n
		}
		return c.with(n.said, "InfluxDB at %s has no retention policy %q in database %q; set retention of the source to %s",
			c.base.String(), retention, database, choice(retention, known))
	}
	known, err := c.column(ctx, "SHOW DATABASES", "name")
	if err != nil {
		return n
	}
	known = slices.DeleteFunc(known, func(name string) bool { return name == "_internal" })
	where, mapping := "", ""
	if bucket, policy, slash := strings.Cut(c.options.Database, "/"); slash {
		where = fmt.Sprintf("; for the bucket %s of InfluxDB 2 write database: %s and retention: %s", c.options.Database,
			bucket, policy)
	}
	c.mu.Lock()
	if c.major != "1" {
		mapping = "; a bucket of that name has to be readable for this token and, in early versions of InfluxDB 2, " +
			"needs a DBRP mapping (influx v1 dbrp create)"
	}
	c.mu.Unlock()
	if len(known) == 0 {
		return c.with(n.said, "InfluxDB at %s has no database %q that this login may read, and no other: give it a token or "+
			"login with read access%s%s", c.base.String(), database, where, mapping)
	}
	return c.with(n.said, "InfluxDB at %s has no database %q that this login may read; set database of the source to "+
		"%s%s%s", c.base.String(), database, choice(database, known), where, mapping)
}

// choice lists what there is, the nearest alone where something is near.
func choice(name string, known []string) string {
	if near := rules.Nearest(name, known); len(near) > 0 {
		known = near
	}
	if more := len(known) - 12; more > 0 {
		return fmt.Sprintf("%s or one of %d more", strings.Join(known[:12], ", "), more)
	}
	return strings.Join(known, " or ")
}

// place is the database and the retention policy that are asked. The bucket
// home/telegraf of InfluxDB 2 is the retention policy telegraf of home.
func (c *Client) place(ctx context.Context) (database, retention string, err error) {
	database, retention = c.options.Database, c.options.Retention
	before, after, slash := strings.Cut(database, "/")
	if !slash || retention != "" || before == "" || after == "" {
		return database, retention, nil
	}
	major, err := c.version(ctx)
	if major == "2" {
		return before, after, err
	}
	return database, "", err
}
