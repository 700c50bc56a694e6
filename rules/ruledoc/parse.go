// Package ruledoc reads a rule as a person or a model writes it, in YAML, JSON or
// arguments, says what is wrong with it, and lists what can be written. What only
// a source or the config knows, such as whether a channel exists, is for others
// to check.
package ruledoc

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/9bikes/tocsin/rules"
)

// key is one key of a document: how it is read and an example that works.
type key[T any] struct {
	name    string
	example string
	set     func(*T, any) error
}

var ruleKeys = []key[rules.Rule]{
	{"name", `freezer`, text(func(r *rules.Rule) *string { return &r.Name })},
	{"title", `Freezer too warm`, text(func(r *rules.Rule) *string { return &r.Title })},
	{"enabled", `true`, setEnabled},
	{"source", `home`, text(func(r *rules.Rule) *string { return &r.Source })},
	{"measurement", `temperature`, text(func(r *rules.Rule) *string { return &r.Measurement })},
	{"field", `celsius`, text(func(r *rules.Rule) *string { return &r.Field })},
	{"where", `{"room": "kitchen"}`, filter(func(r *rules.Rule) *rules.Filter { return &r.Where })},
	{"group_by", `["sensor"]`, texts(func(r *rules.Rule) *[]string { return &r.GroupBy })},
	{
		"condition", `{"type": "threshold", "aggregation": "mean", "window": "5m", "operator": ">", "value": -15}`,
		setCondition,
	},
	{
		"levels", `[{"value": -10, "severity": "critical"}]`,
		list(func(r *rules.Rule) *[]rules.Level { return &r.Levels }, levelKeys),
	},
	{"for", `10m`, length(func(r *rules.Rule) *rules.Duration { return &r.For })},
	{"keep_firing_for", `5m`, length(func(r *rules.Rule) *rules.Duration { return &r.KeepFiringFor })},
	{"every", `30s`, setEvery},
	{"zone", `Europe/Berlin`, text(func(r *rules.Rule) *string { return &r.Zone })},
	{"severity", `high`, severity(func(r *rules.Rule) *rules.Severity { return &r.Severity })},
	{"cooldown", `15m`, length(func(r *rules.Rule) *rules.Duration { return &r.Cooldown })},
	{"remind", `["30m", "2h", "6h"]`, lengths(func(r *rules.Rule) *[]rules.Duration { return &r.Remind })},
	{
		"escalate", `{"after": "30m", "channels": ["pager"]}`,
		object(func(r *rules.Rule) **rules.Escalation { return &r.Escalate }, escalateKeys),
	},
	{"channels", `["phone", "mail"]`, texts(func(r *rules.Rule) *[]string { return &r.Channels })},
	{"no_data", `keep`, oneOf(func(r *rules.Rule) *rules.NoData { return &r.NoData }, "keep", "ok", "alert")},
	{
		"active", `{"days": "mon-fri", "hours": "07:00-22:00", "zone": "Europe/Berlin"}`,
		object(func(r *rules.Rule) **rules.Active { return &r.Active }, activeKeys),
	},
	{"depends_on", `["router_down"]`, texts(func(r *rules.Rule) *[]string { return &r.DependsOn })},
	{"labels", `{"team": "home"}`, setLabels},
	{"summary", `{{.labels.sensor}} is at {{.value}} °C`, text(func(r *rules.Rule) *string { return &r.Summary })},
	{"runbook", `https://wiki.example/freezer`, text(func(r *rules.Rule) *string { return &r.Runbook })},
	{"max_series", `10000`, count(func(r *rules.Rule) *int { return &r.MaxSeries })},
}

