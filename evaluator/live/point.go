package live

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"github.com/9bikes/tocsin/rules"
)

// point is one line, decoded. It is used again for the next, so that decoding
// makes no garbage.
type point struct {
	line   int
	name   []byte
	key    []byte // the tags as a rules.Series
	at     int64
	tags   []tag
	values []value
}

type tag struct{ name, value []byte }

// value is what a point says of one field.
type value struct {
	name  []byte
	kind  kind
	num   float64
	text  []byte
	field int  // its id, once settled
	fresh bool // settling made the field
}

func (v *value) cost() int {
	if v.kind == kindText {
		return 1 + len(v.text)/16
	}
	return 1
}

// begin empties the point, keeping its memory, and names its measurement.
func (p *point) begin(name []byte) {
	p.name = append(p.name[:0], name...)
	p.key, p.tags, p.values = p.key[:0], p.tags[:0], p.values[:0]
}

func (p *point) addTag(name, val []byte) {
	t := next(&p.tags)
	t.name, t.value = append(t.name[:0], name...), append(t.value[:0], val...)
}

func (p *point) addNumber(name []byte, k kind, num float64) {
	v := next(&p.values)
	*v = value{name: append(v.name[:0], name...), text: v.text[:0], kind: k, num: num}
}

func (p *point) addText(name, val []byte) {
	v := next(&p.values)
	*v = value{name: append(v.name[:0], name...), text: append(v.text[:0], val...), kind: kindText}
}

// next lengthens s by one element, whose old memory is used again.
func next[T any](s *[]T) *T {
	if len(*s) < cap(*s) {
		*s = (*s)[:len(*s)+1]
	} else {
		var zero T
		*s = append(*s, zero)
	}
	return &(*s)[len(*s)-1]
}

// finish sorts the tags and makes the key of them.
func (p *point) finish(at int64) error {
	p.at = at
	slices.SortFunc(p.tags, func(a, b tag) int { return bytes.Compare(a.name, b.name) })
	for i, t := range p.tags {
		if i > 0 && bytes.Equal(t.name, p.tags[i-1].name) {
			return fmt.Errorf("duplicate tag %q", t.name)
		}
		p.key = rules.AppendLabel(p.key, string(t.name), string(t.value))
	}
	if len(p.key) > maxTags {
		return fmt.Errorf("max key length exceeded: the tags take %d bytes; at most %d", len(p.key), maxTags)
	}
	return nil
}

// decode reads the entry that dec stands on.
func (p *point) decode(dec *lineprotocol.Decoder, src *lineReader, precision time.Duration, now time.Time) error {
	name, err := dec.Measurement()
	p.line = src.line
	if err != nil {
		return err
	}
	p.begin(name)
	if err := checkName("measurement", name); err != nil {
		return err
	}
	if err := p.decodeTags(dec); err != nil {
		return err
	}
	if err := p.decodeValues(dec); err != nil {
		return err
	}
	at, err := decodeTime(dec, precision, now)
	if err != nil {
		return err
	}
	return p.finish(at)
}

func (p *point) decodeTags(dec *lineprotocol.Decoder) error {
	for {
		name, val, err := dec.NextTag()
		if err != nil || name == nil {
			return err
		}
		if err := checkName("tag", name); err != nil {
			return err
		}
		p.addTag(name, val)
	}
}

func (p *point) decodeValues(dec *lineprotocol.Decoder) error {
	for {
		name, v, err := dec.NextField()
		if err != nil || name == nil {
			return err
		}
		if err := checkName("field", name); err != nil {
			return err
		}
		if err := p.add(name, v); err != nil {
			return err
		}
	}
}

func (p *point) add(name []byte, v lineprotocol.Value) error {
	switch v.Kind() {
	case lineprotocol.Float:
		p.addNumber(name, kindFloat, v.FloatV())
	case lineprotocol.Int:
		p.addNumber(name, kindInteger, float64(v.IntV()))
	case lineprotocol.Uint:
		p.addNumber(name, kindUnsigned, float64(v.UintV()))
	case lineprotocol.Bool:
		num := 0.0
		if v.BoolV() {
			num = 1
		}
		p.addNumber(name, kindBoolean, num)
	default:
		if len(v.BytesV()) > maxText {
			return fmt.Errorf("the text of field %q has %d bytes; at most %d", name, len(v.BytesV()), maxText)
		}
		p.addText(name, v.BytesV())
	}
	return nil
}

func checkName(what string, name []byte) error {
	if len(name) > maxName {
		return fmt.Errorf("a %s name has %d bytes; at most %d", what, len(name), maxName)
	}
	if what != "measurement" && string(name) == "time" {
		return fmt.Errorf("a %s cannot be named time; rename it", what)
	}
	return nil
}

func decodeTime(dec *lineprotocol.Decoder, precision time.Duration, now time.Time) (int64, error) {
	stamp, err := dec.TimeBytes()
	if err != nil {
		return 0, err
	}
	if stamp == nil {
		return now.UnixNano(), nil
	}
	n, err := strconv.ParseInt(string(stamp), 10, 64)
	if err != nil || n > math.MaxInt64/int64(precision) || n < math.MinInt64/int64(precision) {
		return 0, fmt.Errorf("%w: bad timestamp %q", errUnparsable, stamp)
	}
	return n * int64(precision), nil
}
