package rules

import (
	"maps"
	"slices"
	"strings"
)

// Labels are names with values: the tags of a series, or what a rule carries.
type Labels map[string]string

// Series is one label set of a rule, in canonical text: "host=a,room=b",
// names sorted, with '\', ',' and '=' escaped by a backslash. The empty Series
// is that of a rule without group_by. As a string it is a map key, costs
// nothing to compare and is stored as it stands.
type Series string

var (
	seriesEscaper   = strings.NewReplacer(`\`, `\\`, `,`, `\,`, `=`, `\=`)
	seriesNeedsCare = `\,=`
)

// SeriesOf returns the Series of a label set.
func SeriesOf(labels Labels) Series {
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		b = AppendLabel(b, name, labels[name])
	}
	return Series(b)
}

// AppendLabel appends one label to the canonical text in b. Whoever calls it
// brings the names in sorted order.
func AppendLabel(b []byte, name, value string) []byte {
	if len(b) > 0 {
		b = append(b, ',')
	}
	return appendEscaped(append(appendEscaped(b, name), '='), value)
}

func appendEscaped(b []byte, text string) []byte {
	if !strings.ContainsAny(text, seriesNeedsCare) {
		return append(b, text...)
	}
	return append(b, seriesEscaper.Replace(text)...)
}

// Each calls f with every label in the order of the names, until f returns
// false.
func (s Series) Each(f func(name, value string) bool) {
	text := string(s)
	for text != "" {
		var name, value string
		name, text = cutSeries(text, '=')
		value, text = cutSeries(text, ',')
		if !f(name, value) {
			return
		}
	}
}

// Label returns the value of one label, "" when s has none of that name.
func (s Series) Label(name string) (value string) {
	s.Each(func(n, v string) bool {
		if n == name {
			value = v
		}
		return n < name
	})
	return value
}

// Labels returns the label set, never nil.
func (s Series) Labels() Labels {
	out := Labels{}
	s.Each(func(name, value string) bool {
		out[name] = value
		return true
	})
	return out
}

// Only returns the Series of those labels of s whose names are listed.
func (s Series) Only(names []string) Series {
	var b []byte
	s.Each(func(name, value string) bool {
		if slices.Contains(names, name) {
			b = AppendLabel(b, name, value)
		}
		return true
	})
	return Series(b)
}

// cutSeries splits text at the first unescaped sep and unescapes what stands
// before it.
func cutSeries(text string, sep byte) (before, after string) {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			return cutEscaped(text, sep)
		case sep:
			return text[:i], text[i+1:]
		}
	}
	return text, ""
}

func cutEscaped(text string, sep byte) (before, after string) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) {
			i++
		} else if text[i] == sep {
			return b.String(), text[i+1:]
		}
		b.WriteByte(text[i])
	}
	return b.String(), ""
}