var conditionKeys = []key[rules.Condition]{
	{"type", `threshold`, setType},
	{"aggregation", `mean`, aggregation(func(c *rules.Condition) *rules.Aggregation { return &c.Aggregation })},
	{"window", `5m`, positive(func(c *rules.Condition) *rules.Duration { return &c.Window })},
	{"operator", `>`, operator(func(c *rules.Condition) *rules.Operator { return &c.Operator })},
	{"value", `-15`, value(func(c *rules.Condition) *rules.Value { return &c.Value })},
	{"recover", `-17`, value(func(c *rules.Condition) *rules.Value { return &c.Recover })},
	{"stale_after", `1d`, positive(func(c *rules.Condition) *rules.Duration { return &c.StaleAfter })},
	{"expect", `[{"sensor": "a"}]`, setExpect},
	{"forget_after", `30d`, positive(func(c *rules.Condition) *rules.Duration { return &c.ForgetAfter })},
	{"ago", `1d`, positive(func(c *rules.Condition) *rules.Duration { return &c.Ago })},
	{"percent", `true`, flag(func(c *rules.Condition) *bool { return &c.Percent })},
	{"horizon", `4h`, positive(func(c *rules.Condition) *rules.Duration { return &c.Horizon })},
	{"sensitivity", `medium`, oneOf(func(c *rules.Condition) *string { return &c.Sensitivity }, "low", "medium", "high")},
	{"direction", `both`, oneOf(func(c *rules.Condition) *string { return &c.Direction }, "both", "up", "down")},
	{"season", `auto`, text(func(c *rules.Condition) *string { return &c.Season })},
	{"inputs", `{"cpu": {"measurement": "cpu", "field": "usage", "aggregation": "mean", "window": "5m"}}`, setInputs},
	{"expr", `cpu > 80`, text(func(c *rules.Condition) *string { return &c.Expr })},
	{"language", `influxql`, oneOf(func(c *rules.Condition) *string { return &c.Language }, "influxql", "sql")},
	{
		"text", `SELECT mean("v") AS v FROM "m" WHERE time > $from AND time <= $to GROUP BY "host"`,
		text(func(c *rules.Condition) *string { return &c.Text }),
	},
	{"column", `v`, text(func(c *rules.Condition) *string { return &c.Column })},
}

var inputKeys = []key[rules.Input]{
	{"measurement", `cpu`, text(func(i *rules.Input) *string { return &i.Measurement })},
	{"field", `usage`, text(func(i *rules.Input) *string { return &i.Field })},
	{"where", `{"room": "kitchen"}`, filter(func(i *rules.Input) *rules.Filter { return &i.Where })},
	{"aggregation", `mean`, aggregation(func(i *rules.Input) *rules.Aggregation { return &i.Aggregation })},
	{"window", `5m`, positive(func(i *rules.Input) *rules.Duration { return &i.Window })},
}

var levelKeys = []key[rules.Level]{
	{"value", `-10`, value(func(l *rules.Level) *rules.Value { return &l.Value })},
	{"severity", `critical`, severity(func(l *rules.Level) *rules.Severity { return &l.Severity })},
	{"channels", `["pager"]`, texts(func(l *rules.Level) *[]string { return &l.Channels })},
}

var escalateKeys = []key[rules.Escalation]{
	{"after", `30m`, length(func(e *rules.Escalation) *rules.Duration { return &e.After })},
	{"channels", `["pager"]`, texts(func(e *rules.Escalation) *[]string { return &e.Channels })},
}

var activeKeys = []key[rules.Active]{
	{"days", `mon-fri`, text(func(a *rules.Active) *string { return &a.Days })},
	{"hours", `07:00-22:00`, text(func(a *rules.Active) *string { return &a.Hours })},
	{"zone", `Europe/Berlin`, text(func(a *rules.Active) *string { return &a.Zone })},
}

// seed maps the argument names of the system that tocsin replaces to ours.
var seed = map[string]string{
	"is_active": "enabled", "cooldown_minutes": "cooldown", "monitor_id": "where",
	"metric": "field", "description": "summary", "notification_channels": "channels", "for_duration": "for",
}

// elsewhere is what other systems call the keys of a condition.
var elsewhere = map[string]string{
	"threshold": "value", "limit": "value", "op": "operator", "comparison": "operator", "comparator": "operator",
	"agg": "aggregation", "aggregate": "aggregation", "function": "aggregation", "period": "window", "range": "window",
	"time_window": "window",
	"query":       "text", "sql": "text", "expression": "expr",
}

// Parse reads a whole rule and returns it with the defaults filled in. Its
// error joins one Error for each thing that is wrong with the document.
func Parse(doc rules.Doc) (rules.Rule, error) {
	r, err := Patch(rules.Rule{Enabled: true}, doc)
	if err != nil {
		return rules.Rule{}, err
	}
	return r, nil
}

// Patch returns r with the keys of doc put over it: a key with null goes back
// to its default, a condition is merged key by key. What tocsin itself keeps
// of a rule (its id, version, times) may stand in doc as it is in r, so that a
// printed rule can be edited and given back; a version that is not r's any more
// is a Conflict. The error is as Parse's, and covers the rule as a whole.
func Patch(r rules.Rule, doc rules.Doc) (rules.Rule, error) {
	doc, err := unseed(doc)
	if err = errors.Join(err, takeKept(r, doc)); err != nil {
		return r, err
	}
	r.Condition.Inputs = maps.Clone(r.Condition.Inputs)
	if err := apply(&r, doc, "", ruleKeys); err != nil {
		return r, err
	}
	fill(&r)
	return r, Check(r)
}

// Names lists the keys of a rule document.
func Names() []string { return names(ruleKeys) }

