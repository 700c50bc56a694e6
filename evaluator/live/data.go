package live

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// The bounds of a data file.
const (
	mostData = 50_000_000 // points
	mostText = 1 << 30    // bytes of one that was compressed
)

// ReadData reads a file of points into a source of its own: line protocol, with
// what influx_inspect export writes around it, annotated CSV of InfluxDB 2, the
// history that Home Assistant exports, or any table with a column of times. It may
// be compressed with gzip. Its error names the line and the cure.
func ReadData(r io.Reader, form evaluator.DataForm) (*evaluator.Data, error) {
	text, err := readText(r)
	if err != nil {
		return nil, err
	}
	p := &points{form: form, stamps: stamps{unit: form.Precision, given: form.Precision > 0}}
	p.encoder.SetPrecision(lineprotocol.Nanosecond)
	p.encoder.SetLax(true)
	if isAnnotated(text) {
		return p.store(p.readAnnotated(text))
	}
	if separator, ok := separatorOf(text); ok {
		return p.store(p.readTable(text, separator))
	}
	return p.readLines(text)
}

// readText is the text of a file that may be compressed.
func readText(r io.Reader) ([]byte, error) {
	in := bufio.NewReader(r)
	r = in
	if head, _ := in.Peek(2); bytes.Equal(head, []byte{0x1f, 0x8b}) {
		unpacked, err := gzip.NewReader(in)
		if err != nil {
			return nil, rules.Errorf(rules.Invalid, "the file is not whole: %v", err)
		}
		r = io.LimitReader(unpacked, mostText+1)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read the data: %w", err)
	}
	if len(text) > mostText {
		return nil, rules.Errorf(rules.Invalid, "the file is larger than %d MB when unpacked; give a part of it",
			mostText>>20)
	}
	return rules.PlainText(text)
}

// points collects the points of a file.
type points struct {
	form    evaluator.DataForm
	stamps  stamps
	data    evaluator.Data
	encoder lineprotocol.Encoder
}

// filed is one of them.
type filed struct {
	measurement string
	labels      rules.Labels
	fields      map[string]lineprotocol.Value
	at          time.Time
	text        string // the time as it is written
}

func (p *points) add(f filed) {
	if len(f.fields) == 0 {
		return // a gap
	}
	p.encoder.StartLine(f.measurement)
	for _, tag := range slices.Sorted(maps.Keys(f.labels)) {
		p.encoder.AddTag(tag, f.labels[tag])
	}
	for _, field := range slices.Sorted(maps.Keys(f.fields)) {
		p.encoder.AddField(field, f.fields[field])
	}
	p.encoder.EndLine(f.at)
	p.saw(f.measurement)
	p.data.Rows = append(p.data.Rows, evaluator.DataRow{Text: f.text, At: f.at, Labels: f.labels})
}

// saw notes a measurement that the file has.
func (p *points) saw(measurement string) {
	if !slices.Contains(p.data.Measurements, measurement) {
		p.data.Measurements = append(p.data.Measurements, measurement)
	}
}

// store is the data of what was added, unless reading it has failed.
func (p *points) store(err error) (*evaluator.Data, error) {
	if err != nil {
		return nil, err
	}
	if err := p.encoder.Err(); err != nil {
		return nil, rules.Errorf(rules.Invalid, "the file cannot be read: %v", err)
	}
	return &p.data, fill(&p.data, p.encoder.Bytes(), time.Nanosecond)
}

// number is a value of a field; false for one that no field can hold.
func number(x float64) (v lineprotocol.Value, ok bool) {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return v, false
	}
	return lineprotocol.MustNewValue(x), true
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
func (p *points) readLines(text []byte) (*evaluator.Data, error) {
	var export export
	lines := make([]byte, 0, len(text))
	for n, line := range bytes.Split(text, []byte("\n")) {
		line = bytes.TrimSpace(line)
		points, err := export.holds(line)
		if err == nil && points {
			err = p.addLine(line)
			lines = append(append(lines, line...), '\n')
		}
		if errors.Is(err, errPrecision) || rules.CodeOf(err) == rules.Invalid {
			return nil, rules.Errorf(rules.Invalid, "line %d: %v", n+1, err)
		}
		if err != nil {
			return nil, rules.Errorf(rules.Invalid,
				"line %d is neither line protocol with a time stamp nor below a header with a column %s: %v", n+1,
				strings.Join(timeColumns[:2], " or "), err)
		}
	}
	return &p.data, fill(&p.data, lines, p.stamps.unit)
}

func (p *points) addLine(line []byte) error {
	measurement, row, err := readLine(line)
	if err != nil {
		return err
	}
	if row.At, err = p.stamps.read(row.Text); err != nil {
		return err
	}
	p.saw(measurement)
	p.data.Rows = append(p.data.Rows, row)
	return nil
}

func readLine(line []byte) (measurement string, row evaluator.DataRow, err error) {
	dec := lineprotocol.NewDecoderWithBytes(line)
	if !dec.Next() {
		return "", row, errors.New("it is empty")
	}
	name, err := dec.Measurement()
	if err != nil {
		return "", row, err
	}
	row.Labels = rules.Labels{}
	for {
		key, value, err := dec.NextTag()
		if err != nil {
			return string(name), row, err
		}
		if key == nil {
			break
		}
		row.Labels[string(key)] = string(value)
	}
	for {
		key, _, err := dec.NextField()
		if err != nil {
			return string(name), row, err
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
	return string(name), row, err
}
