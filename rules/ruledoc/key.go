package ruledoc

import (
	"cmp"
	"slices"
	"strings"

	"github.com/9bikes/tocsin/rules"
)

// key is one key of a table that is read into a T, and all that is said of it
// anywhere: parsing, flags, schemas and references are made of these.
type key[T any] struct {
	name    string
	meaning string // for who looks it up, in Markdown
	brief   string // for who has flags and schemas before them, without Markdown
	example string // a value that works
	preset  string // is read where the key is not given
	without string // what holds without it, in words, where no preset says so
	group   Group
	flag    string                            // what the flag is called where that does not follow from the path
	was     string                            // what the system that tocsin replaces calls it, which is taken too
	turn    func(rules.Doc, any) (any, error) // makes of a value of that name one of this
	alias   string                            // what others call it, parted by spaces, which is refused with its name
	// takers are the types of condition that have it: "threshold!" must be given
	// it, "change=1h" has that where it is not given.
	takers string
	kept   bool // tocsin itself keeps it, and nobody sets it
	value  value[T]
}

// Group is a heading that keys stand under.
type Group string

// The groups, in the order of their keys.
const (
	Measure Group = "What to measure"
	Judge   Group = "When it is wrong"
	Tell    Group = "Whom to tell"
)

// Form is how the value of a key is written, in words.
type Form string

// The forms of values.
const (
	TextForm        Form = "text"
	FlagForm        Form = "`true` or `false`"
	CountForm       Form = "whole number"
	NumberForm      Form = "number"
	DurationForm    Form = "duration"
	EveryForm       Form = "duration or cron spec"
	DurationsForm   Form = "list of durations"
	TextsForm       Form = "list of texts"
	ChoiceForm      Form = "one of"
	AggregationForm Form = "name of an aggregation"
	LimitForm       Form = "number, text or `[low, high]`"
	FilterForm      Form = "table of tags, each with a value or a list of values"
	LabelsForm      Form = "table of names and values"
	SeriesForm      Form = "list of tables of tags and values"
	TableForm       Form = "table"
	ListForm        Form = "list of tables"
	NamedForm       Form = "table of names, each with a table"
)

// Key is a key of a rule's document as doors and references have it.
type Key struct {
	Path    string // from the top: condition.inputs.NAME.window, levels[].value
	Name    string // its last part
	Meaning string // in Markdown
	Brief   string // in few words and plain
	Form    Form
	Choices []string // what it may be, of a ChoiceForm
	Example string   // a value that works
	Default string   // what holds without it: with ` around a value, else words
	Group   Group
	Flag    string                // the flag of a command line, "" for a key that has none
	Types   []rules.ConditionType // the conditions that have it; nil outside of a condition
	Needs   []rules.ConditionType // those that must be given it
	Below   []Key
}

// Written says how the value is written, in Markdown.
func (k Key) Written() string {
	if k.Form == ChoiceForm {
		return "`" + strings.Join(k.Choices, "`, `") + "`"
	}
	return string(k.Form)
}

// Keys are those of a rule that people set, in their usual order.
func Keys() []Key { return place(describe(ruleKeys), "", "", "") }

func describe[T any](keys []key[T]) (out []Key) {
	for _, k := range keys {
		if k.kept {
			continue
		}
		d := Key{
			Name: k.name, Meaning: k.meaning, Brief: k.brief, Form: k.value.form, Choices: k.value.choices,
			Example: k.example, Default: k.otherwise(), Group: k.group, Flag: k.flag, Below: k.value.below,
		}
		for _, t := range k.taken() {
			if !slices.Contains(Types, t.kind) {
				continue
			}
			d.Types = append(d.Types, t.kind)
			if t.must {
				d.Needs = append(d.Needs, t.kind)
			}
		}
		if k.takers == "" || len(d.Types) > 0 {
			out = append(out, d)
		}
	}
	return out
}

// place gives keys their paths, and the group and the flag that follow from them.
// Those of a list or of a table with names of people's own have no flags: the
// whole has one.
func place(keys []Key, path, flag string, group Group) []Key {
	out := slices.Clone(keys)
	for i := range out {
		k := &out[i]
		k.Path, k.Group = path+k.Name, cmp.Or(k.Group, group)
		if k.Flag = cmp.Or(k.Flag, dashed(flag+k.Name)); flag == noFlag || k.Form == TableForm {
			k.Flag = ""
		}
		switch k.Form {
		case TableForm:
			below := k.Name + "."
			if k.Name == "condition" {
				below = "" // where every key of a rule looks for its like
			}
			k.Below = place(k.Below, k.Path+".", below, k.Group)
		case ListForm:
			k.Below = place(k.Below, k.Path+"[].", noFlag, k.Group)
		case NamedForm:
			k.Below = place(k.Below, k.Path+".NAME.", noFlag, k.Group)
		}
	}
	return out
}

// noFlag stands for a place that flags do not reach.
const noFlag = "-"

func dashed(name string) string { return strings.NewReplacer("_", "-", ".", "-").Replace(name) }

// needed is the default of a key that has none and must be given.
const needed = "needed"

// otherwise says what holds without the key.
func (k key[T]) otherwise() string {
	if k.preset != "" {
		return "`" + k.preset + "`"
	}
	var presets []string
	of := map[string][]string{}
	for _, t := range k.taken() {
		if t.must {
			return needed
		}
		if t.preset == "" || !slices.Contains(Types, t.kind) {
			continue
		}
		if of[t.preset] == nil {
			presets = append(presets, t.preset)
		}
		of[t.preset] = append(of[t.preset], string(t.kind))
	}
	for i, preset := range presets {
		presets[i] = "`" + preset + "`"
		if i > 0 {
			presets[i] += " for " + strings.Join(of[preset], ", ")
		}
	}
	return cmp.Or(strings.Join(presets, ", "), k.without, "none")
}

// Each calls f with every key, those below another behind it.
func Each(keys []Key, f func(Key)) {
	for _, k := range keys {
		f(k)
		Each(k.Below, f)
	}
}

// Names lists the names of the keys of a rule.
func Names() []string { return names(ruleKeys) }

// OldNames are those that the system which tocsin replaces has for some keys.
func OldNames() (out []string) {
	for _, k := range ruleKeys {
		if k.was != "" {
			out = append(out, k.was)
		}
	}
	return out
}

// Types are the conditions that people can write.
var Types = []rules.ConditionType{
	rules.Threshold, rules.Absence, rules.Change, rules.Forecast, rules.Anomaly, rules.Expression, rules.Query,
}

func names[T any](keys []key[T]) (out []string) {
	for _, k := range keys {
		if !k.kept {
			out = append(out, k.name)
		}
	}
	return out
}

// taker is a type of condition that has a key.
type taker struct {
	kind   rules.ConditionType
	must   bool
	preset string
}

func (k key[T]) taken() (out []taker) {
	for word := range strings.FieldsSeq(k.takers) {
		name, preset, _ := strings.Cut(word, "=")
		kind, must := strings.CutSuffix(name, "!")
		out = append(out, taker{rules.ConditionType(kind), must, preset})
	}
	return out
}

// by is what a type of condition makes of the key.
func (k key[T]) by(kind rules.ConditionType) (taker, bool) {
	all := k.taken()
	i := slices.IndexFunc(all, func(t taker) bool { return t.kind == kind })
	if i < 0 {
		return taker{}, false
	}
	return all[i], true
}
