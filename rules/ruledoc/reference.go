package ruledoc

import (
	"slices"
	"strings"

	"github.com/9bikes/tocsin/rules"
)

// KeyDoc is one key of a rule document, for a reference.
type KeyDoc struct {
	Path    string // where it stands: condition.window
	Meaning string
	Example string
	Types   []rules.ConditionType // the conditions that have it; nil outside of a condition
}

// Reference lists every key that a rule document can have, in the order in
// which rules are printed.
func Reference() []KeyDoc {
	out := docs("", ruleKeys)
	out = insertAfter(out, "condition", docs("condition.", conditionKeys))
	out = insertAfter(out, "condition.inputs", docs("condition.inputs.NAME.", inputKeys))
	out = insertAfter(out, "levels", docs("levels[].", levelKeys))
	out = insertAfter(out, "escalate", docs("escalate.", escalateKeys))
	return insertAfter(out, "active", docs("active.", activeKeys))
}

func docs[T any](path string, keys []key[T]) (out []KeyDoc) {
	for _, k := range keys {
		d := KeyDoc{Path: path + k.name, Meaning: meanings[path+k.name], Example: k.example}
		if path == "condition." {
			d.Types = typesWith(k.name)
		}
		out = append(out, d)
	}
	return out
}

func insertAfter(list []KeyDoc, path string, more []KeyDoc) []KeyDoc {
	i := slices.IndexFunc(list, func(d KeyDoc) bool { return d.Path == path })
	return slices.Insert(list, i+1, more...)
}

// typesWith lists the types of condition that have a key.
func typesWith(name string) (out []rules.ConditionType) {
	for _, t := range []rules.ConditionType{
		rules.Threshold, rules.Absence, rules.Change, rules.Anomaly, rules.Forecast, rules.Expression, rules.Query,
	} {
		if name == "type" || slices.Contains(strings.Fields(strings.ReplaceAll(conditionNeeds[t], "!", "")), name) {
			out = append(out, t)
		}
	}
	return out
}

// meanings says of every key what it means, in the words of a person.
var meanings = map[string]string{
	"name":            "short name by which everything refers to the rule; made from the title if left out",
	"title":           "what is wrong when it fires; the head of every message",
	"enabled":         "false pauses the rule: nothing is evaluated and nobody told",
	"source":          "where the data is, as named in the config; may be left out when there is one",
	"measurement":     "the measurement (table) in the data",
	"field":           "the field (column) in the data",
	"where":           "only series with these tags; each a value or a list of values, any of which will do",
	"group_by":        "tags; one alert for each of their values, else one for all together",
	"condition":       "when it is wrong",
	"levels":          "further limits with their own severity; the highest that is passed counts",
	"for":             "how long it must be wrong before it fires",
	"keep_firing_for": "how long it must be good before it resolves",
	"every":           "how often it is evaluated: a duration or a cron spec; else the daemon's interval",
	"zone":            "time zone of a cron spec",
	"severity":        "low, medium, high or critical",
	"cooldown":        "at most one first message per series in this time",
	"remind":          "gaps between reminders; the last one repeats, until acknowledged or resolved",
	"escalate":        "whom else to tell when nobody acknowledges",
	"channels":        "whom to tell, by the names of channels; else the config decides by severity",
	"no_data":         "what no data means: keep the state, ok (good), or alert (wrong)",
	"active":          "the times of the week at which it is evaluated; else always",
	"depends_on":      "rules that, while they fire, keep this one quiet; by name or id",
	"labels":          "names and values of your own, for silences and messages",
	"summary":         "text of the message; a template over .labels, .value, .title and .severity",
	"runbook":         "link to what to do",
	"max_series":      "how many series it may have; more are refused",

	"condition.type": "the kind of condition",
	"condition.aggregation": "what is made of the points in the window: latest mean min max sum count first stddev " +
		"spread rate or p1 to p99; avg is mean",
	"condition.window":       "how far back each look goes",
	"condition.operator":     "> >= < <= == !=, between or outside",
	"condition.value":        "the limit: a number; [low, high] with between and outside; text with == and != of latest",
	"condition.recover":      "once firing, good only past this value",
	"condition.expect":       "series that must exist even if they were never seen",
	"condition.forget_after": "a series that is silent for so long is retired",
	"condition.stale_after":  "where the window holds no point, the last one counts until it is this old",
	"condition.ago":          "how far back the window lies that is compared with",
	"condition.percent":      "compare in percent of the value then",
	"condition.horizon":      "how far ahead the line is drawn",
	"condition.sensitivity":  "low, medium or high",
	"condition.direction":    "up, down or both",
	"condition.season":       "auto, none, or the length of the pattern, such as 1d",
	"condition.inputs":       "measurements by a name that the expression uses",
	"condition.expr":         "an expression over the inputs that is true when it is wrong",
	"condition.language":     "influxql or sql",
	"condition.text":         "one SELECT that returns the value and its labels; $from and $to are the window",
	"condition.column":       "the column of the result that holds the value",

	"condition.inputs.NAME.measurement": "the measurement",
	"condition.inputs.NAME.field":       "the field",
	"condition.inputs.NAME.where":       "only series with these tags",
	"condition.inputs.NAME.aggregation": "what is made of the points in the window",
	"condition.inputs.NAME.window":      "how far back each look goes",

	"levels[].value":    "the limit of this level, compared like the condition's",
	"levels[].severity": "the severity from there on",
	"levels[].channels": "whom to tell at this level",

	"escalate.after":    "how long nobody acknowledged",
	"escalate.channels": "whom to tell then",

	"active.days":  "days of the week; else every day",
	"active.hours": "from and to; over midnight they belong to the day on which they begin",
	"active.zone":  "time zone of both",
}
