package influx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// script is a receiver that writes down what it is told.
type script struct{ strings.Builder }

var _ receiver = (*script)(nil)

func (s *script) begin(statement int, _, tags, columns []byte) error {
	fmt.Fprintf(s, "begin %d %s %s\n", statement, tags, columns)
	return nil
}

func (s *script) row(statement int, cells []cell) error {
	fmt.Fprintf(s, "row %d", statement)
	for _, c := range cells {
		switch c.kind {
		case null:
			s.WriteString(" null")
		case number:
			fmt.Fprintf(s, " %x", c.num+0) // the sign of zero does not matter
		case truth:
			fmt.Fprintf(s, " %t", c.num == 1)
		case word:
			fmt.Fprintf(s, " %q", c.text)
		}
	}
	s.WriteString("\n")
	return nil
}

func (s *script) failed(statement int, text string) error {
	fmt.Fprintf(s, "failed %d %q\n", statement, text)
	return nil
}

func (s *script) answered(statement int) error {
	fmt.Fprintf(s, "answered %d\n", statement)
	return nil
}

const wholeAnswer = `{"results":[
 {"statement_id":0,"series":[
  {"name":"m","tags":{"host":"a\"\u00e4\ud834\udd1e","dc":""},"columns":["time","mean","s"],"values":[[1795434050000000000,1.5e-3,"x\ny"],[2,null,true],[-3,17,""]]},
  {"name":"m","tags":{"host":"b"},"columns":["time","mean","s"],"values":[[1,55.18333333333333,false]]}]},
 {"statement_id":1,"error":"unsupported mean iterator type"},
 {"statement_id":2,"messages":[{"level":"warning","text":"deprecated"}],"series":[{"name":"m","columns":["time","v"],"values":[["2026-03-02T10:00:00Z",1]],"partial":true}],"partial":true},
 {"statement_id":3}], "more":[{},[],1]}
`

func TestDecodeTellsWhatEncodingJSONTells(t *testing.T) {
	want, err := reference([]byte(wholeAnswer))
	if err != nil {
		t.Fatalf("reference: %v", err)
	}
	for name, in := range map[string]io.Reader{
		"at once":      strings.NewReader(wholeAnswer),
		"byte by byte": iotest.OneByteReader(strings.NewReader(wholeAnswer)),
		"in halves":    iotest.HalfReader(strings.NewReader(wholeAnswer)),
		"with its end": iotest.DataErrReader(strings.NewReader(wholeAnswer)),
	} {
		t.Run(name, func(t *testing.T) {
			var got script
			d := decoder{scanner: scanner{buf: make([]byte, 16)}}
			if _, err := d.decode(in, 1<<20, false, &got); err != nil || got.String() != want {
				t.Errorf("decode = %v\n%s\nwant\n%s", err, got.String(), want)
			}
		})
	}
}

