package live

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"github.com/9bikes/tocsin/rules"
)

// timeColumns are the names of a column of times, in any case.
var timeColumns = []string{
	"timestamp", "time", "_time", "datetime", "date_time", "date", "last_changed", "last_updated",
}

// timeColumn is the first column of times.
func timeColumn(header []string) (int, bool) {
	for _, known := range timeColumns {
		for i, name := range header {
			if strings.EqualFold(strings.TrimSpace(name), known) {
				return i, true
			}
		}
	}
	return 0, false
}

// separatorOf is what stands between the columns of a table, by its header.
func separatorOf(text []byte) (rune, bool) {
	header := firstLine(text)
	if said, ok := strings.CutPrefix(header, "sep="); ok && len(said) == 1 {
		return rune(said[0]), true
	}
	for _, separator := range ",;\t" {
		r := csv.NewReader(strings.NewReader(header))
		r.Comma, r.LazyQuotes = separator, true
		if columns, err := r.Read(); err == nil {
			if _, ok := timeColumn(columns); ok {
				return separator, true
			}
		}
	}
	return 0, false
}

// firstLine is the first line that is neither empty nor a comment.
func firstLine(text []byte) string {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return string(line)
		}
	}
	return ""
}

// record is one row of a CSV and its line.
type record struct {
	line  int
	cells []string
}

// readRecords reads a CSV. Rows may be of any length.
func readRecords(text []byte, separator rune, comment rune) (out []record, err error) {
	r := csv.NewReader(bytes.NewReader(text))
	r.Comma, r.Comment, r.FieldsPerRecord = separator, comment, -1
	for {
		cells, err := r.Read()
		var broken *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return out, nil
		case errors.As(err, &broken):
			return nil, rules.Errorf(rules.Invalid, "line %d: %v; a value with a quote in it is written \"a \"\"b\"\"\"",
				broken.Line, broken.Err)
		case err != nil:
			return nil, err
		}
		line, _ := r.FieldPos(0)
		out = append(out, record{line, cells})
	}
}

// table is a CSV in memory with what its columns are.
type table struct {
	columns []tableColumn
	at      int // the column of the times
	rows    []record
}

type tableColumn struct {
	name string
	kind columnKind
}

type columnKind uint8

const (
	tagColumn columnKind = iota
	numberColumn
	truthColumn
	textColumn
)

// readTable reads a table whose columns of numbers are fields and whose columns of
// text are tags, unless the rule asks for them otherwise.
func (p *points) readTable(text []byte, separator rune) error {
	t, err := newTable(text, separator)
	switch {
	case err != nil:
		return err
	case t.fromHomeAssistant():
		return p.addStates(t)
	}
	return p.addTable(t)
}

func newTable(text []byte, separator rune) (t table, err error) {
	records, err := readRecords(text, separator, '#')
	if err != nil {
		return t, err
	}
	if len(records) > 0 && strings.HasPrefix(records[0].cells[0], "sep=") {
		records = records[1:]
	}
	if len(records) < 2 {
		return t, rules.Errorf(rules.Invalid, "the file has no rows below its header")
	}
	t.rows = records[1:]
	for _, name := range records[0].cells {
		t.columns = append(t.columns, tableColumn{name: strings.TrimSpace(name)})
	}
	found := false
	if t.at, found = timeColumn(records[0].cells); !found {
		return t, rules.Errorf(rules.Invalid, "the header has no column of times; call it %s",
			strings.Join(timeColumns[:2], " or "))
	}
	return t, t.level()
}

// level makes the rows as long as the header.
func (t *table) level() error {
	for i, row := range t.rows {
		for len(row.cells) > len(t.columns) && strings.TrimSpace(row.cells[len(row.cells)-1]) == "" {
			row.cells = row.cells[:len(row.cells)-1]
		}
		if len(row.cells) > len(t.columns) {
			return rules.Errorf(rules.Invalid, "line %d: has %d cells, and the header %d; put a value with a comma in quotes, "+
				"or part the columns with ;", row.line, len(row.cells), len(t.columns))
		}
		for len(row.cells) < len(t.columns) {
			row.cells = append(row.cells, "")
		}
		t.rows[i].cells = row.cells
	}
	return nil
}

func (p *points) addTable(t table) error {
	if err := p.judgeColumns(&t); err != nil {
		return err
	}
	for _, row := range t.rows {
		f, err := p.begin(t, row)
		if err != nil {
			return err
		}
		for c := range t.columns {
			if c != t.at {
				t.columns[c].put(&f, row.cells[c])
			}
		}
		p.add(f)
	}
	return nil
}

