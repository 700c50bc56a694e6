package ruledoc

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Object is a JSON object that keeps its keys in order.
type Object []Pair

// Pair is a key of an Object with its value.
type Pair struct {
	Key   string
	Value json.RawMessage
}

// ObjectOf returns what v is written as, which must be a JSON object.
func ObjectOf(v any) (Object, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(&text)
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	var out Object
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		p := Pair{Key: fmt.Sprint(key)}
		if err := dec.Decode(&p.Value); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// MarshalJSON writes the keys in order.
func (o Object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for i, p := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(p.Key)
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(p.Value)
	}
	return append(append([]byte{'{'}, b.Bytes()...), '}'), nil
}

// value is that of a key, nil when there is none.
func (o Object) value(key string) json.RawMessage {
	for _, p := range o {
		if p.Key == key {
			return p.Value
		}
	}
	return nil
}
