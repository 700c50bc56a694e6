package cli

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
)

// ruleFlags are the ways to write a rule on the command line.
type ruleFlags struct {
	file         string
	sets         []string
	above, below string
}

// keyFlag is a flag for one key of a rule, at its dotted path.
type keyFlag struct {
	name, path, about string
}

// keyFlags take one text; what it may be is for rules to say.
var keyFlags = []keyFlag{
	{"name", "name", "short name; made from the title if left out"},
	{"title", "title", "what is wrong when it fires"},
	{"source", "source", "source; may be left out when there is one"},
	{"measurement", "measurement", "measurement"},
	{"field", "field", "field"},
	{"type", "condition.type", "threshold, absence, change, forecast, expression or query"},
	{
		"aggregation", "condition.aggregation",
		"latest, mean, min, max, sum, count, first, stddev, spread, rate or p1 to p99",
	},
	{"window", "condition.window", "how far back each look goes"},
	{"operator", "condition.operator", "> >= < <= == != between or outside"},
	{"value", "condition.value", "number, text, or [low, high]"},
	{"recover", "condition.recover", "once firing, good only past this value"},
	{"stale-after", "condition.stale_after", "where the window holds no point, the last one counts until it is this old"},
	{"for", "for", "wrong for this long before it fires"},
	{"keep-firing-for", "keep_firing_for", "good for this long before it resolves"},
	{"every", "every", "how often: a duration or a cron spec"},
	{"zone", "zone", "time zone of a cron spec"},
	{"severity", "severity", "low, medium, high or critical"},
	{"cooldown", "cooldown", "at most one first message per series in this time"},
	{"no-data", "no_data", "keep, ok or alert"},
	{"summary", "summary", "text of the message, a template"},
	{"runbook", "runbook", "link to what to do"},
	{"enabled", "enabled", "true or false"},
}

// listFlags take several texts, repeated or with commas.
var listFlags = []keyFlag{
	{"group-by", "group_by", "one alert for each value of these tags: host,room, or '\"a,b\"' for one with a comma"},
	{"channel", "channels", "channel to tell (repeatable)"},
	{"depends-on", "depends_on", "rule that must be ok (repeatable)"},
	{"remind", "remind", "gaps between reminders: 30m,2h"},
}

// pairFlags take name=value, repeated.
var pairFlags = []keyFlag{
	{"where", "where", "tag=value that a series must have (repeatable)"},
	{"label", "labels", "name=value that the rule carries (repeatable)"},
}

func (f *ruleFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	for _, k := range keyFlags {
		flags.String(k.name, "", k.about)
	}
	for _, k := range listFlags {
		flags.StringArray(k.name, nil, k.about)
	}
	for _, k := range pairFlags {
		flags.StringArray(k.name, nil, k.about)
	}
	flags.StringVar(&f.above, "above", "", "short for --operator > --value")
	flags.StringVar(&f.below, "below", "", "short for --operator < --value")
	flags.StringVar(&f.file, "file", "", "YAML or JSON file of one rule, - for standard input")
	flags.StringArrayVar(&f.sets, "set", nil, "key=value for any key, dotted: condition.window=5m (repeatable)")
}

// doc puts the file, the flags and the --set together, each over the one
// before.
func (f *ruleFlags) doc(cmd *cobra.Command) (rules.Doc, error) {
	doc := rules.Doc{}
	if f.file != "" {
		var err error
		if doc, err = readDoc(cmd.InOrStdin(), f.file); err != nil {
			return nil, err
		}
	}
	for _, k := range keyFlags {
		if flag := cmd.Flags().Lookup(k.name); flag.Changed {
			text := flag.Value.String()
			if k.name == "value" {
				text = unquoted(text)
			}
			put(doc, k.path, inline(text))
		}
	}
	for _, k := range listFlags {
		if texts, err := cmd.Flags().GetStringArray(k.name); err == nil && cmd.Flags().Changed(k.name) {
			put(doc, k.path, listed(texts))
		}
	}
	return doc, errors.Join(f.putPairs(cmd, doc), f.putShorthand(cmd, doc), f.putSets(doc))
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

func (f *ruleFlags) putPairs(cmd *cobra.Command, doc rules.Doc) error {
	for _, k := range pairFlags {
		pairs, err := cmd.Flags().GetStringArray(k.name)
		if err != nil {
			return fmt.Errorf("read --%s: %w", k.name, err)
		}
		values := map[string][]any{}
		for _, pair := range pairs {
			name, value, ok := strings.Cut(pair, "=")
			if !ok || name == "" {
				return rules.FieldErrorf("--"+k.name, "must be name=value; got %q; for example --%s room=kitchen", pair, k.name)
			}
			values[name] = append(values[name], value)
		}
		for name, list := range values {
			into := nested(doc, k.path)
			if into[name] = list[0]; len(list) > 1 {
				into[name] = list
			}
		}
	}
	return nil
}

// putShorthand reads --above and --below.
func (f *ruleFlags) putShorthand(cmd *cobra.Command, doc rules.Doc) error {
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

func (f *ruleFlags) putSets(doc rules.Doc) error {
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
// with a colon, is the text.
func asWritten(text string) any {
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
