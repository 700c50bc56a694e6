package clients

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/tailscale/hujson"
)

// clientFile is a client's file, of which every byte stays that is not changed.
type clientFile struct {
	root   hujson.Value
	indent string // of one level
	end    string // of a line
}

// merge returns a client's file with an entry in it. Keys of the entry that
// tocsin does not know, such as env, stay.
func (c Client) merge(text []byte, name string, fields []field) ([]byte, error) {
	d, err := c.parse(text)
	if err != nil {
		return nil, err
	}
	root, err := d.object(&d.root, "the file")
	if err != nil {
		return nil, err
	}
	servers, err := d.enter(root, c.servers, 1)
	if err != nil {
		return nil, err
	}
	at, err := d.enter(servers, name, 2)
	if err != nil {
		return nil, err
	}
	if _, err := find(at, "url"); err == nil { // it was one over HTTP
		drop(at, "url", "headers", "headersHelper", "type")
	}
	for _, f := range fields {
		if err := d.set(at, f.key, f.value, 3); err != nil {
			return nil, err
		}
	}
	return d.root.Pack(), nil
}

var position = regexp.MustCompile(`line \d+, column \d+`)

func (c Client) parse(text []byte) (*clientFile, error) {
	d := &clientFile{indent: "  ", end: "\n"}
	if len(bytes.TrimSpace(text)) == 0 {
		text = []byte("{}\n")
	}
	if bytes.Contains(text, []byte("\r\n")) {
		d.end = "\r\n"
	}
	var err error
	if d.root, err = hujson.Parse(text); err != nil {
		// The rest of the error shows a piece of the file, which may hold a
		// credential of somebody else's.
		return nil, fmt.Errorf("is not JSON, see %s", cmp.Or(position.FindString(err.Error()), "its end"))
	}
	if !c.comments && !d.root.IsStandard() {
		return nil, fmt.Errorf("has comments or trailing commas, which %s cannot read", c.Title)
	}
	if root, ok := d.root.Value.(*hujson.Object); ok && len(root.Members) > 0 {
		d.indent = indentOf(string(root.Members[0].Name.BeforeExtra))
	}
	return d, nil
}

func (d *clientFile) object(v *hujson.Value, what string) (*hujson.Object, error) {
	if o, ok := v.Value.(*hujson.Object); ok {
		return o, nil
	}
	return nil, fmt.Errorf("holds something unexpected: %s is no object", what)
}

var errNoMember = errors.New("there is no such member")

// find returns the member of an object with this name.
func find(o *hujson.Object, name string) (*hujson.ObjectMember, error) {
	var found *hujson.ObjectMember
	for i, m := range o.Members {
		if text, ok := m.Name.Value.(hujson.Literal); !ok || text.String() != name {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("has %q twice", name)
		}
		found = &o.Members[i]
	}
	if found == nil {
		return nil, errNoMember
	}
	return found, nil
}

func drop(o *hujson.Object, names ...string) {
	o.Members = slices.DeleteFunc(o.Members, func(m hujson.ObjectMember) bool {
		text, ok := m.Name.Value.(hujson.Literal)
		return ok && slices.Contains(names, text.String())
	})
}

// enter returns the object below o with this name, and makes it if need be.
func (d *clientFile) enter(o *hujson.Object, name string, depth int) (*hujson.Object, error) {
	m, err := find(o, name)
	if errors.Is(err, errNoMember) {
		m, err = d.append(o, name, hujson.Value{Value: &hujson.Object{}}, depth), nil
	}
	if err != nil {
		return nil, err
	}
	return d.object(&m.Value, name)
}

// set gives a member a value, unless it has that one already.
func (d *clientFile) set(o *hujson.Object, name string, value any, depth int) error {
	m, err := find(o, name)
	switch {
	case errors.Is(err, errNoMember):
		m = d.append(o, name, hujson.Value{}, depth)
	case err != nil || says(m.Value, value):
		return err
	}
	m.Value.Value, err = d.literal(value, depth)
	return err
}

// literal is a value as text, at its place in the file.
func (d *clientFile) literal(value any, depth int) (hujson.ValueTrimmed, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent(strings.Repeat(d.indent, depth), d.indent)
	if err := enc.Encode(value); err != nil {
		return nil, err
	}
	v, err := hujson.Parse(bytes.ReplaceAll(text.Bytes(), []byte("\n"), []byte(d.end)))
	return v.Value, err
}

// says reports whether a value of the file says the same as one of ours.
func says(v hujson.Value, value any) bool {
	v = v.Clone()
	v.Standardize()
	text, err := json.Marshal(value)
	var have, want any
	return err == nil && json.Unmarshal(v.Pack(), &have) == nil && json.Unmarshal(text, &want) == nil &&
		reflect.DeepEqual(have, want)
}

// append adds a member on a line of its own. A comment behind the member that
// was the last stays with it.
func (d *clientFile) append(o *hujson.Object, name string, v hujson.Value, depth int) *hujson.ObjectMember {
	line := d.end + strings.Repeat(d.indent, depth)
	closing := d.end + strings.Repeat(d.indent, depth-1)
	before := strings.TrimRight(string(o.AfterExtra), " \t\r\n") // comments, if there are any
	if n := len(o.Members); n > 0 && o.Members[n-1].Value.AfterExtra != nil {
		v.AfterExtra = hujson.Extra{} // a trailing comma
	}
	v.BeforeExtra = hujson.Extra(" ")
	o.Members = append(o.Members, hujson.ObjectMember{
		Name: hujson.Value{BeforeExtra: hujson.Extra(before + line), Value: hujson.String(name)}, Value: v,
	})
	o.AfterExtra = hujson.Extra(closing)
	return &o.Members[len(o.Members)-1]
}

// indentOf is the indentation of a line, from the space before what is on it.
func indentOf(space string) string {
	at := strings.LastIndexByte(space, '\n')
	if at < 0 || strings.TrimSpace(space[at:]) != "" {
		return "  "
	}
	return space[at+1:]
}
