package mcp

import (
	"slices"
	"strings"

	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

// createKeys are the keys of a rule, with what a model has to know of each.
func createKeys() []property { return ruleKeys(ruledoc.Keys()) }

// otherKeys are those of some groups, else all, at the tools that take them too: there is one
// place that explains them, which costs a model less to read.
func otherKeys(groups ...ruledoc.Group) (out []property) {
	for _, k := range ruledoc.Keys() {
		if len(groups) == 0 || slices.Contains(groups, k.Group) {
			out = append(out, property{name: k.Name, kind: kindOf(k.Form), enum: k.Choices})
		}
	}
	return out
}

func ruleKeys(keys []ruledoc.Key) (out []property) {
	for _, k := range keys {
		p := property{name: k.Name, kind: kindOf(k.Form), about: aboutKey(k), enum: k.Choices}
		if k.Form != ruledoc.NamedForm {
			p.keys = ruleKeys(k.Below)
		}
		out = append(out, p)
	}
	return out
}

func kindOf(form ruledoc.Form) kind {
	switch form {
	case ruledoc.FlagForm:
		return isFlag
	case ruledoc.CountForm:
		return isWhole
	case ruledoc.NumberForm:
		return isNumber
	case ruledoc.TextsForm, ruledoc.DurationsForm:
		return isTexts
	case ruledoc.LimitForm:
		return isValue
	case ruledoc.FilterForm, ruledoc.LabelsForm, ruledoc.NamedForm, ruledoc.TableForm:
		return isObject
	case ruledoc.SeriesForm, ruledoc.ListForm:
		return isObjects
	}
	return isText
}

// aboutKey says what the type and the choices of a key do not. The keys of rarer
// conditions say whose they are.
func aboutKey(k ruledoc.Key) string {
	about := k.Brief
	if k.Form == ruledoc.ChoiceForm {
		about = "" // the choices say it
	}
	if len(k.Types) > 0 && !slices.Contains(k.Types, rules.Threshold) {
		about = strings.TrimSuffix(strings.Join(typeNames(k.Types), "/")+": "+about, ": ")
	}
	switch k.Form {
	case ruledoc.DurationForm, ruledoc.DurationsForm, ruledoc.EveryForm:
		about += ", " + strings.NewReplacer(`"`, "", "[", "", "]", "").Replace(k.Example)
	}
	return about
}

func typeNames(types []rules.ConditionType) (out []string) {
	for _, t := range types {
		out = append(out, string(t))
	}
	return out
}

// ofCondition reports whether a condition has a key of that name.
func ofCondition(name string) (found bool) {
	ruledoc.Each(ruledoc.Keys(), func(k ruledoc.Key) { found = found || k.Path == "condition."+name })
	return found
}