func TestDecodeRefusesWhatIsNotWhole(t *testing.T) {
	for i := range len(wholeAnswer) - 2 {
		var got script
		var d decoder
		if _, err := d.decode(strings.NewReader(wholeAnswer[:i]), 1<<20, false, &got); err == nil {
			t.Fatalf("the first %d bytes of %d are taken for whole", i, len(wholeAnswer))
		}
	}
	for _, tt := range []struct {
		text string
		most int
		want error
	}{
		{wholeAnswer, 100, errTooLarge},
		{wholeAnswer + "{}", 1 << 20, errNotJSON},
		{`{"x":` + strings.Repeat("[", 1000), 1 << 20, errTooDeep},
		{`{"results":[{"series":[{"values":[[1]],"tags":{}}]}]}`, 1 << 20, errOrder},
	} {
		var got script
		var d decoder
		if _, err := d.decode(strings.NewReader(tt.text), tt.most, false, &got); !errors.Is(err, tt.want) {
			t.Errorf("decode of %.40q: %v, want %v", tt.text, err, tt.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(wholeAnswer), byte(7))
	f.Add([]byte(`{"error":"no \u00e9\ud800 "}`), byte(1))
	f.Add([]byte(`{"results":[{"error":"\"\\\/\b\f\n\r\t","partial":false}]}`), byte(3))
	f.Add([]byte(`{"results":[{"series":[{"values":[[-0,0.1,1E5,-2e-7,123456789012345678901]]}]}]}`), byte(30))
	f.Fuzz(func(t *testing.T, text []byte, size byte) {
		var got script
		d := decoder{scanner: scanner{buf: make([]byte, 1+int(size))}}
		refused, err := d.decode(bytes.NewReader(text), 1<<20, false, &got)
		if refused != "" {
			fmt.Fprintf(&got, "refused %q\n", refused)
		}
		want, wantErr := reference(text)
		if wantErr != nil || !utf8.Valid(text) || errors.Is(err, errTooDeep) {
			return
		}
		if err != nil || got.String() != want {
			t.Errorf("decode of %q = %v\n%s\nwant\n%s", text, err, got.String(), want)
		}
	})
}

// errShape says that the reference meets JSON that is no answer.
var errShape = errors.New("not an answer")

// reference tells by encoding/json what an answer holds.
func reference(text []byte) (string, error) {
	var s script
	var refused string
	err := eachPair(text, func(key string, value json.RawMessage) error {
		switch key {
		case "error":
			return strictText(value, &refused)
		case "results":
			return eachElement(value, func(position int, value json.RawMessage) error {
				return referenceResult(&s, position, value)
			})
		}
		return nil
	})
	if refused != "" {
		fmt.Fprintf(&s, "refused %q\n", refused)
	}
	return s.String(), err
}

func referenceResult(s *script, id int, value json.RawMessage) error {
	err := eachPair(value, func(key string, value json.RawMessage) (err error) {
		switch key {
		case "statement_id":
			if id, err = strconv.Atoi(string(value)); err != nil || id < 0 || id > math.MaxInt32 {
				return errShape
			}
		case "series":
			return eachElement(value, func(_ int, value json.RawMessage) error { return referenceSeries(s, id, value) })
		case "error":
			var text string
			err = errors.Join(strictText(value, &text), s.failed(id, text))
		case "partial":
			return referencePartial(s, id, value)
		}
		return err
	})
	return errors.Join(err, s.answered(id))
}

func referencePartial(s *script, id int, value json.RawMessage) error {
	switch string(value) {
	case "true":
		return s.failed(id, partialText)
	case "false":
		return nil
	}
	return errShape
}

func referenceSeries(s *script, id int, value json.RawMessage) error {
	var tags, columns json.RawMessage
	told := false
	return eachPair(value, func(key string, value json.RawMessage) error {
		switch key {
		case "tags":
			tags = append(tags, value...)
		case "columns":
			columns = append(columns, value...)
		case "partial":
			return referencePartial(s, id, value)
		case "values":
			told = true
			if string(value) == "null" {
				return nil
			}
			if err := s.begin(id, nil, tags, columns); err != nil {
				return err
			}
			return eachElement(value, func(_ int, value json.RawMessage) error { return referenceRow(s, id, value) })
		default:
			return nil
		}
		if told {
			return errShape
		}
		return nil
	})
}

func referenceRow(s *script, id int, value json.RawMessage) error {
	var cells []cell
	err := eachElement(value, func(_ int, value json.RawMessage) error {
		var any any
		if err := json.Unmarshal(value, &any); err != nil {
			return err
		}
		switch v := any.(type) {
		case nil:
			cells = append(cells, cell{})
		case bool:
			cells = append(cells, cell{kind: truth, num: fact(v)})
		case float64:
			cells = append(cells, cell{kind: number, num: v})
		case string:
			cells = append(cells, cell{kind: word, text: []byte(v)})
		default:
			return errShape
		}
		return nil
	})
	if len(cells) == 0 {
		return errShape
	}
	return errors.Join(err, s.row(id, cells))
}

func strictText(value json.RawMessage, to *string) error {
	if len(value) == 0 || value[0] != '"' {
		return errShape
	}
	return json.Unmarshal(value, to)
}

func eachPair(text []byte, each func(key string, value json.RawMessage) error) error {
	return walk(text, '{', func(d *json.Decoder, _ int) error {
		key, err := d.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		return each(key.(string), value)
	})
}

func eachElement(text []byte, each func(i int, value json.RawMessage) error) error {
	return walk(text, '[', func(d *json.Decoder, i int) error {
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		return each(i, value)
	})
}

func walk(text []byte, open json.Delim, each func(d *json.Decoder, i int) error) error {
	if !json.Valid(text) {
		return errShape
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if token, err := d.Token(); err != nil || token != open {
		return errShape
	}
	for i := 0; d.More(); i++ {
		if err := each(d, i); err != nil {
			return err
		}
	}
	return nil
}

// grouped is the answer to one query with a row for each of n hosts.
func grouped(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"results":[{"statement_id":0,"series":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b,
			`{"name":"cpu","tags":{"dc":"fra","host":"server-%05d"},"columns":["time","v0"],"values":[[1795434050000000001,%v]]}`, i, float64(i)*1.1+0.3)
	}
	b.WriteString("]}]}\n")
	return b.Bytes()
}

func BenchmarkDecode10000Rows(b *testing.B) {
	text := grouped(10_000)
	p := &progress{plan: plan{
		q:          evaluator.Query{Measurement: "cpu"},
		statements: []statement{{selection: selection{expressions: []string{"mean(\"v\")"}}, slots: []int{0}}},
		columns:    []column{{}}, slots: 1,
	}}
	r := &reader{books: books{}}
	p.labels = r.books.of([]string{"dc", "host"})
	var sum float64
	each := func(_ int, row evaluator.Row) { sum += row.Values[0] + float64(len(row.Series)) }
	in := bytes.NewReader(text)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		in.Reset(text)
		r.start([]*progress{p}, each)
		if _, err := r.decode(in, mostAnswer, false, &r.collector); err != nil {
			b.Fatal(err)
		}
	}
	if sum == 0 {
		b.Fatal("no rows")
	}
}

func TestRowsCostNoAllocation(t *testing.T) {
	text := grouped(1000)
	p := &progress{plan: plan{
		q:          evaluator.Query{Measurement: "cpu"},
		statements: []statement{{selection: selection{expressions: []string{"mean(\"v\")"}}, slots: []int{0}}},
		columns:    []column{{}}, slots: 1,
	}}
	r := &reader{books: books{}}
	p.labels = r.books.of([]string{"dc", "host"})
	rows, in := 0, bytes.NewReader(text)
	allocations := testing.AllocsPerRun(10, func() {
		in.Reset(text)
		r.start([]*progress{p}, func(_ int, row evaluator.Row) { rows++ })
		if _, err := r.decode(in, mostAnswer, false, &r.collector); err != nil {
			t.Fatal(err)
		}
	})
	if rows != 11_000 || allocations > 20 {
		t.Errorf("%v rows cost %v allocations each time, want 1000 and none for a row", rows/11, allocations)
	}
	if got, want := p.labels.series[`{"dc":"fra","host":"server-00007"}`],
		rules.SeriesOf(rules.Labels{"dc": "fra", "host": "server-00007"}); got != want {
		t.Errorf("series = %q, want %q", got, want)
	}
}

func TestDecodeKnowsASeriesThatIsWrittenLikeTheLast(t *testing.T) {
	text := []byte(`{"results":[{"statement_id":0,"series":[` +
		`{"name":"m","tags":{"h":"a"},"columns":["time","v0"],"values":[[1,2]]},` +
		`{"name":"m","tags":{"h":"},\"columns\":[\"time\"],"},"columns":["time","v0"],"values":[[1,3],[2,-4.25]],"partial":true},` +
		`{"name":"m","tags":{"h":"c"},"columns":["time","v1"],"values":[[1,0.5e1]]},` +
		`{"name":"m","tags":{"h":"d"},"columns":["time","v1"],"values":[]},` +
		`{"name":"n","tags":{"h":"e"},"columns":["time","v1"],"values":[[1,6]]}]}]}`)
	want, err := reference(text)
	if err != nil {
		t.Fatalf("reference: %v", err)
	}
	for size := 1; size < 2*len(text); size += 7 {
		var got script
		d := decoder{scanner: scanner{buf: make([]byte, size)}}
		if _, err := d.decode(bytes.NewReader(text), 1<<20, false, &got); err != nil || got.String() != want {
			t.Fatalf("with a buffer of %d: %v\n%s\nwant\n%s", size, err, got.String(), want)
		}
	}
}
