package influx

import (
	"bytes"
	"encoding/json"
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
	mostWord     = 16 << 20
	mostElements = 64 << 20
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
	in    *msgp.Reader
	to    receiver
	at    int // the statement
	cells []cell
}

// unpack hands an answer to a receiver, as decoder.decode does.
func unpack(in io.Reader, most int64, to receiver) (refused string, err error) {
	u := unpacker{in: msgp.NewReaderSize(io.LimitReader(in, most), 64<<10), to: to}
	u.in.SetMaxStringLength(mostWord)
	u.in.SetMaxElements(mostElements)
	err = u.object(func(key string) error {
		switch key {
		case "results":
			return u.array(u.result)
		case "error":
			refused, err = u.in.ReadString()
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
	err := u.object(func(key string) (err error) {
		switch key {
		case "statement_id":
			u.at, err = u.in.ReadInt()
			return err
		case "series":
			return u.array(u.series)
		case "error":
			text, err := u.in.ReadString()
			if err != nil {
				return err
			}
			return u.to.failed(u.at, text)
		case "partial":
			if cut, err := u.in.ReadBool(); err != nil || !cut {
				return err
			}
			return u.to.failed(u.at, partialText)
		}
		return u.in.Skip()
	})
	if err != nil {
		return err
	}
	return u.to.answered(u.at)
}

func (u *unpacker) series() error {
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
			if err := u.to.begin(u.at, name, tags, columns); err != nil {
				return err
			}
			return u.array(u.row)
		case "partial":
			if cut, err := u.in.ReadBool(); err != nil || !cut {
				return err
			}
			return u.to.failed(u.at, partialText)
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
	u.cells = u.cells[:0]
	for i := range n {
		c, err := u.cell(i == 0)
		if err != nil {
			return err
		}
		u.cells = append(u.cells, c)
	}
	return u.to.row(u.at, u.cells)
}

func (u *unpacker) cell(isTime bool) (c cell, err error) {
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
		c.text, err = u.in.ReadStringAsBytes(nil)
	default:
		return c, fmt.Errorf("a value is %s", kind)
	}
	if isTime && c.kind != number {
		return c, fmt.Errorf("a time is %s", kind)
	}
	return c, err
}
