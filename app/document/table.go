package document

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/9bikes/tocsin/rules"
)

// Faults collects what is wrong with a document while it is read, so that all
// of it is told at once.
type Faults struct{ errs []error }

// Add notes an error that says itself where it is; nil is none.
func (f *Faults) Add(err error) {
	if err != nil {
		f.errs = append(f.errs, err)
	}
}

// Refuse notes that the value of the key at path, which stands at a place, is
// wrong.
func (f *Faults) Refuse(at, path, format string, args ...any) {
	f.Add(Placed(at, rules.FieldErrorf(path, format, args...)))
}

// Any reports whether anything was noted.
func (f *Faults) Any() bool { return len(f.errs) > 0 }

// Err joins what was noted.
func (f *Faults) Err() error { return errors.Join(f.errs...) }

// Key is one key of a table that is read into a T, and all that is said of it
// anywhere.
type Key[T any] struct {
	Name    string
	Meaning string // for the reference, in Markdown
	Unit    string // what is written, where that of Value is not enough
	Example string // a value that works, as YAML
	Default string // is read where the key is not given
	Without string // what holds without it, in words, where no Default says so
	Secret  bool   // it is a credential, or the name of a file that holds one
	Value   Value[T]
}

// Value is how the value of a key is read, shown and described.
type Value[T any] struct {
	Unit string // what is written: a text, a duration within bounds
	Read Read[T]
	// Show tells each value that t holds, none where the key was not given; nil
	// where another key shows it.
	Show  func(t *T, path string, each Each)
	Below []Entry // the keys below it
}

// Read reads a value into t. Its error is without the place, the path and an
// example; what is wrong further below goes to f.
type Read[T any] = func(f *Faults, n *Node, path string, t *T) error

// Each takes a key, by its path, and its value. Of a credential it is told that it
// is there.
type Each func(key, value string)

// Entry is a key as references have it.
type Entry struct {
	Path    string // from the top, NAME in the place of names that people give
	Meaning string
	Unit    string
	Example string
	Default string // with ` around a value, else words
	Secret  bool
	Table   bool // has keys below it, which follow
}

// Describe lists keys, each followed by those below it.
func Describe[T any](keys []Key[T]) (out []Entry) {
	for _, k := range keys {
		e := Entry{
			Path: k.Name, Meaning: k.Meaning, Unit: cmp.Or(k.Unit, k.Value.Unit), Example: k.Example,
			Default: k.Without, Secret: k.Secret, Table: len(k.Value.Below) > 0,
		}
		if k.Default != "" {
			e.Default = "`" + k.Default + "`"
		}
		out = append(out, e)
		for _, below := range k.Value.Below {
			below.Path = Below(k.Name, below.Path)
			out = append(out, below)
		}
	}
	return out
}

// Show tells the value of each key that t holds.
func Show[T any](keys []Key[T], t *T, path string, each Each) {
	for _, k := range keys {
		if k.Value.Show != nil {
			k.Value.Show(t, Below(path, k.Name), each)
		}
	}
}

// preset reads the defaults into t.
func preset[T any](f *Faults, keys []Key[T], path string, t *T) {
	for _, k := range keys {
		if k.Default != "" {
			n := &Node{Form: FormScalar, Text: k.Default, At: "the default"}
			f.Note(n, Below(path, k.Name), k.Example, k.Value.Read(f, n, path, t))
		}
	}
}

// Names lists the names of keys.
func Names[T any](keys []Key[T]) (out []string) {
	for _, k := range keys {
		out = append(out, k.Name)
	}
	return out
}

// ReadTable reads the defaults and then the keys of a table into t; what is wrong
// goes to f.
func ReadTable[T any](f *Faults, n *Node, path string, keys []Key[T], t *T) {
	preset(f, keys, path, t)
	known := Names(keys)
	if n.Form != FormTable {
		if n.Form != FormEmpty {
			f.Refuse(n.At, path, "must have keys below it; known: %s", strings.Join(known, ", "))
		}
		return
	}
	for _, name := range n.Order {
		v, below := n.Table[name], Below(path, name)
		i := slices.Index(known, name)
		switch {
		case i < 0:
			f.Add(Placed(v.KeyAt, UnknownKey(path, name, known)))
		case v.Form == FormEmpty: // a key without a value is as good as none
		case strings.HasSuffix(name, "_file") && n.Has(strings.TrimSuffix(name, "_file")):
			f.Refuse(v.At, below, "is given beside %s; keep one of them", strings.TrimSuffix(name, "_file"))
		default:
			f.Note(v, below, keys[i].Example, keys[i].Value.Read(f, v, below, t))
		}
	}
}

// Note turns the error of a Read into a refusal with an example.
func (f *Faults) Note(n *Node, path, example string, err error) {
	if err != nil {
		f.Refuse(n.At, path, "%v; for example %s: %s", err, path[strings.LastIndexByte(path, '.')+1:], example)
	}
}

// Below is the path of a key in the table at a path.
func Below(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// UnknownKey refuses a key that the table at a path does not know, with the
// nearest of those that it does.
func UnknownKey(path, name string, known []string) error {
	if !LooksLikeKey(name) {
		return rules.FieldErrorf(path, "holds something that is no key; a colon needs a space after it; known: %s",
			strings.Join(known, ", "))
	}
	if near := rules.Nearest(name, known); len(near) > 0 {
		return rules.FieldErrorf(Below(path, name), "no such key; did you mean %s?", strings.Join(near, " or "))
	}
	return rules.FieldErrorf(Below(path, name), "no such key; known: %s", strings.Join(known, ", "))
}

var keyLike = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,30}$`)

// LooksLikeKey reports whether a text may be a mistyped key. Anything else may
// be a secret that slipped to the left of a colon, and is not repeated.
func LooksLikeKey(text string) bool { return keyLike.MatchString(text) }