// unseed translates the seed's argument names.
func unseed(doc rules.Doc) (rules.Doc, error) {
	out := maps.Clone(doc)
	move := func(from, to string, turn func(any) (any, error)) error {
		v, ok := doc[from]
		if !ok {
			return nil
		}
		delete(out, from)
		if _, both := doc[to]; both && to != "where" {
			return rules.FieldErrorf(from, "is the same as %s; give only %s", to, to)
		}
		turned, err := turn(v)
		if err == nil {
			out[to] = turned
		}
		return err
	}
	same := func(v any) (any, error) { return v, nil }
	return out, errors.Join(
		move("is_active", "enabled", same),
		move("cooldown_minutes", "cooldown", func(v any) (any, error) {
			if v == nil {
				return nil, nil
			}
			n, err := asNumber(v)
			if err != nil || n < 0 {
				return nil, rules.FieldErrorf("cooldown_minutes", "must be a number of minutes, 0 or more, such as 15; got %s",
					rules.Quote(v))
			}
			return strconv.FormatFloat(n, 'f', -1, 64) + "m", nil
		}),
		move("monitor_id", "where", func(v any) (any, error) {
			where, ok := doc["where"].(map[string]any)
			if given := doc["where"]; given != nil && !ok {
				return given, nil // to be refused as it is
			}
			merged := rules.Doc{"monitor_id": v}
			maps.Copy(merged, where)
			if other, both := where["monitor_id"]; both && fmt.Sprint(other) != fmt.Sprint(v) {
				return nil, rules.FieldErrorf("monitor_id", "is the same as where.monitor_id; give only one of them")
			}
			return merged, nil
		}),
	)
}

// kept lists the keys of a printed rule that nobody sets.
var kept = []string{"id", "owner", "managed", "unchecked", "version", "created_at", "updated_at", "created_by"}

// takeKept takes those keys out of doc. For a rule that is stored they must
// say what it says.
func takeKept(r rules.Rule, doc rules.Doc) error {
	var mine rules.Doc
	if r.ID != "" {
		text, err := json.Marshal(r)
		if err = errors.Join(err, json.Unmarshal(text, &mine)); err != nil {
			return fmt.Errorf("print rule %s: %w", r.ID, err)
		}
	}
	var errs []error
	for _, name := range kept {
		v, given := doc[name]
		delete(doc, name)
		switch same := fmt.Sprint(v) == fmt.Sprint(mine[name]); {
		case !given || same || r.ID == "":
		case name == "version":
			errs = append(errs, &rules.Error{
				Code: rules.Conflict, Field: name,
				Text: fmt.Sprintf("is %d by now; got %s; read the rule again and repeat the change", r.Version, rules.Quote(v)),
			})
		default:
			errs = append(errs, rules.FieldErrorf(name, "cannot be set; leave it out"))
		}
	}
	return errors.Join(errs...)
}

// apply sets every key of doc on target and joins what is wrong with them.
func apply[T any](target *T, doc rules.Doc, path string, keys []key[T]) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		i := slices.IndexFunc(keys, func(k key[T]) bool { return k.name == name })
		if i < 0 {
			errs = append(errs, unknownKey(path, name, names(keys)))
			continue
		}
		if err := keys[i].set(target, valueOf(name, doc[name])); err != nil {
			errs = append(errs, at(path+name, keys[i].example, err))
		}
	}
	return errors.Join(errs...)
}

// valueOf is what was given for a key: a null is a value only where a text may be
// compared with.
func valueOf(name string, v any) any {
	if _, null := v.(rules.Null); null && name != "value" {
		return nil
	}
	return v
}

func unknownKey(path, name string, known []string) error {
	if ours, ok := seed[name]; ok && ours != "" && slices.Contains(known, ours) {
		return rules.FieldErrorf(path+name, "no such key; it is called %s here", ours)
	}
	if slices.Contains(known, "operator") {
		if err := notInCondition(path, name); err != nil {
			return err
		}
	}
	if slices.Contains(known, "condition") && belongsToSome(name) {
		return rules.FieldErrorf(path+name, "no such key; it belongs into the condition: "+
			`{"condition": {%q: ...}}`, name)
	}
	if near := rules.Nearest(name, known); len(near) > 0 {
		return rules.FieldErrorf(path+name, "no such key; did you mean %s?", strings.Join(near, " or "))
	}
	return rules.FieldErrorf(path+name, "no such key; known: %s", strings.Join(known, ", "))
}

// besideCondition are the keys of a rule that are looked for in its condition.
var besideCondition = []string{
	"source", "measurement", "field", "where", "group_by", "levels", "for", "keep_firing_for", "every", "severity",
	"channels", "cooldown", "remind", "escalate", "no_data", "active",
}