// begin is the point of a row, without what it holds.
func (p *points) begin(t table, row record) (f filed, err error) {
	f = filed{measurement: p.form.Measurement, labels: rules.Labels{}, fields: map[string]lineprotocol.Value{}}
	f.text = row.cells[t.at]
	if f.at, err = p.stamps.read(f.text); err != nil {
		return f, rules.Errorf(rules.Invalid, "line %d: %v", row.line, err)
	}
	return f, nil
}

// judgeColumns decides what the columns are, and notes their names.
func (p *points) judgeColumns(t *table) error {
	for c := range t.columns {
		if c == t.at {
			continue
		}
		if err := p.judge(t, c); err != nil {
			return err
		}
		if name := t.columns[c].name; t.columns[c].kind == tagColumn {
			p.data.Tags = append(p.data.Tags, name)
		} else {
			p.data.Fields = append(p.data.Fields, name)
		}
	}
	if len(p.data.Fields) == 0 {
		return rules.Errorf(rules.Invalid, "the file has no column of numbers; its columns are %s",
			strings.Join(t.names(), ", "))
	}
	return nil
}

func (t *table) names() (out []string) {
	for _, c := range t.columns {
		out = append(out, c.name)
	}
	return out
}

// cells counts what stands in a column, with the last line of each odd kind.
type cells struct {
	numbers, truths, texts  int
	comma, point, lastOther int
}

func (t *table) count(c int) (n cells) {
	for _, row := range t.rows {
		cell := strings.TrimSpace(row.cells[c])
		_, comma, isNumber := readNumber(cell)
		switch {
		case isGap(cell):
		case isNumber:
			n.numbers++
			if comma {
				n.comma = row.line
			} else if strings.Contains(cell, ".") {
				n.point = row.line
			}
		case strings.EqualFold(cell, "true") || strings.EqualFold(cell, "false"):
			n.truths, n.lastOther = n.truths+1, row.line
		default:
			n.texts, n.lastOther = n.texts+1, row.line
		}
	}
	return n
}

// judge decides what a column is.
func (p *points) judge(t *table, c int) error {
	is, n := &t.columns[c], t.count(c)
	onlyNumbers := n.texts == 0 && n.truths == 0 && n.numbers > 0
	switch wanted := slices.Contains(p.form.Fields, is.name); {
	case slices.Contains(p.form.Tags, is.name):
	case onlyNumbers && n.comma > 0 && n.point > 0:
		return rules.Errorf(rules.Invalid, "line %d: the column %s has a decimal comma here, and a point in line %d; "+
			"write all its numbers the same way", n.comma, is.name, n.point)
	case onlyNumbers:
		is.kind = numberColumn
	case !wanted:
	case n.texts == 0 && n.numbers == 0:
		is.kind = truthColumn
	case n.numbers > 0 && !p.form.Text:
		return rules.Errorf(rules.Invalid, "line %d: the column %s holds numbers, and here something else; "+
			"leave the cell empty where there is none", n.lastOther, is.name)
	default:
		is.kind = textColumn
	}
	return nil
}

// put adds a cell to a point.
func (c tableColumn) put(f *filed, cell string) {
	if c.kind == textColumn {
		if v, ok := lineprotocol.StringValue(cell); ok {
			f.fields[c.name] = v
		}
		return
	}
	cell = strings.TrimSpace(cell)
	switch {
	case c.kind == tagColumn && cell != "":
		f.labels[c.name] = cell
	case isGap(cell):
	case c.kind == truthColumn:
		f.fields[c.name] = lineprotocol.BoolValue(strings.EqualFold(cell, "true"))
	case c.kind == numberColumn:
		x, _, _ := readNumber(cell)
		if v, ok := number(x); ok {
			f.fields[c.name] = v
		}
	}
}

// isGap reports whether a cell says that there is no value.
func isGap(cell string) bool {
	switch strings.ToLower(cell) {
	case "", "nan", "null", "nil", "none", "n/a", "na", "-", "unavailable", "unknown":
		return true
	}
	return false
}

// withComma are numbers with a decimal comma, with points between thousands or
// without.
var withComma = regexp.MustCompile(`^[+-]?([0-9]+|[0-9]{1,3}(\.[0-9]{3})+),[0-9]+([eE][+-]?[0-9]+)?$`)

// readNumber reads a number and says whether it has a decimal comma.
func readNumber(cell string) (x float64, comma, ok bool) {
	if withComma.MatchString(cell) {
		cell, comma = strings.Replace(strings.ReplaceAll(cell, ".", ""), ",", ".", 1), true
	}
	x, err := strconv.ParseFloat(cell, 64)
	return x, comma, err == nil
}
