package ruleset

import (
	"errors"
	"strconv"

	"github.com/9bikes/tocsin/app/document"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

// Doc is a rule as a file has it.
type Doc struct {
	Doc  rules.Doc
	File string // as people named it

	node *document.Node // where its keys stand; nil when they stand in no file
}

// Read reads the rules of a YAML or JSON file: a list under rules, in
// each of its documents. Its errors name line and column.
func Read(file string, text []byte) ([]Doc, error) {
	parts, err := document.Parse(file, text, document.MostOfList)
	if err != nil {
		return nil, err
	}
	var out []Doc
	found := false
	for _, part := range parts {
		if part.Empty() {
			continue
		}
		found = true
		docs, err := readRuleList(file, part)
		if err != nil {
			return nil, err
		}
		out = append(out, docs...)
	}
	if !found {
		return nil, document.Placed(file,
			rules.Errorf(rules.Invalid, "is empty; write rules: with a list of rules below, or rules: [] for none"))
	}
	return out, nil
}

// readRuleList reads one document.
func readRuleList(file string, part document.Document) ([]Doc, error) {
	root, err := part.Node()
	if err != nil {
		return nil, err
	}
	list := root.Table["rules"]
	var errs []error
	for _, key := range root.Order {
		if key != "rules" {
			errs = append(errs, document.Placed(root.Table[key].KeyAt, strayKey(key, list != nil)))
		}
	}
	switch {
	case len(errs) > 0:
		return nil, errors.Join(errs...)
	case list == nil:
		return nil, document.Placed(root.At,
			rules.FieldErrorf("rules", "is missing; write rules: with a list of rules below, or rules: [] for none"))
	case list.Form != document.FormList:
		return nil, document.Placed(list.KeyAt,
			rules.FieldErrorf("rules", "must be a list of rules, each with a - in front; write rules: [] for none"))
	}
	return rulesBelow(file, root, part)
}

// rulesBelow reads the list of rules in a document.
func rulesBelow(file string, root *document.Node, part document.Document) ([]Doc, error) {
	var docs []Doc
	var errs []error
	values, _ := part.Plain().(rules.Doc)["rules"].([]any)
	for i, n := range root.Table["rules"].List {
		doc, ok := values[i].(rules.Doc)
		if !ok || len(doc) == 0 {
			errs = append(errs, document.Placed(n.At,
				rules.FieldErrorf("rules["+strconv.Itoa(i)+"]",
					"must be a rule, as keys with values; for example title: Freezer too warm")))
			continue
		}
		docs = append(docs, Doc{Doc: doc, File: file, node: n})
	}
	return docs, errors.Join(errs...)
}

func strayKey(key string, list bool) error {
	for _, known := range ruledoc.Names() {
		if key == known && !list {
			return rules.FieldErrorf(key, "belongs to a rule; put it into a list under rules: with a - in front")
		}
	}
	if near := rules.Nearest(key, []string{"rules"}); len(near) > 0 {
		return rules.FieldErrorf(key, "no such key; did you mean rules?")
	}
	return rules.FieldErrorf(key, "no such key; known: rules")
}

// placed puts the place of its field in front of each error that was joined
// into err.
func (d Doc) placed(err error) error {
	all := rules.Joined(err)
	for i, e := range all {
		field := ""
		if ours := (*rules.Error)(nil); errors.As(e, &ours) {
			field = ours.Field
		}
		all[i] = document.Placed(d.place(field), e)
	}
	if len(all) == 1 {
		return all[0]
	}
	return errors.Join(all...)
}

// place says where the key at a path such as levels[0].value stands, or where
// the innermost table begins that should have it.
func (d Doc) place(field string) string {
	if d.node == nil {
		return d.File
	}
	return d.node.Place(field)
}
