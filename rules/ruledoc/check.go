package ruledoc

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/9bikes/tocsin/rules"
)

var goodName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,62}$`)

// Check reports everything that is wrong with the rule by itself. That its
// source, channels and tags exist is for others to check.
func Check(r rules.Rule) error {
	return errors.Join(checkNames(r), checkWhat(r), checkCondition(r.Condition), checkLevels(r), checkTimes(r),
		checkTexts(r))
}

func checkNames(r rules.Rule) error {
	if r.Title == "" && r.Name == "" {
		return rules.FieldErrorf("title", "is missing; say what is wrong when it fires, for example \"Freezer too warm\"")
	}
	if !goodName.MatchString(r.Name) {
		return rules.FieldErrorf("name",
			"must be small letters, digits, _ . and -, at most 63; got %s; for example freezer_too_warm", rules.Quote(r.Name))
	}
	return checkPrintable("title", r.Title, 200)
}

func checkWhat(r rules.Rule) error {
	var errs []error
	if r.Condition.Type != rules.Expression && r.Condition.Type != rules.Query {
		if r.Measurement == "" {
			errs = append(errs, rules.FieldErrorf("measurement", "is missing; for example temperature"))
		}
		if r.Field == "" && r.Condition.Type != rules.Absence {
			errs = append(errs, rules.FieldErrorf("field", "is missing; for example celsius"))
		}
	}
	for _, f := range []struct{ name, text string }{
		{"measurement", r.Measurement},
		{"field", r.Field},
		{"source", r.Source},
	} {
		errs = append(errs, checkPrintable(f.name, f.text, 250))
	}
	for i, tag := range r.GroupBy {
		errs = append(errs, checkPrintable("group_by", tag, 250))
		if tag == "" || tag == "*" || tag == "time" {
			errs = append(errs,
				rules.FieldErrorf("group_by", "must be a list of tag names; %q is none; for example [\"sensor\"]", tag))
		}
		if slices.Contains(r.GroupBy[:i], tag) {
			errs = append(errs, rules.FieldErrorf("group_by", "names %q twice", tag))
		}
	}
	return errors.Join(append(errs, checkFilter("where", r.Where), checkExpect(r))...)
}

func checkFilter(field string, f rules.Filter) error {
	var errs []error
	for _, tag := range slices.Sorted(maps.Keys(f)) {
		for _, text := range append([]string{tag}, f[tag]...) {
			errs = append(errs, checkPrintable(field+"."+strings.Trim(strconv.Quote(tag), `"`), text, 1000))
		}
	}
	return errors.Join(errs...)
}

// checkExpect: a series that the rule expects has the tags that it groups by,
// no more and no fewer, or it could never appear.
func checkExpect(r rules.Rule) error {
	tags := slices.Sorted(slices.Values(r.GroupBy))
	for i, labels := range r.Condition.Expect {
		if !slices.Equal(slices.Sorted(maps.Keys(labels)), tags) {
			return rules.FieldErrorf(fmt.Sprintf("condition.expect[%d]", i),
				"must name exactly the tags of group_by (%s); got %s; for example "+
					`[{"sensor": "a"}] with group_by ["sensor"]`,
				strings.Join(tags, ", "), rules.SeriesOf(labels))
		}
	}
	return nil
}

// checkPrintable refuses line breaks and other control characters, which no
// name has and which injections are made of.
func checkPrintable(field, text string, most int) error {
	if len(text) > most {
		return rules.FieldErrorf(field, "must be at most %d bytes; got %d", most, len(text))
	}
	if strings.ContainsFunc(text, unicode.IsControl) || !utf8.ValidString(text) {
		return rules.FieldErrorf(field, "must not contain control characters or line breaks; got %s", rules.Quote(text))
	}
	return nil
}

func checkLevels(r rules.Rule) error {
	if len(r.Levels) == 0 {
		return nil
	}
	if r.Condition.Operator == "" {
		return rules.FieldErrorf("levels", "need a condition with an operator; %s has none", r.Condition.Type)
	}
	for i, l := range r.Levels {
		path := fmt.Sprintf("levels[%d]", i)
		if l.Severity == "" {
			return rules.FieldErrorf(path+".severity", "is missing; one of %s", strings.Join(rules.Severities, ", "))
		}
		if l.Value.Kind == rules.Text {
			return rules.FieldErrorf(path+".value", "must be a number; got %s; texts have no order", l.Value)
		}
		if err := checkValue(path+".value", r.Condition.Operator, l.Value); err != nil {
			return err
		}
	}
	return nil
}

