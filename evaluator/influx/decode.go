package influx

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"math"
	"strconv"
	"time"
)

const (
	mostTags = 4 << 10 // longer ones are read the slow way

	partialText = "the answer is not whole: the server cut it at a limit of its own"
)

// afterTags cannot stand inside of tags, where its quotes would be escaped.
var afterTags = []byte(`},"columns":`)

var errPartial = errors.New(partialText)

// errNotAsked ends what would fill the memory with nothing that was asked for.
var errNotAsked = errors.New("the answer has rows that were not asked for")

var errOrder = errors.New("the answer has its keys in an order that no InfluxDB uses")

// kind tells what a cell holds.
type kind uint8

const (
	null kind = iota
	number
	truth
	word
)

// cell is one value of a row.
type cell struct {
	kind kind
	num  float64 // of a number; 0 or 1 of a truth; else NaN
	at   int64   // nanoseconds, in the first cell of a row
	text []byte  // of a word, good until the next row

	from, to int
}

// receiver takes what a decoder reads, in the order of the answer.
type receiver interface {
	// begin announces the rows of a series. name, tags and columns are JSON, or
	// empty, and good until the call returns.
	begin(statement int, name, tags, columns []byte) error
	// row hands on one row; cells are good until the call returns.
	row(statement int, cells []cell) error
	// failed says that a statement was not answered, or not whole.
	failed(statement int, text string) error
	// answered says that the result of a statement was read to its end.
	answered(statement int) error
}

// decoder reads the JSON that /query answers, row by row, without keeping it.
type decoder struct {
	scanner
	to        receiver
	statement int
	name      []byte
	tags      []byte
	columns   []byte
	head      []byte // how the last series began, up to its tags
	middle    []byte // and went on between its tags and its values
	cells     []cell
	words     []byte
	told      bool   // the values of the series are read
	chunked   bool   // the answer comes in several documents
	more      bool   // the statement goes on in another document
	series    []byte // in chunks: the series that may go on in the next
	refused   string // the error of the whole request
}

// decode hands the answer to a receiver. Its error says that the answer could
// not be read to its end; refused is the error that the server states for the
// whole request.
//
// Partial means two things: of an answer in chunks, that more of it follows, and
// of another, that it was cut, unless the server is an old one, which says so
// of every series that has more rows than a chunk.
func (d *decoder) decode(in io.Reader, most int, chunked bool, to receiver) (refused string, err error) {
	d.reset(in, most)
	d.to, d.refused, d.chunked, d.more = to, "", chunked, false
	d.head, d.series = d.head[:0], d.series[:0]
	d.object(d.document)
	for d.err == nil && d.trailing() {
		if !chunked {
			d.failf("there is more behind it")
			break
		}
		d.object(d.document)
	}
	if d.err == nil && d.more {
		d.fail(errPartial)
	}
	d.to, d.in = nil, nil
	return d.refused, d.err
}

// trailing reports whether anything but space follows, and accepts the end.
func (d *decoder) trailing() bool {
	d.peek()
	if errors.Is(d.err, errTruncated) {
		d.err = nil
		return false
	}
	return d.err == nil
}

func (d *decoder) document(key []byte) {
	switch string(key) {
	case "results":
		position := 0
		d.array(func() {
			d.statement, d.more = position, false
			d.object(d.result)
			if !d.more {
				d.tell(func() error { return d.to.answered(d.statement) })
			}
			position++
		})
	case "error":
		d.refused = d.sentence()
	default:
		d.skip()
	}
}

func (d *decoder) result(key []byte) {
	switch string(key) {
	case "statement_id":
		_, n, whole := d.number()
		if !whole || n < 0 || n > math.MaxInt32 {
			d.failf("a statement without a number")
		}
		d.statement = int(n)
	case "series":
		d.array(d.oneSeries)
	case "error":
		text := d.sentence()
		d.tell(func() error { return d.to.failed(d.statement, text) })
	case "partial":
		d.partial()
	default:
		d.skip()
	}
}

func (d *decoder) partial() {
	switch yes := d.truth(); {
	case yes && d.chunked:
		d.more = true
	case yes:
		d.tell(func() error { return d.to.failed(d.statement, partialText) })
	}
}

// tell calls the receiver, unless reading has failed already.
func (d *decoder) tell(receive func() error) {
	if d.err != nil {
		return
	}
	if err := receive(); err != nil {
		d.fail(err)
	}
}

func (d *decoder) oneSeries() {
	if d.likeTheLast() {
		return
	}
	d.name, d.tags, d.columns, d.told = d.name[:0], d.tags[:0], d.columns[:0], false
	d.object(d.seriesKey)
	d.expect()
}

