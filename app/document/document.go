// Package document reads YAML and JSON as people write them: measured before it
// is parsed, each value with its place, and the keys of its tables by a table of
// those there are. What a document is about is no affair of this package: the
// keys of the config, of rules and of their tests belong to who reads those.
package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/scanner"
	"github.com/goccy/go-yaml/token"

	"github.com/9bikes/tocsin/rules"
)

// The bounds of a YAML or JSON document. A parser takes some 400 bytes for each
// token, and for each level it calls itself.
const (
	mostDepth = 64
	// MostTokens are as many as a document may hold that people write by hand.
	MostTokens = 100_000
	// MostOfList are as many as a list may hold that a program may have written:
	// some 15,000 rules.
	MostOfList = 1_000_000
)

// Document is one document of a file.
type Document struct {
	file string
	body ast.Node // nil for an empty one
	json bool
}

// Parse takes YAML or JSON of at most so many tokens apart. Its errors name lines
// of the file and never quote them: a line may hold a secret.
func Parse(file string, text []byte, most int) ([]Document, error) {
	text, err := rules.PlainText(text)
	if err != nil {
		return nil, Placed(file, err)
	}
	isJSON := bytes.IndexAny(bytes.TrimSpace(text), "{[") == 0 && json.Valid(text)
	if isJSON { // YAML takes no tabs, JSON has them between values only
		text = bytes.ReplaceAll(text, []byte("\t"), []byte(" "))
	}
	if err := measure(file, text, most); err != nil {
		return nil, err
	}
	tree, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, yamlRefusal(file, err)
	}
	var out []Document
	for _, doc := range tree.Docs {
		out = append(out, Document{file, doc.Body, isJSON})
	}
	return out, nil
}

// Empty reports whether nothing is written in it.
func (d Document) Empty() bool { return d.body == nil }

// Place is where it begins.
func (d Document) Place() string { return placeOf(d.file, d.body.GetToken()) }

// Node returns the values of a document that is not empty, and refuses what is
// not written where it stands. Its error joins all that is wrong; the node is
// what could be read.
func (d Document) Node() (*Node, error) {
	b := builder{file: d.file}
	n := b.node(d.body)
	return n, errors.Join(b.errs...)
}

// Plain returns the values of a document without their places. A number stays
// the text that it was written as, so that 1.10 as a label is not 1.1; a null of
// YAML is a rules.Null.
func (d Document) Plain() any { return plain(d.body, d.json) }

// Check refuses a YAML or JSON document that another parser had better not read:
// nested too deep, too long, with aliases that multiply what they stand for, or
// broken.
func Check(file string, text []byte) error {
	docs, err := Parse(file, text, MostTokens)
	for _, doc := range docs {
		if !doc.Empty() {
			_, wrong := doc.Node()
			err = errors.Join(err, wrong)
		}
	}
	return err
}

// measure reads the tokens of a document one by one and keeps none of them.
func measure(file string, text []byte, most int) error {
	var s scanner.Scanner
	s.Init(string(text))
	var d depth
	for n := 0; ; {
		tokens, err := s.Scan()
		if errors.Is(err, io.EOF) || err != nil && len(tokens) == 0 {
			return nil // what is broken the parser tells
		}
		for _, t := range tokens {
			n++
			switch d.add(t); {
			case d.levels() > mostDepth:
				return Placed(placeOf(file, t),
					rules.Errorf(rules.Invalid, "is nested deeper than %d levels; is it the right file?", mostDepth))
			case n > most:
				return Placed(placeOf(file, t),
					rules.Errorf(rules.Invalid, "holds more than %d keys, values and marks; divide it, or is it the wrong file?",
						most))
			}
		}
	}
}

// depth is how deep a document is nested at a token.
type depth struct {
	flow    int   // brackets that are open
	columns []int // where the blocks begin that are open
	marks   int   // anchors and tags in a row: each nests the value after it
	last    int   // column of the token before
}

func (d *depth) levels() int { return d.flow + len(d.columns) + d.marks }

func (d *depth) add(t *token.Token) {
	column := t.Position.Column
	switch t.Type {
	case token.MappingStartType, token.SequenceStartType:
		d.flow++
	case token.MappingEndType, token.SequenceEndType:
		d.flow = max(0, d.flow-1)
	case token.SequenceEntryType, token.MappingKeyType:
		d.block(column)
	case token.MappingValueType:
		d.block(d.last) // where its key stands
	}
	switch t.Type {
	case token.AnchorType, token.TagType, token.AliasType:
		d.marks++
	case token.MappingValueType, token.SequenceEntryType, token.CollectEntryType:
		d.marks = 0
	}
	d.last = column
}

// block begins one at a column, which ends those that began there or later.
func (d *depth) block(column int) {
	if d.flow > 0 {
		return
	}
	for len(d.columns) > 0 && d.columns[len(d.columns)-1] >= column {
		d.columns = d.columns[:len(d.columns)-1]
	}
	d.columns = append(d.columns, column)
}

// plain turns YAML into values; rules reads numbers from texts.
func plain(from ast.Node, isJSON bool) any {
	switch from := from.(type) {
	case *ast.MappingNode:
		return plainTable(from.Values, isJSON)
	case *ast.MappingValueNode:
		return plainTable([]*ast.MappingValueNode{from}, isJSON)
	case *ast.SequenceNode:
		out := []any{}
		for _, item := range from.Values {
			out = append(out, plain(item, isJSON))
		}
		return out
	case *ast.NullNode:
		if text := from.GetToken().Value; text != "" && !isJSON {
			return rules.Null(text)
		}
		return nil
	case *ast.BoolNode:
		if text := from.GetToken().Value; text != strconv.FormatBool(from.Value) {
			return text // True, which may be a name
		}
		return from.Value
	case *ast.LiteralNode:
		return from.Value.Value
	}
	return from.GetToken().Value
}

func plainTable(pairs []*ast.MappingValueNode, isJSON bool) rules.Doc {
	out := rules.Doc{}
	for _, pair := range pairs {
		out[pair.Key.GetToken().Value] = plain(pair.Value, isJSON)
	}
	return out
}
