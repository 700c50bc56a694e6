package document

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/9bikes/tocsin/rules"
)

// Node is one value of a document and where it was read.
type Node struct {
	At    string // the place of the value, for errors
	KeyAt string // the place of its key
	Form  Form
	Text  string           // of a scalar
	List  []*Node          // of a list
	Table map[string]*Node // of a table
	Order []string         // the keys of the table as they were written
	Env   bool             // from the environment: a path in it is no file's
}

// Form is what a value looks like.
type Form uint8

// The forms of a value. A key without a value is FormEmpty.
const (
	FormEmpty Form = iota
	FormScalar
	FormList
	FormTable
)

// NewTable returns an empty table that stands at a place.
func NewTable(at string) *Node {
	return &Node{At: at, KeyAt: at, Form: FormTable, Table: map[string]*Node{}}
}

// Set gives a key a value; whatever the node was, it is a table then.
func (n *Node) Set(key string, v *Node) {
	if n.Form != FormTable {
		n.Form, n.Table, n.Order = FormTable, map[string]*Node{}, nil
	}
	if n.Table[key] == nil {
		n.Order = append(n.Order, key)
	}
	n.Table[key] = v
}

// Has reports whether a key was given a value.
func (n *Node) Has(key string) bool {
	v := n.Table[key]
	return v != nil && v.Form != FormEmpty
}

// Start is where a value begins: a table at its first key.
func (n *Node) Start() string {
	if n.Form == FormTable && len(n.Order) > 0 {
		return n.Table[n.Order[0]].KeyAt
	}
	return n.At
}

// Place says where the key at a path such as levels[0].value stands, or where
// the innermost table begins that should have it.
func (n *Node) Place(path string) string {
	at := n.Start()
	for path != "" {
		if n, path = n.step(path); n == nil {
			break
		}
		at = n.KeyAt
	}
	return at
}

// step goes one key or index along a path; nil where there is none.
func (n *Node) step(path string) (next *Node, rest string) {
	if n.Form == FormList {
		index, rest, _ := strings.Cut(strings.TrimPrefix(path, "["), "]")
		if i, err := strconv.Atoi(index); err == nil && i < len(n.List) {
			return n.List[i], strings.TrimPrefix(rest, ".")
		}
		return nil, ""
	}
	key := "" // the longest: a tag's name may have a dot
	for _, k := range n.Order {
		after, ok := strings.CutPrefix(path, k)
		if ok && len(k) > len(key) && (after == "" || after[0] == '.' || after[0] == '[') {
			key = k
		}
	}
	return n.Table[key], strings.TrimPrefix(strings.TrimPrefix(path, key), ".")
}

// builder makes nodes of the values of a file and collects what is wrong.
type builder struct {
	file string
	errs []error
}

// Placed puts the place of what is wrong in front of the error.
func Placed(at string, err error) error { return fmt.Errorf("%s: %w", at, err) }

func placeOf(path string, t *token.Token) string {
	if t == nil || t.Position == nil {
		return path
	}
	return fmt.Sprintf("%s: line %d, column %d", path, t.Position.Line, t.Position.Column)
}

// syntax tells the cures of broken YAML by a part of the parser's message,
// which itself may quote the file.
var syntax = []struct{ part, cure string }{
	{"already defined", "the same key stands twice; keep one of them"},
	{"unexpected key name", "a key without a value; a colon needs a space after it, for example token: abc"},
	{"quoted text", "a quote is not closed"},
	{
		"mapping value is not allowed",
		"a colon where none is expected; indent with the same number of spaces, and put a value with a colon in quotes",
	},
	{"value is not allowed", "the indentation does not fit the lines above; use the same number of spaces"},
	{"cannot start any token", "a tab or a special character; indent with spaces, and put a value that begins with a " +
		"special character in quotes"},
	{"reserved character", "a value that begins with @ or ` must be in quotes"},
	{"end token '}'", "a { is not closed"},
	{"end token ']'", "a [ is not closed"},
	{"escape", "a backslash in double quotes begins an escape; use single quotes"},
}

func yamlRefusal(path string, err error) error {
	at, cure := path, "is not valid YAML here; check indentation, colons and quotes"
	var broken yaml.Error
	if errors.As(err, &broken) {
		at = placeOf(path, broken.GetToken())
		for _, s := range syntax {
			if strings.Contains(broken.GetMessage(), s.part) {
				cure = s.cure
				break
			}
		}
	}
	return Placed(at, rules.Errorf(rules.Invalid, "%s", cure))
}

// node turns one YAML value into a node.
func (b *builder) node(from ast.Node) *Node {
	at := placeOf(b.file, from.GetToken())
	n := &Node{At: at, KeyAt: at}
	switch from := from.(type) {
	case *ast.NullNode:
	case *ast.MappingNode:
		b.table(n, from.Values)
	case *ast.MappingValueNode:
		b.table(n, []*ast.MappingValueNode{from})
	case *ast.SequenceNode:
		n.Form = FormList
		for _, item := range from.Values {
			n.List = append(n.List, b.node(item))
		}
	case *ast.LiteralNode:
		n.Form, n.Text = FormScalar, from.Value.Value
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		b.special(at)
	case ast.ScalarNode:
		n.Form, n.Text = FormScalar, from.GetToken().Value
	default:
		b.special(at)
	}
	return n
}

func (b *builder) special(at string) {
	b.refuse(at,
		"anchors, aliases, merges and tags are not used here; a value that begins with & * or ! must be in quotes")
}

// mostFaults is how many are told of one document.
const mostFaults = 50

func (b *builder) refuse(at, text string) {
	if len(b.errs) < mostFaults {
		b.errs = append(b.errs, Placed(at, rules.Errorf(rules.Invalid, "%s", text)))
	}
}

func (b *builder) table(n *Node, pairs []*ast.MappingValueNode) {
	n.Form, n.Table = FormTable, map[string]*Node{}
	for _, pair := range pairs {
		v, key := b.node(pair.Value), pair.Key.GetToken()
		v.KeyAt = placeOf(b.file, key)
		switch pair.Key.(type) {
		case *ast.MergeKeyNode, *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
			b.special(v.KeyAt)
			continue
		}
		if n.Table[key.Value] != nil {
			b.refuse(v.KeyAt, "the same key stands twice; keep one of them")
			continue
		}
		n.Set(key.Value, v)
	}
}