// notInCondition knows what models and other systems put into a condition; nil
// when name is none of that.
func notInCondition(path, name string) error {
	ours, ok := elsewhere[name]
	switch {
	case ok:
		return rules.FieldErrorf(path+name, "no such key; it is called %s here", ours)
	case slices.Contains([]string{"low", "high", "min", "max", "lower", "upper"}, name):
		return rules.FieldErrorf(path+name, "no such key; a range is value [low, high] with operator between or outside")
	case slices.Contains(besideCondition, name):
		return rules.FieldErrorf(path+name, "is a key of the rule, not of its condition; give it beside the condition: "+
			"{\"condition\": {...}, %q: ...}", name)
	}
	return nil
}

// at puts the path and an example to an error of a set function; errors that
// already are ours come from deeper in and only get the path in front.
func at(path, example string, err error) error {
	if all := rules.Joined(err); len(all) > 1 {
		var errs []error
		for _, e := range all {
			errs = append(errs, at(path, example, e))
		}
		return errors.Join(errs...)
	}
	var ours *rules.Error
	if errors.As(err, &ours) {
		return &rules.Error{Code: ours.Code, Field: join(path, ours.Field), Text: ours.Text}
	}
	return rules.FieldErrorf(path, "%v; for example %s", err, example)
}

func join(path, field string) string {
	if field == "" || strings.HasPrefix(field, "[") {
		return path + field
	}
	return path + "." + field
}

func names[T any](keys []key[T]) []string {
	var out []string
	for _, k := range keys {
		out = append(out, k.name)
	}
	return out
}

func setCondition(r *rules.Rule, v any) error {
	doc, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("must be an object; got %s", rules.Quote(v))
	}
	if kind, err := asText(doc["type"]); err == nil && r.Condition.Type != "" &&
		!strings.EqualFold(strings.TrimSpace(kind), string(r.Condition.Type)) {
		r.Condition = rules.Condition{}
	}
	return apply(&r.Condition, doc, "", conditionKeys)
}

// setEnabled: null goes back to enabled.
// setType takes the type of an anomaly rule too, which is offered to nobody yet:
// the engine says so.
func setType(c *rules.Condition, v any) error {
	if v == string(rules.Anomaly) {
		c.Type = rules.Anomaly
		return nil
	}
	return oneOf(func(c *rules.Condition) *rules.ConditionType { return &c.Type },
		"threshold", "absence", "change", "forecast", "expression", "query")(c, v)
}

func setEnabled(r *rules.Rule, v any) error {
	if v == nil {
		v = true
	}
	return flag(func(r *rules.Rule) *bool { return &r.Enabled })(r, v)
}

func setExpect(c *rules.Condition, v any) error {
	return setter(func(c *rules.Condition) *[]rules.Labels { return &c.Expect }, asList(asLabels))(c, v)
}

func setLabels(r *rules.Rule, v any) error {
	return setter(func(r *rules.Rule) *rules.Labels { return &r.Labels }, asLabels)(r, v)
}

func setInputs(c *rules.Condition, v any) error {
	doc, ok := v.(map[string]any)
	if !ok && v != nil {
		return fmt.Errorf("must be an object of named inputs; got %s", rules.Quote(v))
	}
	var errs []error
	out := map[string]rules.Input{}
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		nested, ok := doc[name].(map[string]any)
		if !ok {
			return fmt.Errorf("must be an object of named inputs; %s is %s", name, rules.Quote(doc[name]))
		}
		in := rules.Input{}
		if err := apply(&in, nested, "", inputKeys); err != nil {
			errs = append(errs, prefixed(name, err))
		}
		out[name] = in
	}
	c.Inputs = out
	return errors.Join(errs...)
}

// setEvery takes a duration or leaves a cron spec to whoever runs schedules.
func setEvery(r *rules.Rule, v any) error {
	if v == nil {
		r.Every = ""
		return nil
	}
	s, err := asText(v)
	if err != nil {
		return fmt.Errorf("must be a duration or a cron spec; got %s", rules.Quote(v))
	}
	if d, err := rules.ParseDuration(s); err == nil {
		if d < rules.Second {
			return fmt.Errorf("must be 1s or longer; got %s", rules.Quote(v))
		}
		r.Every = d.String()
		return nil
	}
	fields := strings.Fields(s)
	if len(fields) == 2 && fields[0] == "@every" {
		return setEvery(r, fields[1])
	}
	if len(fields) != 5 && !(len(fields) == 1 && slices.Contains(cronWords, fields[0])) {
		return fmt.Errorf("must be a duration or a cron spec of five fields such as \"0 7 * * mon\"; got %s", rules.Quote(v))
	}
	r.Every = strings.Join(fields, " ")
	return nil
}

// cronWords are the names that stand for a whole cron spec.
var cronWords = []string{"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"}
