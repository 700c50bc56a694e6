package live

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// mostData bounds the points of a data file.
const mostData = 50_000_000

// ReadData reads a CSV or line-protocol file into a source of its own. In a
// CSV the column timestamp or time is the time, columns of numbers are fields,
// columns of text are tags, and all of it belongs to the given measurement.
// Unix times count precision; where that is zero it is recognised.
func ReadData(r io.Reader, measurement string, precision time.Duration) (*evaluator.Data, error) {
	stamps := stamps{unit: precision, given: precision > 0}
	in := bufio.NewReaderSize(r, 64<<10)
	head, err := in.Peek(4096)
	if err != nil && !errors.Is(err, io.EOF) && len(head) == 0 {
		return nil, fmt.Errorf("read the data: %w", err)
	}
	line, _, _ := strings.Cut(string(head), "\n")
	if _, ok := timeColumn(strings.Split(strings.TrimSpace(line), ",")); ok {
		return readCSV(in, measurement, &stamps)
	}
	return readLines(in, &stamps)
}

func timeColumn(header []string) (int, bool) {
	for i, name := range header {
		switch strings.ToLower(strings.Trim(name, "\" \ufeff")) {
		case "timestamp", "time", "_time":
			return i, true
		}
	}
	return 0, false
}

// table is a CSV in memory with what its columns are.
type table struct {
	header []string
	at     int
	rows   [][]string
	number []bool
}

func readCSV(r io.Reader, measurement string, stamps *stamps) (*evaluator.Data, error) {
	reader := csv.NewReader(r)
	reader.Comment = '#'
	all, err := reader.ReadAll()
	if err != nil {
		return nil, rules.Errorf(rules.Invalid, "the file is not a CSV: %v", err)
	}
	if len(all) < 2 {
		return nil, rules.Errorf(rules.Invalid, "the CSV has no rows below its header")
	}
	t := table{header: all[0], rows: all[1:]}
	for i := range t.header {
		t.header[i] = strings.Trim(t.header[i], " \ufeff")
	}
	t.at, _ = timeColumn(t.header)
	t.number = make([]bool, len(t.header))
	for c := range t.header {
		t.number[c] = c != t.at && t.isNumber(c)
	}
	return t.load(measurement, stamps)
}

// isNumber reports whether every cell of a column is a number or empty.
func (t *table) isNumber(column int) bool {
	seen := false
	for _, row := range t.rows {
		if row[column] == "" {
			continue
		}
		if _, err := strconv.ParseFloat(row[column], 64); err != nil {
			return false
		}
		seen = true
	}
	return seen
}

// load writes the table into a store.
func (t *table) load(measurement string, stamps *stamps) (*evaluator.Data, error) {
	d := &evaluator.Data{}
	for c, name := range t.header {
		switch {
		case c == t.at:
		case t.number[c]:
			d.Fields = append(d.Fields, name)
		default:
			d.Tags = append(d.Tags, name)
		}
	}
	if len(d.Fields) == 0 {
		return nil, rules.Errorf(rules.Invalid, "the CSV has no column of numbers; its columns are %s",
			strings.Join(t.header, ", "))
	}
	var encoder lineprotocol.Encoder
	encoder.SetPrecision(lineprotocol.Nanosecond)
	encoder.SetLax(true)
	for n, row := range t.rows {
		at, err := stamps.read(row[t.at])
		if err != nil {
			return nil, rules.Errorf(rules.Invalid, "line %d: %v", n+2, err)
		}
		if !t.hasValue(row) {
			continue // a gap
		}
		labels := rules.Labels{}
		encoder.StartLine(measurement)
		for _, c := range t.sortedTags() {
			if row[c] != "" {
				labels[t.header[c]] = row[c]
				encoder.AddTag(t.header[c], row[c])
			}
		}
		t.addFields(&encoder, row)
		encoder.EndLine(at)
		d.Rows = append(d.Rows, evaluator.DataRow{Text: row[t.at], At: at, Labels: labels})
	}
	if err := encoder.Err(); err != nil {
		return nil, rules.Errorf(rules.Invalid, "the CSV cannot be read: %v", err)
	}
	return d, fill(d, encoder.Bytes(), time.Nanosecond)
}

func (t *table) sortedTags() (out []int) {
	for c := range t.header {
		if c != t.at && !t.number[c] {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b int) int { return strings.Compare(t.header[a], t.header[b]) })
	return out
}

func (t *table) addFields(encoder *lineprotocol.Encoder, row []string) {
	for c := range t.header {
		if x, ok := t.value(row, c); ok {
			encoder.AddField(t.header[c], lineprotocol.MustNewValue(x))
		}
	}
}

// value is the number in a cell; NaN is one that is missing.
func (t *table) value(row []string, column int) (float64, bool) {
	if !t.number[column] {
		return 0, false
	}
	x, err := strconv.ParseFloat(row[column], 64)
	return x, err == nil && !math.IsNaN(x) && !math.IsInf(x, 0)
}

func (t *table) hasValue(row []string) bool {
	for c := range t.header {
		if _, ok := t.value(row, c); ok {
			return true
		}
	}
	return false
}

// fill sorts the rows and puts the points into a store that forgets nothing.
func fill(d *evaluator.Data, lines []byte, precision time.Duration) error {
	slices.SortStableFunc(d.Rows, func(a, b evaluator.DataRow) int { return a.At.Compare(b.At) })
	if len(d.Rows) == 0 {
		return rules.Errorf(rules.Invalid, "the file has no points")
	}
	store := New(Options{Retention: math.MaxInt64, MaxSeries: 1_000_000, MaxPoints: mostData})
	d.Source = store
	end := d.Rows[len(d.Rows)-1].At
	return store.Write(lines, precision, end)
}

// readLines reads line protocol.
func readLines(r io.Reader, stamps *stamps) (*evaluator.Data, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read the data: %w", err)
	}
	d := &evaluator.Data{}
	for n, line := range bytes.Split(text, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		row, err := readLine(line)
		if err == nil {
			row.At, err = stamps.read(row.Text)
		}
		if errors.Is(err, errPrecision) {
			return nil, rules.Errorf(rules.Invalid, "line %d: %v", n+1, err)
		}
		if err != nil {
			return nil, rules.Errorf(rules.Invalid,
				"line %d is neither line protocol with a time stamp nor a CSV with a column timestamp or time: %v", n+1, err)
		}
		d.Rows = append(d.Rows, row)
	}
	return d, fill(d, text, stamps.unit)
}

func readLine(line []byte) (row evaluator.DataRow, err error) {
	dec := lineprotocol.NewDecoderWithBytes(line)
	if !dec.Next() {
		return row, errors.New("it is empty")
	}
	if _, err := dec.Measurement(); err != nil {
		return row, err
	}
	row.Labels = rules.Labels{}
	for {
		key, value, err := dec.NextTag()
		if err != nil {
			return row, err
		}
		if key == nil {
			break
		}
		row.Labels[string(key)] = string(value)
	}
	for {
		key, _, err := dec.NextField()
		if err != nil {
			return row, err
		}
		if key == nil {
			break
		}
	}
	at, err := dec.TimeBytes()
	if err == nil && len(at) == 0 {
		err = errors.New("it has no time stamp")
	}
	row.Text = string(at)
	return row, err
}
