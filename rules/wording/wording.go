// Package wording runs the templates that people write for their messages: Go
// templates over plain data that end in bounded time, write a bounded text and
// name nothing that is not there. What the data is, its users say.
package wording

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template"
	"text/template/parse"
)

// Limit bounds what a template may write, in bytes.
const Limit = 4096

// Template is one that has been parsed.
type Template struct{ t *template.Template }

// Data is all that a template can see: texts, numbers, nil for what is not
// known, maps and lists of these; no methods.
type Data = map[string]any

// Open is a map of texts of which more names may come than stand in it.
type Open map[string]string

// Parse reads a template that ends in bounded time: it calls no other template,
// and loops over data alone, at most one loop within another.
func Parse(text string) (*Template, error) {
	t, err := template.New("").Funcs(functions).Parse(text)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(plain(err), "template: :"))
	}
	if len(t.Templates()) > 1 {
		return nil, errors.New("define and block are not for these templates")
	}
	return &Template{t}, checkBounds(root(t), 0)
}

// root is the parsed tree of a template; nil when it is empty.
func root(t *template.Template) *parse.ListNode {
	if t.Tree == nil {
		return nil
	}
	return t.Root
}

// Text runs the template. For what is not known unknown is written, by printf a
// question mark, and what is longer than Limit is cut.
func (t *Template) Text(data Data, unknown string) (string, error) {
	var b bounded
	if err := t.t.Execute(&b, data); err != nil && !errors.Is(err, errFull) {
		return "", toThePoint(err)
	}
	return strings.ReplaceAll(b.String(), "<no value>", unknown), nil
}

// executing is what the library says before it comes to the point.
var executing = regexp.MustCompile(`^template: :?[0-9:]* executing "" at |error calling [a-z]+: `)

func toThePoint(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(executing.ReplaceAllString(plain(err), ""))
}

func plain(err error) string { return strings.ReplaceAll(err.Error(), "\n", " ") }

var errFull = errors.New("the text is too long")

// bounded is a writer that takes Limit bytes and no more.
type bounded struct{ strings.Builder }

// Write takes what fits.
func (b *bounded) Write(p []byte) (int, error) {
	if room := Limit - b.Len(); len(p) > room {
		b.WriteString(strings.ToValidUTF8(string(p[:room]), ""))
		return room, errFull
	}
	return b.Builder.Write(p)
}

const deepestLoop = 2

// checkBounds walks a parsed template for what could make it run for long.
func checkBounds(node parse.Node, loops int) error {
	switch n := node.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, child := range n.Nodes {
			if err := checkBounds(child, loops); err != nil {
				return err
			}
		}
	case *parse.IfNode:
		return errors.Join(checkBounds(n.List, loops), checkBounds(n.ElseList, loops))
	case *parse.WithNode:
		return errors.Join(checkBounds(n.List, loops), checkBounds(n.ElseList, loops))
	case *parse.RangeNode:
		if loops == deepestLoop || !overData(n.Pipe) {
			return fmt.Errorf("range must be over the data itself, such as .labels, and at most %d deep", deepestLoop)
		}
		return errors.Join(checkBounds(n.List, loops+1), checkBounds(n.ElseList, loops))
	case *parse.TemplateNode:
		return errors.New("template is not for these templates")
	}
	return nil
}

// overData reports whether a loop is over a value that was handed in: a number
// would make it as long as one likes.
func overData(pipe *parse.PipeNode) bool {
	if len(pipe.Cmds) != 1 || len(pipe.Cmds[0].Args) != 1 {
		return false
	}
	switch n := pipe.Cmds[0].Args[0].(type) {
	case *parse.FieldNode:
		return true
	case *parse.VariableNode:
		return len(n.Ident) > 1
	}
	return false
}