func checkTimes(r rules.Rule) error {
	var errs []error
	for _, t := range []struct {
		field string
		d     rules.Duration
	}{{"for", r.For}, {"keep_firing_for", r.KeepFiringFor}, {"cooldown", r.Cooldown}} {
		if t.d < 0 || t.d > 366*rules.Day {
			errs = append(errs, rules.FieldErrorf(t.field, "must be between 0s and 366d; got %s", t.d))
		}
	}
	for _, gap := range r.Remind {
		if gap < rules.Minute {
			errs = append(errs, rules.FieldErrorf("remind",
				`gaps must be 1m or longer; got %s; for example ["30m", "2h"]`, gap))
		}
	}
	if e := r.Escalate; e != nil && (e.After <= 0 || len(e.Channels) == 0) {
		errs = append(errs, rules.FieldErrorf("escalate",
			"needs after and channels; for example {\"after\": \"30m\", \"channels\": [\"pager\"]}"))
	}
	if c := r.Condition; c.Type == rules.Absence && c.ForgetAfter <= c.Window+r.For {
		errs = append(errs, rules.FieldErrorf("condition.forget_after",
			"must be longer than window and for together (%s), or a series is forgotten before it is missed; got %s; for "+
				"example 30d",
			c.Window+r.For, c.ForgetAfter))
	}
	if r.Active != nil {
		errs = append(errs, r.Active.Check("active"))
	}
	if r.Zone != "" {
		errs = append(errs, rules.CheckZone("zone", r.Zone))
	}
	return errors.Join(errs...)
}

func checkTexts(r rules.Rule) error {
	errs := []error{
		checkSummary(r), checkLink("runbook", r.Runbook), checkFilter("labels", asOneEach(r.Labels)),
		checkPrintable("unit", r.Unit, 20),
	}
	for _, labels := range r.Condition.Expect {
		errs = append(errs, checkFilter("condition.expect", asOneEach(labels)))
	}
	for _, list := range []struct {
		field string
		texts []string
	}{{"channels", r.Channels}, {"depends_on", r.DependsOn}} {
		for _, text := range list.texts {
			errs = append(errs, checkPrintable(list.field, text, 250))
		}
	}
	return errors.Join(errs...)
}

// checkLink: services refuse a whole message over a link that is none.
func checkLink(field, link string) error {
	if err := checkPrintable(field, link, 1000); err != nil || link == "" {
		return err
	}
	u, err := url.Parse(link)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return rules.FieldErrorf(field, "must be a link that begins with https:// or http://; got %s; for example "+
			"https://wiki.example/freezer", rules.Quote(link))
	}
	return nil
}

func asOneEach(labels rules.Labels) rules.Filter {
	f := rules.Filter{}
	for name, v := range labels {
		f[name] = []string{v}
	}
	return f
}

