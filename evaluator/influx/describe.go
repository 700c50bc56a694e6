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
	return c.list(ctx, "SHOW MEASUREMENTS", "name")
}

// Tags lists the tag names of a measurement.
func (c *Client) Tags(ctx context.Context, measurement string) ([]string, error) {
	return c.list(ctx, "SHOW TAG KEYS FROM "+name(measurement), "tagKey")
}

// TagValues lists at most limit values of a tag, in order.
func (c *Client) TagValues(ctx context.Context, measurement, tag string, limit int) ([]string, error) {
	return c.list(ctx, "SHOW TAG VALUES FROM "+name(measurement)+" WITH KEY = "+name(tag)+" LIMIT "+
		strconv.Itoa(max(1, limit)), "value")
}

func (c *Client) list(ctx context.Context, statement, column string) ([]string, error) {
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

func (t *table) answered(int) error { return nil }
