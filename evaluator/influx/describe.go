package influx

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/9bikes/tocsin/rules"
)

// Measurements lists the measurements of the database.
func (c *Client) Measurements(ctx context.Context) ([]string, error) {
	database, policy, err := c.mapped(ctx)
	switch {
	case err != nil:
		return nil, err
	case policy != "":
		return c.list(ctx, "SHOW MEASUREMENTS ON "+name(database)+"."+name(policy), "name")
	}
	return c.list(ctx, "SHOW MEASUREMENTS", "name")
}

// Tags lists the tag names of a measurement.
func (c *Client) Tags(ctx context.Context, measurement string) ([]string, error) {
	_, policy, err := c.mapped(ctx)
	switch {
	case err != nil:
		return nil, err
	case policy != "":
		return c.fromSeries(ctx, policy, measurement, func(tag, _ string) string { return tag })
	}
	return c.list(ctx, "SHOW TAG KEYS FROM "+name(measurement), "tagKey")
}

// TagValues lists at most limit values of a tag, in order.
func (c *Client) TagValues(ctx context.Context, measurement, tag string, limit int) ([]string, error) {
	limit = max(1, limit)
	_, policy, err := c.mapped(ctx)
	switch {
	case err != nil:
		return nil, err
	case policy == "":
		return c.list(ctx, "SHOW TAG VALUES FROM "+name(measurement)+" WITH KEY = "+name(tag)+" LIMIT "+
			strconv.Itoa(limit), "value")
	}
	found, err := c.fromSeries(ctx, policy, measurement, func(key, value string) string {
		if key == tag {
			return value
		}
		return ""
	})
	return found[:min(len(found), limit)], err
}

// mapped returns the retention policy that statements about the schema have to
// name: InfluxDB 2 answers most of them for the default one, whatever else is
// asked for. Empty where there is no need.
func (c *Client) mapped(ctx context.Context) (database, policy string, err error) {
	database, policy, err = c.place(ctx)
	if err != nil || policy == "" {
		return database, "", err
	}
	if major, err := c.version(ctx); err != nil || major != "2" {
		return database, "", err
	}
	return database, policy, nil
}

