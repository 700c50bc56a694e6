package influx

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/tinylib/msgp/msgp"
)

// The forms of an answer. MessagePack has less for the server to write and for
// us to read, where there are millions of points; not every version knows it.
const (
	asJSON = "application/json"
	asPack = "application/x-msgpack"
)

// What a length in an answer may promise: room is made before it is read.
const (
	mostWord     = 1 << 20
	mostElements = mostCells
	mostDepth    = 10
)

// isPack reports whether an answer came in MessagePack.
func isPack(contentType string) bool { return strings.HasPrefix(contentType, asPack) }

// packToJSON rewrites a short answer, nil when it is none.
func packToJSON(body []byte) []byte {
	var out bytes.Buffer
	if _, err := msgp.UnmarshalAsJSON(&out, body); err != nil {
		return nil
	}
	return out.Bytes()
}

// unpacker reads an answer in MessagePack. Its keys come in the order in which
// the server writes them: what describes a series stands before its values.
type unpacker struct {
	in      *msgp.Reader
	limit   *limited
	to      receiver
	at      int // the statement
	cells   []cell
	words   [][]byte // their texts, by place
	chunked bool
	more    bool   // the statement goes on in another document
	series  []byte // in chunks: the series that may go on in the next
}

// unpack hands an answer to a receiver, as decoder.decode does.
func unpack(in io.Reader, most int, chunked bool, to receiver) (refused string, err error) {
	limit := &limited{in, most}
	u := unpacker{in: msgp.NewReaderSize(limit, 64<<10), limit: limit, to: to, chunked: chunked}
	u.in.SetMaxStringLength(mostWord)
	u.in.SetMaxElements(mostElements)
	u.in.SetMaxRecursionDepth(mostDepth)
	for err == nil {
		refused, err = u.document(refused)
		if _, over := u.in.R.Peek(1); !chunked || errors.Is(over, io.EOF) {
			break
		}
	}
	if err == nil && u.more {
		err = errPartial
	}
	return refused, err
}

func (u *unpacker) document(refused string) (string, error) {
	err := u.object(func(key string) error {
		switch key {
		case "results":
			return u.array(u.result)
		case "error":
			text, err := u.in.ReadString()
			refused = text
			return err
		}
		return u.in.Skip()
	})
	return refused, err
}

func (u *unpacker) object(member func(key string) error) error {
	n, err := u.in.ReadMapHeader()
	for ; n > 0 && err == nil; n-- {
		var key []byte
		if key, err = u.in.ReadMapKeyPtr(); err == nil {
			err = member(string(key))
		}
	}
	return err
}

func (u *unpacker) array(item func() error) error {
	n, err := u.in.ReadArrayHeader()
	for ; n > 0 && err == nil; n-- {
		err = item()
	}
	return err
}

func (u *unpacker) result() error {
	u.more = false
	err := u.object(func(key string) (err error) {
		switch key {
		case "statement_id":
			u.at, err = u.in.ReadInt()
			return err
		case "series":
			return u.array(u.oneSeries)
		case "error":
			text, err := u.in.ReadString()
			if err != nil {
				return err
			}
			return u.to.failed(u.at, text)
		case "partial":
			return u.partial()
		}
		return u.in.Skip()
	})
	if err != nil || u.more {
		return err
	}
	return u.to.answered(u.at)
}

func (u *unpacker) partial() error {
	cut, err := u.in.ReadBool()
	switch {
	case err != nil || !cut:
		return err
	case u.chunked:
		u.more = true
		return nil
	}
	return u.to.failed(u.at, partialText)
}

func (u *unpacker) oneSeries() error {
	var name, tags, columns []byte
	return u.object(func(key string) error {
		switch key {
		case "name":
			return u.toJSON(&name)
		case "tags":
			return u.toJSON(&tags)
		case "columns":
			return u.toJSON(&columns)
		case "values":
			if now := seriesKey(u.at, name, tags, columns); !u.chunked || !bytes.Equal(now, u.series) {
				u.series = now
				if err := cmp.Or(u.limit.take(seriesCost), u.to.begin(u.at, name, tags, columns)); err != nil {
					return err
				}
			}
			return u.array(u.row)
		case "partial":
			return u.partial()
		}
		return u.in.Skip()
	})
}

// toJSON reads a value in the form that receivers take.
func (u *unpacker) toJSON(into *[]byte) error {
	v, err := u.in.ReadIntf()
	if err != nil {
		return err
	}
	*into, err = json.Marshal(v)
	return err
}

func (u *unpacker) row() error {
	n, err := u.in.ReadArrayHeader()
	if err != nil {
		return err
	}
	if n > mostCells {
		return errTooLarge
	}
	u.cells = u.cells[:0]
	for i := range n {
		c, err := u.cell(int(i))
		if err != nil {
			return err
		}
		u.cells = append(u.cells, c)
	}
	return u.to.row(u.at, u.cells)
}

func (u *unpacker) cell(place int) (c cell, err error) {
	c.num = math.NaN()
	kind, err := u.in.NextType()
	if err != nil {
		return c, err
	}
	switch kind {
	case msgp.NilType:
		return c, u.in.ReadNil()
	case msgp.IntType, msgp.UintType:
		c.kind = number
		c.at, err = u.in.ReadInt64()
		c.num = float64(c.at)
	case msgp.Float64Type, msgp.Float32Type:
		c.kind = number
		c.num, err = u.in.ReadFloat64()
	case msgp.BoolType:
		var yes bool
		c.kind = truth
		yes, err = u.in.ReadBool()
		c.num = fact(yes)
	case msgp.StrType:
		c.kind = word
		for len(u.words) <= place {
			u.words = append(u.words, nil)
		}
		u.words[place], err = u.in.ReadStringAsBytes(u.words[place][:0])
		c.text = u.words[place]
	default:
		return c, fmt.Errorf("a value is %s", kind)
	}
	if place == 0 && c.kind != number {
		return c, fmt.Errorf("a time is %s", kind)
	}
	return c, err
}
