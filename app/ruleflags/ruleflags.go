// Package ruleflags writes a rule on a command line: with a flag for each of its
// keys, with --set, from a file. It is the part of app/cli that does; what a key
// may be is for rules to say.
package ruleflags

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/app/document"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

// Flags are the ways to write a rule on the command line.
type Flags struct {
	keys         []*keyFlag
	file         string
	sets         []string
	above, below string
}

// keyFlag is the flag of one key of a rule; what it may be is for rules to say.
type keyFlag struct {
	ruledoc.Key
	given []string
}

// String is empty: without the flag nothing is said of the key.
func (f *keyFlag) String() string { return "" }

// Set takes a value; of a key that has several, one more.
func (f *keyFlag) Set(text string) error {
	if !f.repeats() {
		f.given = nil
	}
	f.given = append(f.given, text)
	return nil
}

// repeats reports whether the flag can be given several times.
func (f *keyFlag) repeats() bool {
	switch f.Form {
	case ruledoc.TextsForm, ruledoc.DurationsForm, ruledoc.FilterForm, ruledoc.LabelsForm:
		return true
	}
	return false
}

// Type is what help calls the value.
func (f *keyFlag) Type() string {
	switch f.Form {
	case ruledoc.FlagForm:
		return "true|false"
	case ruledoc.CountForm, ruledoc.NumberForm:
		return "number"
	case ruledoc.DurationForm:
		return "duration"
	case ruledoc.DurationsForm:
		return "durations"
	case ruledoc.LimitForm:
		return "value"
	case ruledoc.FilterForm, ruledoc.LabelsForm:
		return "name=value"
	case ruledoc.SeriesForm, ruledoc.ListForm, ruledoc.NamedForm:
		return "yaml"
	}
	return "text"
}

// about says of the key what help says.
func (f *keyFlag) about() string {
	switch {
	case f.Form == ruledoc.ChoiceForm:
		return f.Brief + ": " + strings.Join(f.Choices, " ")
	case f.Type() == "yaml":
		return f.Brief + ": '" + f.Example + "'"
	case f.repeats():
		return f.Brief + " (repeatable)"
	}
	return f.Brief
}

// Register gives a command the flags; its help has them in groups.
func (f *Flags) Register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	ruledoc.Each(ruledoc.Keys(), func(k ruledoc.Key) {
		if k.Flag == "" {
			return
		}
		flag := &keyFlag{Key: k}
		f.keys = append(f.keys, flag)
		flags.Var(flag, k.Flag, flag.about())
		headed(flags, string(k.Group), k.Flag)
		if len(k.Choices) > 0 {
			completes(cmd, k.Flag, k.Choices)
		}
	})
	flags.StringVar(&f.above, "above", "", "short for --operator > --value")
	flags.StringVar(&f.below, "below", "", "short for --operator < --value")
	headed(flags, string(ruledoc.Judge), "above", "below")
	flags.StringVar(&f.file, "file", "", "YAML or JSON file of one rule, - for standard input")
	flags.StringArrayVar(&f.sets, "set", nil, "key=value for any key, dotted: condition.window=5m (repeatable)")
	headed(flags, "All of it", "file", "set")
	cmd.SetUsageFunc(usageByGroup)
}

// Doc puts the file, the flags and the --set together, each over the one
// before.
func (f *Flags) Doc(cmd *cobra.Command) (rules.Doc, error) {
	doc := rules.Doc{}
	if f.file != "" {
		var err error
		if doc, err = readDoc(cmd.InOrStdin(), f.file); err != nil {
			return nil, err
		}
	}
	var errs []error
	for _, k := range f.keys {
		if cmd.Flags().Changed(k.Flag) {
			errs = append(errs, k.put(doc))
		}
	}
	return doc, errors.Join(errors.Join(errs...), f.putShorthand(cmd, doc), f.putSets(doc))
}

// Advise adds to refusals of a document that flags alone made how the limit that it
// lacks is given.
func (f *Flags) Advise(doc rules.Doc, err error) error {
	all := rules.Joined(err)
	for i, e := range all {
		var ours *rules.Error
		if f.file == "" && errors.As(e, &ours) && lacks(doc, ours.Field) {
			advised := *ours
			advised.Text += "; as a flag: --above 25"
			all[i] = &advised
		}
	}
	return errors.Join(all...)
}

// lacks reports whether a field is what --above gives, and not given.
func lacks(doc rules.Doc, field string) bool {
	condition, given := doc["condition"].(rules.Doc)
	switch field {
	case "condition":
		return !given
	case "condition.operator":
		return condition["operator"] == nil
	case "condition.value":
		return condition["value"] == nil
	}
	return false
}

// put sets the key of the flag to what was given.
func (f *keyFlag) put(doc rules.Doc) error {
	switch text := f.given[0]; f.Form {
	case ruledoc.TextsForm, ruledoc.DurationsForm:
		put(doc, f.Path, listed(f.given))
	case ruledoc.FilterForm, ruledoc.LabelsForm:
		return f.putPairs(doc)
	case ruledoc.SeriesForm, ruledoc.ListForm, ruledoc.NamedForm:
		put(doc, f.Path, asWritten(text))
	case ruledoc.LimitForm:
		put(doc, f.Path, inline(unquoted(text)))
	default:
		put(doc, f.Path, text)
	}
	return nil
}

