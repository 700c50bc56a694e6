package rules

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// fill puts the defaults where nothing was given.
func (r *Rule) fill() {
	if r.Name == "" {
		r.Name = Slug(r.Title)
	}
	if r.Title == "" {
		r.Title = r.Name
	}
	if r.Severity == "" {
		r.Severity = Medium
	}
	if r.NoData == "" {
		r.NoData = Keep
	}
	r.dropEmpty()
	r.Condition.fill()
}

// dropEmpty makes an empty list the same as none, as it is once stored.
func (r *Rule) dropEmpty() {
	orNil(&r.GroupBy)
	orNil(&r.Levels)
	orNil(&r.DependsOn)
	orNil(&r.Channels)
	orNil(&r.Remind)
	orNil(&r.Condition.Expect)
	for i := range r.Levels {
		orNil(&r.Levels[i].Channels)
	}
	if len(r.Where) == 0 {
		r.Where = nil
	}
	if len(r.Labels) == 0 {
		r.Labels = nil
	}
	if len(r.Condition.Inputs) == 0 {
		r.Condition.Inputs = nil
	}
}

func orNil[T any](list *[]T) {
	if len(*list) == 0 {
		*list = nil
	}
}

func (c *Condition) fill() {
	c.settleValues()
	if c.Type == "" {
		c.Type = guessType(*c)
	}
	switch c.Type {
	case Threshold, Change:
		orElse(&c.Aggregation, Latest)
		orElse(&c.Window, DefaultWindow)
	case Absence:
		orElse(&c.Window, 10*Minute)
		orElse(&c.ForgetAfter, DefaultForgetAfter)
	case Forecast:
		orElse(&c.Window, 6*Hour)
		orElse(&c.Horizon, 4*Hour)
	case Anomaly:
		orElse(&c.Sensitivity, "medium")
		orElse(&c.Direction, "both")
		orElse(&c.Season, "auto")
	case Query:
		orElse(&c.Window, DefaultWindow)
		orElse(&c.Language, "influxql")
	case Expression:
		for name, in := range c.Inputs {
			orElse(&in.Aggregation, Latest)
			orElse(&in.Window, DefaultWindow)
			if len(in.Where) == 0 {
				in.Where = nil
			}
			c.Inputs[name] = in
		}
	}
}

func orElse[T comparable](at *T, otherwise T) {
	var zero T
	if *at == zero {
		*at = otherwise
	}
}

// guessType names the type of a condition that does not say it, where only
// one is possible.
func guessType(c Condition) ConditionType {
	switch {
	case c.Expr != "":
		return Expression
	case c.Text != "":
		return Query
	case c.Horizon > 0:
		return Forecast
	case c.Ago > 0:
		return Change
	case c.Operator != "" || !c.Value.IsZero():
		return Threshold
	}
	return ""
}

var notSlug = regexp.MustCompile(`[^a-z0-9]+`)

// Slug makes a name out of a title: "Freezer too warm" becomes
// freezer_too_warm. A title in another script gets a name like rule_4k2m8q1c.
func Slug(title string) string {
	s := strings.Trim(notSlug.ReplaceAllString(strings.ToLower(title), "_"), "_")
	if s == "" && strings.ContainsFunc(title, unicode.IsLetter) {
		return "rule_" + digest(title)[:8]
	}
	return strings.TrimRight(s[:min(len(s), 60)], "_")
}

