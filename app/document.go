package app

import (
	"errors"
	"io"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/scanner"
	"github.com/goccy/go-yaml/token"

	"github.com/9bikes/tocsin/rules"
)

// The bounds of a YAML or JSON document. A parser takes some 400 bytes for each
// token, and for each level it calls itself.
const (
	mostDepth      = 64
	mostTokens     = 100_000
	mostRuleTokens = 1_000_000 // of a file of rules: some 15,000 of them
)

// CheckDocument refuses a YAML or JSON document that another parser had better
// not read: nested too deep, too long, with aliases that multiply what they
// stand for, or broken.
func CheckDocument(file string, text []byte) error {
	tree, err := parseDocument(file, text, mostTokens)
	if err != nil {
		return err
	}
	for _, doc := range tree.Docs {
		if doc.Body != nil {
			_, wrong := growPlain(file, doc.Body)
			err = errors.Join(err, wrong)
		}
	}
	return err
}

// parseDocument parses YAML or JSON of at most so many tokens.
func parseDocument(file string, text []byte, most int) (*ast.File, error) {
	if err := measure(file, text, most); err != nil {
		return nil, err
	}
	tree, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, yamlRefusal(file, err)
	}
	return tree, nil
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
				return placed(placeOf(file, t),
					rules.Errorf(rules.Invalid, "is nested deeper than %d levels; is it the right file?", mostDepth))
			case n > most:
				return placed(placeOf(file, t),
					rules.Errorf(rules.Invalid, "holds more than %d keys, values and marks; divide it, or is it the wrong file?", most))
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