func (d *decoder) seriesKey(key []byte) {
	switch string(key) {
	case "name":
		d.name = append(d.name[:0], d.raw()...)
		return
	case "tags":
		d.tags = append(d.tags, d.raw()...)
	case "columns":
		d.columns = append(d.columns, d.raw()...)
	case "values":
		d.told = true
		d.values()
		return
	case "partial":
		d.partial()
		return
	default:
		d.skip()
		return
	}
	if d.told {
		d.fail(errOrder)
	}
}

// expect remembers how a series is written, because the next ones differ in
// nothing but their tags and values.
func (d *decoder) expect() {
	d.head, d.middle = d.head[:0], d.middle[:0]
	if len(d.name) == 0 || len(d.tags) == 0 || len(d.columns) == 0 {
		return
	}
	d.head = append(append(append(d.head, `{"name":`...), d.name...), `,"tags":`...)
	d.middle = append(append(append(d.middle, `,"columns":`...), d.columns...), `,"values":`...)
}

// likeTheLast reads a series that is written like the last one, without
// looking at each of its keys again. It returns false, and has read nothing,
// when the series is another or its head is not in the buffer as a whole.
func (d *decoder) likeTheLast() bool {
	rest := d.buf[d.pos:d.end]
	if d.chunked || len(d.head) == 0 || !bytes.HasPrefix(rest, d.head) {
		return false
	}
	tags := rest[len(d.head):]
	size := 1 + bytes.Index(tags[:min(len(tags), mostTags)], afterTags)
	if size == 0 || !bytes.HasPrefix(tags[size:], d.middle) {
		return false
	}
	d.pos += len(d.head) + size + len(d.middle)
	d.depth++
	if err := cmp.Or(d.limit.take(seriesCost), d.to.begin(d.statement, d.name, tags[:size], d.columns)); err != nil {
		d.fail(err)
		return true
	}
	d.told = true
	d.array(d.oneRow)
	if d.goOn('}') {
		d.members(d.seriesKey)
	}
	return true
}

func (d *decoder) values() {
	if d.peek() == 'n' {
		d.word("null")
		return
	}
	if !d.chunked || !d.goesOn() {
		d.tell(func() error {
			return cmp.Or(d.limit.take(seriesCost), d.to.begin(d.statement, d.name, d.tags, d.columns))
		})
	}
	d.array(d.oneRow)
}

// goesOn reports whether a series is the one before it, which a chunk cut.
func (d *decoder) goesOn() bool {
	now := seriesKey(d.statement, d.name, d.tags, d.columns)
	same := bytes.Equal(now, d.series)
	d.series = now
	return same
}

// seriesKey tells the series of an answer apart.
func seriesKey(statement int, parts ...[]byte) []byte {
	return bytes.Join(append(parts, strconv.AppendInt(nil, int64(statement), 10)), []byte{0})
}

func (d *decoder) oneRow() {
	d.cells, d.words = d.cells[:0], d.words[:0]
	d.array(d.oneCell)
	if d.err != nil {
		return
	}
	if len(d.cells) == 0 {
		d.failf("a row without columns")
		return
	}
	if len(d.words) > 0 {
		for i := range d.cells {
			if c := &d.cells[i]; c.kind == word {
				c.text = d.words[c.from:c.to]
			}
		}
	}
	if err := d.to.row(d.statement, d.cells); err != nil {
		d.fail(err)
	}
}

func (d *decoder) oneCell() {
	c := cell{num: math.NaN()}
	switch d.peek() {
	case 'n':
		d.word("null")
	case '"':
		c.kind = word
		c.from = len(d.words)
		raw, escaped := d.str()
		if escaped {
			d.words = appendText(d.words, raw)
		} else {
			d.words = append(d.words, raw...)
		}
		c.to = len(d.words)
		if len(d.cells) == 0 {
			c.at = stamp(d.words)
		}
	case 't', 'f':
		c.kind, c.num = truth, 0
		if d.truth() {
			c.num = 1
		}
	default:
		c.kind = number
		c.num, c.at, _ = d.number()
	}
	if d.cells = append(d.cells, c); len(d.cells) > mostCells || len(d.words) > mostToken {
		d.fail(errTooLarge)
	}
}

// stamp reads a time that was written as text, which a proxy or another
// version may send although nanoseconds were asked for.
func stamp(text []byte) int64 {
	t, err := time.Parse(time.RFC3339Nano, string(bytes.TrimSpace(text)))
	if err != nil {
		return 0
	}
	return t.UnixNano()
}

func (d *decoder) sentence() string {
	raw, _ := d.str()
	return string(appendText(nil, raw))
}