// fromSeries lists what pick finds in the tags of the series of a measurement,
// for InfluxDB 2, which tells those of any retention policy.
func (c *Client) fromSeries(ctx context.Context, policy, measurement string,
	pick func(tag, value string) string,
) ([]string, error) {
	keys, err := c.list(ctx, "SHOW SERIES FROM "+name(policy)+"."+name(measurement), "key")
	var out []string
	for _, key := range keys {
		for _, pair := range splitKey(key, ',')[1:] {
			tag := splitKey(pair, '=')
			if found := pick(bare(tag[0]), bare(strings.Join(tag[1:], "="))); found != "" {
				out = append(out, found)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out), err
}

// splitKey cuts the key of a series where the byte is not escaped.
func splitKey(key string, at byte) (out []string) {
	begin := 0
	for i := 0; i < len(key); i++ {
		switch key[i] {
		case '\\':
			i++
		case at:
			out = append(out, key[begin:i])
			begin = i + 1
		}
	}
	return append(out, key[begin:])
}

// bare takes the escapes out of a part of the key of a series.
var bare = strings.NewReplacer(`\,`, `,`, `\=`, `=`, `\ `, ` `).Replace

// list returns one column of text. That there is nothing is not believed before
// the database is known to be readable.
func (c *Client) list(ctx context.Context, statement, column string) ([]string, error) {
	found, err := c.column(ctx, statement, column)
	if err == nil && len(found) == 0 {
		err = c.prove(ctx)
	}
	return found, err
}

func (c *Client) column(ctx context.Context, statement, column string) ([]string, error) {
	found, err := c.show(ctx, []string{statement}, column)
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, len(found[0]))
	for _, row := range found[0] {
		out = append(out, row[0])
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// show runs statements about the schema and returns, for each, rows of the
// columns asked for.
func (c *Client) show(ctx context.Context, statements []string, columns ...string) ([][][]string, error) {
	var t table
	said, err := c.receive(ctx, []byte(strings.Join(statements, ";")), asJSON, func() receiver {
		t = table{wanted: columns, rows: make([][][]string, len(statements))}
		return &t
	})
	switch {
	case err != nil:
		return nil, err
	case said+t.refused != "":
		return nil, c.statementError(said + t.refused)
	case t.done < len(statements):
		return nil, c.with("", "what answers at %s is not InfluxDB, or leaves the question out; check host, port and path "+
			"of url", c.base.String())
	}
	return t.rows, nil
}

// receive sends one request by itself and hands the answer to a receiver, which
// is made anew when it is asked for once more, in chunks: one that is called
// partial may be whole. It returns what the server says against the whole request.
func (c *Client) receive(ctx context.Context, text []byte, accept string, begin func() receiver) (said string,
	err error,
) {
	for _, chunked := range []bool{c.longWhole.Load(), true} {
		to := &doubtful{receiver: begin()}
		if said, err = c.once(ctx, text, form{accept, chunked}, to); err != nil || chunked || !to.cut {
			break
		}
		c.longWhole.Store(true)
	}
	return said, err
}

// doubtful is a receiver that notes whether anything was called partial.
type doubtful struct {
	receiver
	cut bool
}

func (d *doubtful) failed(statement int, text string) error {
	d.cut = d.cut || text == partialText
	return d.receiver.failed(statement, text)
}

func (c *Client) once(ctx context.Context, text []byte, as form, to receiver) (said string, err error) {
	if err := c.enter(ctx); err != nil {
		return "", err
	}
	defer c.leave()
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	resp, err := c.post(ctx, text, as)
	if err != nil {
		return "", err
	}
	body := &limited{resp.Body, c.options.MaxAnswer}
	if isPack(resp.Header.Get("Content-Type")) {
		said, err = unpack(body, c.options.MaxAnswer, as.chunked, to)
	} else {
		var d decoder
		said, err = d.decode(body, c.options.MaxAnswer, as.chunked, to)
	}
	if err != nil {
		c.relieve(c.options.MaxAnswer - body.left)
	}
	if closeErr := resp.Body.Close(); err == nil {
		err = closeErr
	}
	if err != nil && rules.CodeOf(err) != rules.Invalid { // what to refuses is about the query
		err = c.unavailable(fmt.Errorf("read the answer: %w", err))
	}
	return said, err
}

// seriesName asks a table for the name of the series that a row is in.
const (
	seriesName = ""
	notAColumn = -1
)

// table is a receiver that keeps some columns of text.
type table struct {
	wanted  []string
	name    string
	at      []int
	rows    [][][]string
	count   int
	done    int // statements
	refused string
}

var _ receiver = (*table)(nil)

func (t *table) begin(statement int, name, _, columns []byte) error {
	if statement >= len(t.rows) {
		return fmt.Errorf("the answer has a statement %d, asked were %d", statement, len(t.rows))
	}
	t.name = ""
	if len(name) > 0 {
		if err := json.Unmarshal(name, &t.name); err != nil {
			return fmt.Errorf("read the name of a series: %w", err)
		}
	}
	var names []string
	if err := json.Unmarshal(columns, &names); err != nil {
		return fmt.Errorf("read the names of the columns: %w", err)
	}
	t.at = t.at[:0]
	for _, want := range t.wanted {
		i := slices.Index(names, want)
		if want == seriesName {
			i = notAColumn
		} else if i < 0 {
			return fmt.Errorf("the answer has no column %s", want)
		}
		t.at = append(t.at, i)
	}
	return nil
}

func (t *table) row(statement int, cells []cell) error {
	row := make([]string, len(t.at))
	for i, at := range t.at {
		if at == notAColumn {
			row[i] = t.name
			continue
		}
		if at >= len(cells) {
			return fmt.Errorf("a row has %d columns, too few", len(cells))
		}
		row[i] = string(cells[at].text)
	}
	if t.count++; t.count > mostTable {
		return errTooLarge
	}
	t.rows[statement] = append(t.rows[statement], row)
	return nil
}

func (t *table) failed(_ int, text string) error {
	t.refused = text
	return nil
}

func (t *table) answered(int) error {
	t.done++
	return nil
}