var goodName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,62}$`)

// Check reports everything that is wrong with the rule by itself. That its
// source, channels and tags exist is for others to check.
func (r Rule) Check() error {
	return errors.Join(r.checkNames(), r.checkWhat(), r.Condition.check(), r.checkLevels(), r.checkTimes(), r.checkTexts())
}

func (r Rule) checkNames() error {
	if r.Title == "" && r.Name == "" {
		return FieldErrorf("title", "is missing; say what is wrong when it fires, for example \"Freezer too warm\"")
	}
	if !goodName.MatchString(r.Name) {
		return FieldErrorf("name",
			"must be small letters, digits, _ . and -, at most 63; got %s; for example freezer_too_warm", shown(r.Name))
	}
	return checkPrintable("title", r.Title, 200)
}

func (r Rule) checkWhat() error {
	var errs []error
	if r.Condition.Type != Expression && r.Condition.Type != Query {
		if r.Measurement == "" {
			errs = append(errs, FieldErrorf("measurement", "is missing; for example temperature"))
		}
		if r.Field == "" && r.Condition.Type != Absence {
			errs = append(errs, FieldErrorf("field", "is missing; for example celsius"))
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
				FieldErrorf("group_by", "must be a list of tag names; %q is none; for example [\"sensor\"]", tag))
		}
		if slices.Contains(r.GroupBy[:i], tag) {
			errs = append(errs, FieldErrorf("group_by", "names %q twice", tag))
		}
	}
	return errors.Join(append(errs, checkFilter("where", r.Where), r.checkExpect())...)
}

func checkFilter(field string, f Filter) error {
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
func (r Rule) checkExpect() error {
	tags := slices.Sorted(slices.Values(r.GroupBy))
	for i, labels := range r.Condition.Expect {
		if !slices.Equal(slices.Sorted(maps.Keys(labels)), tags) {
			return FieldErrorf(fmt.Sprintf("condition.expect[%d]", i),
				"must name exactly the tags of group_by (%s); got %s; for example [{\"sensor\": \"a\"}] with group_by [\"sensor\"]",
				strings.Join(tags, ", "), SeriesOf(labels))
		}
	}
	return nil
}

// checkPrintable refuses line breaks and other control characters, which no
// name has and which injections are made of.
func checkPrintable(field, text string, most int) error {
	if len(text) > most {
		return FieldErrorf(field, "must be at most %d bytes; got %d", most, len(text))
	}
	if strings.ContainsFunc(text, unicode.IsControl) || !utf8.ValidString(text) {
		return FieldErrorf(field, "must not contain control characters or line breaks; got %s", shown(text))
	}
	return nil
}

func (r Rule) checkLevels() error {
	if len(r.Levels) == 0 {
		return nil
	}
	if r.Condition.Operator == "" {
		return FieldErrorf("levels", "need a condition with an operator; %s has none", r.Condition.Type)
	}
	for i, l := range r.Levels {
		path := fmt.Sprintf("levels[%d]", i)
		if l.Severity == "" {
			return FieldErrorf(path+".severity", "is missing; one of %s", strings.Join(Severities, ", "))
		}
		if l.Value.Kind == Text {
			return FieldErrorf(path+".value", "must be a number; got %s; texts have no order", l.Value)
		}
		if err := checkValue(path+".value", r.Condition.Operator, l.Value); err != nil {
			return err
		}
	}
	return nil
}

func (r Rule) checkTimes() error {
	var errs []error
	for _, t := range []struct {
		field string
		d     Duration
	}{{"for", r.For}, {"keep_firing_for", r.KeepFiringFor}, {"cooldown", r.Cooldown}} {
		if t.d < 0 || t.d > 366*Day {
			errs = append(errs, FieldErrorf(t.field, "must be between 0s and 366d; got %s", t.d))
		}
	}
	for _, gap := range r.Remind {
		if gap < Minute {
			errs = append(errs, FieldErrorf("remind", "gaps must be 1m or longer; got %s; for example [\"30m\", \"2h\"]", gap))
		}
	}
	if e := r.Escalate; e != nil && (e.After <= 0 || len(e.Channels) == 0) {
		errs = append(errs, FieldErrorf("escalate",
			"needs after and channels; for example {\"after\": \"30m\", \"channels\": [\"pager\"]}"))
	}
	if c := r.Condition; c.Type == Absence && c.ForgetAfter <= c.Window+r.For {
		errs = append(errs, FieldErrorf("condition.forget_after",
			"must be longer than window and for together (%s), or a series is forgotten before it is missed; got %s; for "+
				"example 30d",
			c.Window+r.For, c.ForgetAfter))
	}
	if r.Active != nil {
		_, err := r.Active.span()
		errs = append(errs, err)
	}
	if r.Zone != "" {
		errs = append(errs, checkZone("zone", r.Zone))
	}
	return errors.Join(errs...)
}

func checkZone(field, zone string) error {
	if _, err := time.LoadLocation(zone); err != nil || zone == "Local" {
		return FieldErrorf(field, "must be an IANA time zone; got %s; for example Europe/Berlin", shown(zone))
	}
	return nil
}

func (r Rule) checkTexts() error {
	errs := []error{r.checkSummary(), checkLink("runbook", r.Runbook), checkFilter("labels", asOneEach(r.Labels))}
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
		return FieldErrorf(field, "must be a link that begins with https:// or http://; got %s; for example "+
			"https://wiki.example/freezer", shown(link))
	}
	return nil
}

func asOneEach(labels Labels) Filter {
	f := Filter{}
	for name, v := range labels {
		f[name] = []string{v}
	}
	return f
}

// conditionNeeds lists the keys that each type has; those with a ! must be
// given.
var conditionNeeds = map[ConditionType]string{
	Threshold:  "aggregation! window! operator! value! recover stale_after",
	Absence:    "window! expect forget_after",
	Change:     "aggregation! window! ago! percent operator! value! recover",
	Forecast:   "window! horizon! operator! value! recover",
	Anomaly:    "aggregation window sensitivity! direction! season!",
	Expression: "inputs! expr!",
	Query:      "language! text! column! operator! value! recover window",
}

// belongsToSome reports whether a type of condition has a key of that name.
func belongsToSome(name string) bool {
	for _, needs := range conditionNeeds {
		if slices.Contains(strings.Fields(strings.ReplaceAll(needs, "!", "")), name) {
			return true
		}
	}
	return name == "type"
}

func (c Condition) check() error {
	if c.Type == "" {
		return FieldErrorf("condition",
			"is missing its type; one of threshold, absence, change, forecast, expression, query; "+
				`for example {"type": "threshold", "aggregation": "mean", "window": "5m", "operator": ">", "value": 25}`)
	}
	var errs []error
	needs := strings.Fields(conditionNeeds[c.Type])
	for name, given := range c.given() {
		must := slices.Contains(needs, name+"!")
		if must && !given {
			errs = append(errs, FieldErrorf("condition."+name, "is missing; a condition of type %s needs it, for example %s",
				c.Type, exampleOf(name)))
		}
		if given && !must && !slices.Contains(needs, name) {
			errs = append(errs, FieldErrorf("condition."+name, "does not belong to a condition of type %s, which has: %s",
				c.Type, strings.ReplaceAll(conditionNeeds[c.Type], "!", "")))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	return errors.Join(c.checkValues(), c.checkWindows(), checkProgram("condition.expr", c.Expr, 2000),
		checkProgram("condition.text", c.Text, 16<<10))
}

// given tells for each key of a condition whether it was filled in.
func (c Condition) given() map[string]bool {
	return map[string]bool{
		"aggregation": c.Aggregation != "", "window": c.Window != 0, "operator": c.Operator != "",
		"value": !c.Value.IsZero(), "recover": !c.Recover.IsZero(), "expect": len(c.Expect) > 0,
		"forget_after": c.ForgetAfter != 0, "stale_after": c.StaleAfter != 0, "ago": c.Ago != 0, "percent": c.Percent,
		"horizon":     c.Horizon != 0,
		"sensitivity": c.Sensitivity != "", "direction": c.Direction != "", "season": c.Season != "",
		"inputs": len(c.Inputs) > 0, "expr": c.Expr != "", "language": c.Language != "", "text": c.Text != "",
		"column": c.Column != "",
	}
}

func exampleOf(name string) string {
	i := slices.IndexFunc(conditionKeys, func(k key[Condition]) bool { return k.name == name })
	return conditionKeys[i].example
}

func (c Condition) checkValues() error {
	if c.Operator == "" {
		return nil
	}
	if err := checkValue("condition.value", c.Operator, c.Value); err != nil {
		return err
	}
	if c.Type == Forecast && (c.Operator == Equal || c.Operator == Unequal) {
		return FieldErrorf("condition.operator",
			"must be one of > >= < <= between outside in a condition of type forecast; got %s: a line meets no value exactly",
			c.Operator)
	}
	if c.Value.Kind == Text && (c.Type != Threshold || c.Aggregation != Latest) {
		return FieldErrorf("condition.value", "may be text only with aggregation latest; got %s", c.Value)
	}
	if c.Recover.IsZero() {
		return nil
	}
	if err := checkValue("condition.recover", c.Operator, c.Recover); err != nil {
		return err
	}
	if c.Value.Kind == Text || c.Operator == Equal || c.Operator == Unequal {
		return FieldErrorf("condition.recover", "makes no sense with operator %s; leave it out", c.Operator)
	}
	if c.stricter() {
		return FieldErrorf("condition.recover",
			"must lie on the good side of value %s; got %s; with operator > it is the smaller number", c.Value, c.Recover)
	}
	return nil
}

// stricter reports whether recover is on the bad side of value, where an alert
// could end while its value is still wrong.
func (c Condition) stricter() bool {
	v, r := c.Value, c.Recover
	switch c.Operator {
	case Above, AtLeast:
		return r.Low > v.Low
	case Below, AtMost:
		return r.Low < v.Low
	case Outside:
		return r.Low < v.Low || r.High > v.High
	case Between:
		return r.Low > v.Low || r.High < v.High
	}
	return false
}

func checkValue(field string, o Operator, v Value) error {
	ranged := o == Between || o == Outside
	switch {
	case v.IsZero():
		return FieldErrorf(field, "is missing; for example 25")
	case ranged && v.Kind != Range:
		return FieldErrorf(field, "must be two numbers [low, high] with operator %s; got %s; for example [2, 8]", o, v)
	case !ranged && v.Kind == Range:
		return FieldErrorf(field,
			"must be one value with operator %s; got %s; for example 25; use between or outside for a range", o, v)
	case v.Kind == Text && o != Equal && o != Unequal:
		return FieldErrorf(field, "is text, which can only be compared with == or !=; got operator %s; write a number for "+
			"that, for example 25", o)
	}
	return nil
}

// shortestForecast has more parts of a second than make a line.
const shortestForecast = 10 * Second

func (c Condition) checkWindows() error {
	var errs []error
	if given := c.Window != 0; given && (c.Window < Second || c.Window > 366*Day) {
		errs = append(errs, FieldErrorf("condition.window", "must be between 1s and 366d; got %s; for example 5m", c.Window))
	}
	if c.Type == Forecast && c.Window < shortestForecast && len(errs) == 0 {
		errs = append(errs, FieldErrorf("condition.window", "must be %s or longer for a forecast, which lays a line through "+
			"the means of its parts; got %s; for example 6h", shortestForecast, c.Window))
	}
	errs = append(errs, c.checkStale())
	for _, name := range slices.Sorted(maps.Keys(c.Inputs)) {
		in, path := c.Inputs[name], "condition.inputs."+name
		if in.Measurement == "" || in.Field == "" {
			errs = append(errs, FieldErrorf(path,
				"needs a measurement and a field; for example {\"measurement\": \"cpu\", \"field\": \"usage\"}"))
		}
		if in.Window < Second || in.Window > 366*Day {
			errs = append(errs, FieldErrorf(path+".window", "must be between 1s and 366d; got %s", in.Window))
		}
		errs = append(errs, checkPrintable(path+".measurement", in.Measurement, 250),
			checkPrintable(path+".field", in.Field, 250), checkFilter(path+".where", in.Where))
	}
	if c.Season != "" && c.Season != "auto" && c.Season != "none" {
		if _, err := ParseDuration(c.Season); err != nil {
			errs = append(errs,
				FieldErrorf("condition.season", "must be auto, none or a duration such as 1d; got %s", shown(c.Season)))
		}
	}
	return errors.Join(errs...)
}

func (c Condition) checkStale() error {
	switch stale := c.StaleAfter; {
	case stale == 0:
		return nil
	case !c.HoldsLast():
		return FieldErrorf("condition.stale_after", "makes no sense with aggregation %s, which says how much came and not "+
			"how high it is; leave it out", c.Aggregation)
	case stale <= c.Window || stale > 366*Day:
		return FieldErrorf("condition.stale_after",
			"must be longer than window (%s) and at most 366d; got %s; for example 1d",
			c.Window, stale)
	}
	return nil
}
