package influx3

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// Measurements lists the tables that hold points, in order.
func (c *Client) Measurements(ctx context.Context) ([]string, error) {
	var out []string
	err := c.list(ctx, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'iox' ORDER BY table_name",
		func(row []string) { out = append(out, row[0]) })
	return out, err
}

// Fields lists the fields of a measurement with their types.
func (c *Client) Fields(ctx context.Context, measurement string) (map[string]string, error) {
	known, err := c.learn(ctx, measurement)
	if err != nil {
		return nil, err
	}
	fields := map[string]string{}
	for _, name := range known.fields() {
		fields[name] = known[name]
	}
	return fields, nil
}

// Tags lists the tag names of a measurement, in order.
func (c *Client) Tags(ctx context.Context, measurement string) ([]string, error) {
	known, err := c.learn(ctx, measurement)
	if err != nil {
		return nil, err
	}
	return known.tags(), nil
}

// TagValues lists at most limit values of a tag, in order. InfluxDB 3 Core
// refuses to look through more than some days of files: then the last day has
// to do.
func (c *Client) TagValues(ctx context.Context, measurement, tag string, limit int) ([]string, error) {
	known, err := c.learn(ctx, measurement)
	if err != nil || known[tag] != kindTag {
		return nil, err
	}
	values, err := c.tagValues(ctx, measurement, tag, "", limit)
	if rules.CodeOf(err) == rules.Invalid {
		return c.tagValues(ctx, measurement, tag, " AND time > now() - INTERVAL '1 day'", limit)
	}
	return values, err
}

func (c *Client) tagValues(ctx context.Context, measurement, tag, recent string, limit int) ([]string, error) {
	var out []string
	sql := fmt.Sprintf("SELECT DISTINCT %[1]s FROM %[2]s WHERE %[1]s IS NOT NULL%[3]s ORDER BY %[1]s LIMIT %[4]d",
		quoted(tag), quoted(measurement), recent, limit)
	err := c.list(ctx, sql, func(row []string) { out = append(out, row[0]) })
	return out, err
}

// The kinds of columns that are no fields.
const (
	kindTag  = "tag"
	kindTime = "time"
)

// kindsLast is how long the columns of a measurement are believed. A wrong
// belief mostly makes a statement fail, and then they are asked for at once.
const kindsLast = 2 * time.Minute

// kinds maps the columns of a measurement to what they are: kindTag, kindTime
// or the type of a field.
type kinds map[string]string

// tags lists the tags in order.
func (k kinds) tags() []string {
	return k.only(func(kind string) bool { return kind == kindTag })
}

// fields lists the fields in order.
func (k kinds) fields() []string {
	return k.only(func(kind string) bool { return kind != kindTag && kind != kindTime })
}

func (k kinds) only(want func(kind string) bool) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(k)) {
		if want(k[name]) {
			names = append(names, name)
		}
	}
	return names
}

// missing returns the names in a query that its measurement does not have: all
// of them when there is no such measurement.
func (k kinds) missing(q evaluator.Query) map[string]bool {
	missing := map[string]bool{}
	note := func(name string) {
		if k[name] == "" {
			missing[name] = true
		}
	}
	for _, column := range q.Columns {
		if column.Field != "" || len(k) == 0 {
			note(column.Field)
		}
	}
	for _, tag := range q.GroupBy {
		note(tag)
	}
	for tag := range q.Where {
		note(tag)
	}
	return missing
}

// knownKinds are the columns of a measurement as they were at a time.
type knownKinds struct {
	kinds kinds
	at    time.Time
}

// believed returns what is remembered of a measurement, and whether it is
// still fresh.
func (c *Client) believed(measurement string) (known kinds, fresh bool) {
	c.schema.Lock()
	defer c.schema.Unlock()
	have, ok := c.known[measurement]
	return have.kinds, ok && time.Since(have.at) < kindsLast
}

// learn asks for the columns of a measurement and remembers them. There are
// none, and nothing is remembered, when there is no such measurement.
func (c *Client) learn(ctx context.Context, measurement string) (kinds, error) {
	known := kinds{}
	sql := "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'iox' AND table_name = " +
		literal(measurement)
	if err := c.list(ctx, sql, func(row []string) { known[row[0]] = kindOf(row[1]) }); err != nil {
		return nil, err
	}
	c.schema.Lock()
	defer c.schema.Unlock()
	delete(c.known, measurement)
	if len(known) > 0 {
		c.known[measurement] = knownKinds{known, time.Now()}
	}
	return known, nil
}

// kindOf reads a type as the server writes it. Only tags are dictionaries.
func kindOf(dataType string) string {
	switch {
	case strings.HasPrefix(dataType, "Dictionary("):
		return kindTag
	case strings.HasPrefix(dataType, "Timestamp("):
		return kindTime
	case strings.HasPrefix(dataType, "Int"), strings.HasPrefix(dataType, "UInt"):
		return "integer"
	case strings.HasPrefix(dataType, "Float"):
		return "float"
	case dataType == "Boolean":
		return "boolean"
	}
	return "string"
}

// list asks a statement whose columns are texts and hands over its rows.
func (c *Client) list(ctx context.Context, sql string, each func(row []string)) error {
	var rows [][]string
	err := c.ask(ctx, sql, func(batch arrow.RecordBatch) error {
		for i := range int(batch.NumRows()) {
			row := make([]string, batch.NumCols())
			for n, column := range batch.Columns() {
				row[n] = strings.Clone(text(column, i))
			}
			rows = append(rows, row)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("describe InfluxDB 3: %w", err)
	}
	for _, row := range rows {
		each(row)
	}
	return nil
}
