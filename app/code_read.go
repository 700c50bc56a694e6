package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/9bikes/tocsin/rules"
)

// RuleDoc is a rule as a file has it.
type RuleDoc struct {
	Doc  rules.Doc
	File string // as people named it

	node *node // where its keys stand; nil when they stand in no file
}

// ReadRules reads the rules of a YAML or JSON file: a list under rules, in
// each of its documents. Its errors name line and column.
func ReadRules(file string, text []byte) ([]RuleDoc, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if json.Valid(text) { // YAML takes no tabs, JSON has them between values only
		text = bytes.ReplaceAll(text, []byte("\t"), []byte(" "))
	}
	tree, err := parseDocument(file, text, mostRuleTokens)
	if err != nil {
		return nil, err
	}
	var out []RuleDoc
	found := false
	for _, doc := range tree.Docs {
		if doc.Body == nil {
			continue
		}
		found = true
		docs, err := readRuleList(file, doc.Body)
		if err != nil {
			return nil, err
		}
		out = append(out, docs...)
	}
	if !found {
		return nil, placed(file, rules.Errorf(rules.Invalid, "is empty; write rules: with a list of rules below, or rules: [] for none"))
	}
	return out, nil
}

// readRuleList reads one document.
func readRuleList(file string, body ast.Node) ([]RuleDoc, error) {
	root, err := growPlain(file, body)
	if err != nil {
		return nil, err
	}
	list := root.table["rules"]
	var errs []error
	for _, key := range root.order {
		if key != "rules" {
			errs = append(errs, placed(root.table[key].keyAt, strayKey(key, list != nil)))
		}
	}
	switch {
	case len(errs) > 0:
		return nil, errors.Join(errs...)
	case list == nil:
		return nil, placed(root.at, rules.FieldErrorf("rules", "is missing; write rules: with a list of rules below, or rules: [] for none"))
	case list.form != formList:
		return nil, placed(list.keyAt, rules.FieldErrorf("rules", "must be a list of rules, each with a - in front; write rules: [] for none"))
	}
	return rulesBelow(file, root, body)
}

// rulesBelow reads the list of rules in a document.
func rulesBelow(file string, root *node, body ast.Node) ([]RuleDoc, error) {
	var docs []RuleDoc
	var errs []error
	values, _ := plain(body).(rules.Doc)["rules"].([]any)
	for i, n := range root.table["rules"].list {
		doc, ok := values[i].(rules.Doc)
		if !ok || len(doc) == 0 {
			errs = append(errs, placed(n.at, rules.FieldErrorf("rules["+strconv.Itoa(i)+"]", "must be a rule, as keys with values; for example title: Freezer too warm")))
			continue
		}
		docs = append(docs, RuleDoc{Doc: doc, File: file, node: n})
	}
	return docs, errors.Join(errs...)
}

func strayKey(key string, list bool) error {
	for _, known := range rules.RuleKeys() {
		if key == known && !list {
			return rules.FieldErrorf(key, "belongs to a rule; put it into a list under rules: with a - in front")
		}
	}
	if near := rules.Nearest(key, []string{"rules"}); len(near) > 0 {
		return rules.FieldErrorf(key, "no such key; did you mean rules?")
	}
	return rules.FieldErrorf(key, "no such key; known: rules")
}

// plain turns YAML into values. A number stays the text that it was written
// as, so that 1.10 as a label is not 1.1; rules reads numbers from texts.
func plain(from ast.Node) any {
	switch from := from.(type) {
	case *ast.MappingNode:
		return plainTable(from.Values)
	case *ast.MappingValueNode:
		return plainTable([]*ast.MappingValueNode{from})
	case *ast.SequenceNode:
		out := []any{}
		for _, item := range from.Values {
			out = append(out, plain(item))
		}
		return out
	case *ast.NullNode:
		return nil
	case *ast.BoolNode:
		return from.Value
	case *ast.LiteralNode:
		return from.Value.Value
	case *ast.IntegerNode:
		if _, err := strconv.ParseFloat(from.GetToken().Value, 64); err != nil { // 0x1f, 1_000
			return from.Value
		}
	}
	return from.GetToken().Value
}

func plainTable(pairs []*ast.MappingValueNode) rules.Doc {
	out := rules.Doc{}
	for _, pair := range pairs {
		out[pair.Key.GetToken().Value] = plain(pair.Value)
	}
	return out
}

// placed puts the place of its field in front of each error that was joined
// into err.
func (d RuleDoc) placed(err error) error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // the layer itself is looked at
		var errs []error
		for _, e := range joined.Unwrap() {
			errs = append(errs, d.placed(e))
		}
		return errors.Join(errs...)
	}
	var ours *rules.Error
	if !errors.As(err, &ours) {
		return placed(d.place(""), err)
	}
	return placed(d.place(ours.Field), err)
}

// place says where the key at a path such as levels[0].value stands, or where
// the innermost table begins that should have it.
func (d RuleDoc) place(field string) string {
	if d.node == nil {
		return d.File
	}
	n, at := d.node, d.node.start()
	for field != "" {
		if n, field = n.step(field); n == nil {
			break
		}
		at = n.keyAt
	}
	return at
}

// start is where a value begins: a table at its first key.
func (n *node) start() string {
	if n.form == formTable && len(n.order) > 0 {
		return n.table[n.order[0]].keyAt
	}
	return n.at
}

// step goes one key or index along a path; nil where there is none.
func (n *node) step(path string) (next *node, rest string) {
	if n.form == formList {
		index, rest, _ := strings.Cut(strings.TrimPrefix(path, "["), "]")
		if i, err := strconv.Atoi(index); err == nil && i < len(n.list) {
			return n.list[i], strings.TrimPrefix(rest, ".")
		}
		return nil, ""
	}
	key := "" // the longest: a tag's name may have a dot
	for _, k := range n.order {
		after, ok := strings.CutPrefix(path, k)
		if ok && len(k) > len(key) && (after == "" || after[0] == '.' || after[0] == '[') {
			key = k
		}
	}
	return n.table[key], strings.TrimPrefix(strings.TrimPrefix(path, key), ".")
}
