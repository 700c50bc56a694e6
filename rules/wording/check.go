package wording

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/template/parse"
)

// UnknownError is a name that the data does not have.
type UnknownError struct {
	In    string   // what it was looked for in, ".labels" or nothing
	Name  string   // "sensr"
	Known []string // the names that are there
}

// Error names it.
func (e *UnknownError) Error() string { return fmt.Sprintf("knows no %s.%s", e.In, e.Name) }

// Check tries the template on a sample: each name must be there, also on the
// ways that the sample does not take, and all of it must be written. The error
// of a name is an UnknownError.
func (t *Template) Check(sample Data) error {
	if err := checkNames(root(t.t), sample, sample); err != nil {
		return err
	}
	if _, err := t.Text(sample, ""); err != nil {
		return err
	}
	r := root(t.t)
	if r == nil {
		return nil
	}
	whole, err := t.t.Clone()
	if err != nil {
		return err
	}
	ways := r.CopyList()
	bothWays(ways)
	if whole, err = whole.AddParseTree("", &parse.Tree{Root: ways}); err != nil {
		return err
	}
	return toThePoint(whole.Execute(io.Discard, sample))
}

// bothWays writes the conditions of a list and both their ways one after the
// other. One that names a variable stays: its ways need it.
func bothWays(list *parse.ListNode) {
	for i := 0; i < len(list.Nodes); i++ {
		switch n := list.Nodes[i].(type) {
		case *parse.IfNode:
			if len(n.Pipe.Decl) > 0 {
				continue
			}
			condition := &parse.ActionNode{NodeType: parse.NodeAction, Pos: n.Pos, Line: n.Line, Pipe: n.Pipe}
			ways := append([]parse.Node{condition}, n.List.Nodes...)
			if n.ElseList != nil {
				ways = append(ways, n.ElseList.Nodes...)
			}
			list.Nodes = slices.Replace(list.Nodes, i, i+1, ways...)
		case *parse.RangeNode:
			bothWays(n.List)
		case *parse.WithNode:
			bothWays(n.List)
		}
	}
}

// checkNames looks up each field that is named in a node, where dot and the
// whole are what a sample has there; nil is not known.
func checkNames(node parse.Node, dot, whole any) error {
	switch n := node.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		var errs []error
		for _, child := range n.Nodes {
			errs = append(errs, checkNames(child, dot, whole))
		}
		return errors.Join(errs...)
	case *parse.ActionNode:
		return checkNames(n.Pipe, dot, whole)
	case *parse.PipeNode:
		return checkPipe(n, dot, whole)
	case *parse.IfNode:
		return errors.Join(checkNames(n.Pipe, dot, whole), checkNames(n.List, dot, whole),
			checkNames(n.ElseList, dot, whole))
	case *parse.WithNode:
		return errors.Join(checkNames(n.Pipe, dot, whole), checkNames(n.List, piped(n.Pipe, dot, whole), whole),
			checkNames(n.ElseList, dot, whole))
	case *parse.RangeNode:
		return errors.Join(checkNames(n.Pipe, dot, whole), checkNames(n.List, first(piped(n.Pipe, dot, whole)), whole),
			checkNames(n.ElseList, dot, whole))
	}
	return nil
}

func checkPipe(pipe *parse.PipeNode, dot, whole any) error {
	for _, command := range pipe.Cmds {
		for _, arg := range command.Args {
			var err error
			switch n := arg.(type) {
			case *parse.FieldNode:
				_, err = look(dot, "", n.Ident)
			case *parse.VariableNode:
				if n.Ident[0] == "$" {
					_, err = look(whole, "$", n.Ident[1:])
				}
			case *parse.PipeNode:
				err = checkPipe(n, dot, whole)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// piped is what a pipe of a single name gives; nil when that is not known.
func piped(pipe *parse.PipeNode, dot, whole any) any {
	if len(pipe.Cmds) != 1 || len(pipe.Cmds[0].Args) != 1 {
		return nil
	}
	var value any
	switch n := pipe.Cmds[0].Args[0].(type) {
	case *parse.DotNode:
		value = dot
	case *parse.FieldNode:
		value, _ = look(dot, "", n.Ident)
	case *parse.VariableNode:
		if n.Ident[0] == "$" {
			value, _ = look(whole, "$", n.Ident[1:])
		}
	}
	return value
}

// first is what a loop's dot is.
func first(list any) any {
	if items, ok := list.([]any); ok && len(items) > 0 {
		return items[0]
	}
	return nil
}

// look follows names from a value; what is no map of ours is not known.
func look(from any, path string, names []string) (any, error) {
	for _, name := range names {
		known := map[string]any{}
		switch at := from.(type) {
		case Data:
			known = at
		case map[string]string:
			for key, value := range at {
				known[key] = value
			}
		default:
			return nil, nil
		}
		value, ok := known[name]
		if !ok {
			return nil, &UnknownError{In: path, Name: name, Known: slices.Sorted(maps.Keys(known))}
		}
		from, path = value, path+"."+name
	}
	return from, nil
}