func checkCondition(c rules.Condition) error {
	if c.Type == "" {
		return rules.FieldErrorf("condition",
			"is missing its type; one of threshold, absence, change, forecast, anomaly, expression, query; "+
				`for example {"type": "threshold", "aggregation": "mean", "window": "5m", "operator": ">", "value": 25}`)
	}
	var errs []error
	for _, k := range conditionKeys {
		by, taken := k.by(c.Type)
		given := k.takers != "" && k.value.isSet(&c)
		if by.must && !given {
			errs = append(errs, rules.FieldErrorf("condition."+k.name,
				"is missing; a condition of type %s needs it, for example %s", c.Type, k.example))
		}
		if given && !taken {
			errs = append(errs, rules.FieldErrorf("condition."+k.name,
				"does not belong to a condition of type %s, which has: %s", c.Type, strings.Join(keysOf(c.Type), " ")))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	return errors.Join(checkValues(c), checkWindows(c), checkProgram("condition.expr", c.Expr, 2000),
		checkProgram("condition.text", c.Text, 16<<10))
}

// keysOf lists the keys that a type of condition has besides its type.
func keysOf(kind rules.ConditionType) (out []string) {
	for _, k := range conditionKeys {
		if _, ok := k.by(kind); ok {
			out = append(out, k.name)
		}
	}
	return out
}

func checkValues(c rules.Condition) error {
	if c.Operator == "" {
		return nil
	}
	if err := checkValue("condition.value", c.Operator, c.Value); err != nil {
		return err
	}
	if c.Type == rules.Forecast && (c.Operator == rules.Equal || c.Operator == rules.Unequal) {
		return rules.FieldErrorf("condition.operator",
			"must be one of > >= < <= between outside in a condition of type forecast; got %s: a line meets no value exactly",
			c.Operator)
	}
	if c.Value.Kind == rules.Text && (c.Type != rules.Threshold || c.Aggregation != rules.Latest) {
		return rules.FieldErrorf("condition.value", "may be text only with aggregation latest; got %s", c.Value)
	}
	if c.Recover.IsZero() {
		return nil
	}
	if err := checkValue("condition.recover", c.Operator, c.Recover); err != nil {
		return err
	}
	if c.Value.Kind == rules.Text || c.Operator == rules.Equal || c.Operator == rules.Unequal {
		return rules.FieldErrorf("condition.recover", "makes no sense with operator %s; leave it out", c.Operator)
	}
	if stricter(c) {
		return rules.FieldErrorf("condition.recover",
			"must lie on the good side of value %s; got %s; with operator > it is the smaller number", c.Value, c.Recover)
	}
	return nil
}

// stricter reports whether recover is on the bad side of value, where an alert
// could end while its value is still wrong.
func stricter(c rules.Condition) bool {
	v, r := c.Value, c.Recover
	switch c.Operator {
	case rules.Above, rules.AtLeast:
		return r.Low > v.Low
	case rules.Below, rules.AtMost:
		return r.Low < v.Low
	case rules.Outside:
		return r.Low < v.Low || r.High > v.High
	case rules.Between:
		return r.Low > v.Low || r.High < v.High
	}
	return false
}

func checkValue(field string, o rules.Operator, v rules.Value) error {
	ranged := o == rules.Between || o == rules.Outside
	switch {
	case v.IsZero():
		return rules.FieldErrorf(field, "is missing; for example 25")
	case ranged && v.Kind != rules.Range:
		return rules.FieldErrorf(field,
			"must be two numbers [low, high] with operator %s; got %s; for example [2, 8]", o, v)
	case !ranged && v.Kind == rules.Range:
		return rules.FieldErrorf(field,
			"must be one value with operator %s; got %s; for example 25; use between or outside for a range", o, v)
	case v.Kind == rules.Text && o != rules.Equal && o != rules.Unequal:
		return rules.FieldErrorf(field, "is text, which can only be compared with == or !=; got operator %s; write a "+
			"number for that, for example 25", o)
	}
	return nil
}

// shortestForecast has more parts of a second than make a line.
const shortestForecast = 10 * rules.Second

func checkWindows(c rules.Condition) error {
	var errs []error
	if given := c.Window != 0; given && (c.Window < rules.Second || c.Window > 366*rules.Day) {
		errs = append(errs, rules.FieldErrorf("condition.window",
			"must be between 1s and 366d; got %s; for example 5m", c.Window))
	}
	if c.Type == rules.Forecast && c.Window < shortestForecast && len(errs) == 0 {
		errs = append(errs, rules.FieldErrorf("condition.window", "must be %s or longer for a forecast, which lays a "+
			"line through the means of its parts; got %s; for example 6h", shortestForecast, c.Window))
	}
	errs = append(errs, checkStale(c))
	for _, name := range slices.Sorted(maps.Keys(c.Inputs)) {
		in, path := c.Inputs[name], "condition.inputs."+name
		if in.Measurement == "" || in.Field == "" {
			errs = append(errs, rules.FieldErrorf(path,
				"needs a measurement and a field; for example {\"measurement\": \"cpu\", \"field\": \"usage\"}"))
		}
		if in.Window < rules.Second || in.Window > 366*rules.Day {
			errs = append(errs, rules.FieldErrorf(path+".window", "must be between 1s and 366d; got %s", in.Window))
		}
		errs = append(errs, checkPrintable(path+".measurement", in.Measurement, 250),
			checkPrintable(path+".field", in.Field, 250), checkFilter(path+".where", in.Where))
	}
	return errors.Join(errs...)
}

func checkStale(c rules.Condition) error {
	switch stale := c.StaleAfter; {
	case stale == 0:
		return nil
	case !c.HoldsLast():
		return rules.FieldErrorf("condition.stale_after", "makes no sense with aggregation %s, which says how much "+
			"came and not how high it is; leave it out", c.Aggregation)
	case stale <= c.Window || stale > 366*rules.Day:
		return rules.FieldErrorf("condition.stale_after",
			"must be longer than window (%s) and at most 366d; got %s; for example 1d",
			c.Window, stale)
	}
	return nil
}

// checkProgram bounds what is handed to a parser.
func checkProgram(field, text string, most int) error {
	if len(text) > most {
		return rules.FieldErrorf(field, "must be at most %d bytes; got %d", most, len(text))
	}
	if n := rules.Nesting(text); n > rules.MostNesting {
		return rules.FieldErrorf(field, "must not nest brackets deeper than %d levels; got %d", rules.MostNesting, n)
	}
	return nil
}