// listed reads lists with commas between their texts. A text that holds one stands in
// quotes, as in a CSV file; what is no such list is one text.
func listed(texts []string) []any {
	out := []any{}
	for _, text := range texts {
		items, err := csv.NewReader(strings.NewReader(text)).Read()
		if err != nil {
			items = []string{text}
		}
		for _, item := range items {
			out = append(out, item)
		}
	}
	return out
}

// inline reads [2, 8] as a list and leaves every other text as it is.
func inline(text string) any {
	if strings.HasPrefix(text, "[") {
		if list, ok := asWritten(text).([]any); ok {
			return list
		}
	}
	return text
}

// unquoted takes off the quotes that a person puts around a text who means the
// text, as in a file; the shell has left them.
func unquoted(text string) string {
	var inner string
	if strings.HasPrefix(text, `"`) && json.Unmarshal([]byte(text), &inner) == nil {
		return inner
	}
	return text
}

// putPairs puts name=value pairs into the table of the key; a name that comes
// again has a list.
func (f *keyFlag) putPairs(doc rules.Doc) error {
	values := map[string][]any{}
	for _, pair := range f.given {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return rules.FieldErrorf("--"+f.Flag, "must be name=value; got %q; for example --%s room=kitchen", pair, f.Flag)
		}
		values[name] = append(values[name], value)
	}
	into := nested(doc, f.Path)
	for name, list := range values {
		if into[name] = list[0]; len(list) > 1 {
			into[name] = list
		}
	}
	return nil
}

// putShorthand reads --above and --below.
func (f *Flags) putShorthand(cmd *cobra.Command, doc rules.Doc) error {
	for _, s := range []struct{ flag, value, operator string }{{"above", f.above, ">"}, {"below", f.below, "<"}} {
		if !cmd.Flags().Changed(s.flag) {
			continue
		}
		for _, other := range []string{"above", "below", "operator", "value"} {
			if other != s.flag && cmd.Flags().Changed(other) {
				return rules.Errorf(rules.Invalid, "--%s and --%s both say when it is wrong; use one of them; for a range "+
					"--operator outside --value '[2, 8]'", s.flag, other)
			}
		}
		put(doc, "condition.operator", s.operator)
		put(doc, "condition.value", s.value)
	}
	return nil
}

func (f *Flags) putSets(doc rules.Doc) error {
	for _, set := range f.sets {
		path, text, ok := strings.Cut(set, "=")
		if !ok || path == "" {
			return rules.FieldErrorf("--set", "must be key=value; got %q; for example --set condition.window=5m", set)
		}
		put(doc, path, asWritten(text))
	}
	return nil
}

// asWritten reads a value as a file would have it; what is no YAML, such as a text
// with a colon, is the text, and so is what would begin a block of lines.
func asWritten(text string) any {
	if strings.HasPrefix(text, ">") || strings.HasPrefix(text, "|") {
		return text
	}
	docs, err := document.Parse("", []byte(text), document.MostTokens)
	if err != nil || len(docs) != 1 || docs[0].Empty() {
		return text
	}
	if _, err := docs[0].Node(); err != nil {
		return text
	}
	return docs[0].Plain()
}

// put sets the key at a dotted path.
func put(doc rules.Doc, path string, v any) {
	if at := strings.LastIndexByte(path, '.'); at >= 0 {
		doc, path = nested(doc, path[:at]), path[at+1:]
	}
	doc[path] = v
}

// nested returns the table at a dotted path, made where there is none.
func nested(doc rules.Doc, path string) rules.Doc {
	for key := range strings.SplitSeq(path, ".") {
		inner, ok := doc[key].(rules.Doc)
		if !ok {
			inner = rules.Doc{}
			doc[key] = inner
		}
		doc = inner
	}
	return doc
}

const maxDoc = 1 << 20

// readDoc reads the YAML or JSON document of one rule.
func readDoc(in io.Reader, path string) (rules.Doc, error) {
	shown := path
	if path == "-" {
		shown = "standard input"
	} else {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return nil, rules.FieldErrorf("--file",
				"%s is a directory; give the file of one rule; for example --file freezer.yaml", path)
		}
		file, err := os.Open(path)
		if err != nil {
			return nil, rules.FieldErrorf("--file",
				"%s cannot be opened: %v; for example --file freezer.yaml, or - for standard input", path, rules.Cause(err))
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxDoc+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", shown, err)
	}
	if len(text) > maxDoc {
		return nil, rules.FieldErrorf("--file", "%s is larger than 1 MB; give the file of one rule", shown)
	}
	docs, err := document.Parse(shown, text, document.MostTokens)
	if err != nil {
		return nil, err
	}
	docs = slices.DeleteFunc(docs, document.Document.Empty)
	if len(docs) > 1 {
		return nil, rules.FieldErrorf("--file", "%s holds %d rules, apart by ---, and this takes one; `tocsin rules apply` "+
			"takes a list of them under rules:", shown, len(docs))
	}
	if len(docs) == 1 {
		if _, err := docs[0].Node(); err != nil {
			return nil, err
		}
		if table, ok := docs[0].Plain().(rules.Doc); ok && len(table) > 0 {
			return table, nil
		}
	}
	return nil, rules.FieldErrorf("--file",
		"%s must hold one rule, as keys with values; for example title: Freezer too warm", shown)
}
