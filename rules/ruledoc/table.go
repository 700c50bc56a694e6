package ruledoc

import (
	"slices"

	"github.com/9bikes/tocsin/rules"
)

// ruleKeys are those of a rule, in the order in which rules are printed.
var ruleKeys = slices.Concat(whatKeys, []key[rules.Rule]{{
	name: "condition", without: needed, group: Judge, value: condition(),
	example: `{"type": "threshold", "aggregation": "mean", "window": "5m", "operator": ">", "value": -15}`,
	meaning: "when it is wrong: a type, and what that type takes", brief: "when it is wrong",
}}, whenKeys, whomKeys, keptKeys)

// whatKeys say what is watched.
var whatKeys = []key[rules.Rule]{
	{
		name: "name", example: "freezer", without: "made from the title", group: Measure,
		meaning: "short and unique, everything refers to the rule by it: small letters, digits, `_`, `.`, `-`, at most 63",
		brief:   "short; else made from the title",
		value:   text(func(r *rules.Rule) *string { return &r.Name }),
	},
	{
		name: "title", example: "Freezer too warm", without: "the name", group: Measure,
		meaning: "what is wrong when it fires; the headline of every message",
		brief:   "what is wrong when it fires",
		value:   text(func(r *rules.Rule) *string { return &r.Title }),
	},
	{
		name: "enabled", example: "true", without: "`true`", group: Measure, was: "is_active",
		meaning: "`false` pauses the rule and ends its alerts: nothing is evaluated and nobody told",
		brief:   "false pauses it",
		value:   flagOn(func(r *rules.Rule) *bool { return &r.Enabled }),
	},
	{
		name: "source", example: "home", without: "the only one", group: Measure,
		meaning: "where the data is, by the name of a source of the config",
		brief:   "if there are several",
		value:   text(func(r *rules.Rule) *string { return &r.Source }),
	},
	{
		name: "measurement", example: "temperature", without: "needed by most conditions", group: Measure,
		meaning: "the measurement (table) in the data, capitals included; expressions and queries name their own",
		brief:   "as in the data",
		value:   text(func(r *rules.Rule) *string { return &r.Measurement }),
	},
	{
		name: "field", example: "celsius", without: "needed by most conditions", group: Measure, alias: "metric",
		meaning: "the field (column) in the data; absence needs none",
		brief:   "as in the data",
		value:   text(func(r *rules.Rule) *string { return &r.Field }),
	},
	{
		name: "unit", example: "°C", without: "what the names of field and measurement tell", group: Measure,
		meaning: "what its values are measured in, for messages and charts",
		brief:   "such as °C; else taken from names",
		value:   text(func(r *rules.Rule) *string { return &r.Unit }),
	},
	{
		name: "where", example: `{"room": "kitchen"}`, without: "everything", group: Measure,
		was: "monitor_id", turn: withMonitor,
		meaning: "only series with these tags, each with a value or a list of values, any of which will do",
		brief:   "tags a series must have",
		value:   filter(func(r *rules.Rule) *rules.Filter { return &r.Where }),
	},
	{
		name: "group_by", example: `["sensor"]`, without: "one series in all", group: Measure,
		meaning: "tags; each combination of their values is a series with an alert of its own",
		brief:   "tags; one alert for each value",
		value:   texts(func(r *rules.Rule) *[]string { return &r.GroupBy }),
	},
}

// whenKeys say with the condition when it is wrong, and when that is looked at.
var whenKeys = []key[rules.Rule]{
	{
		name: "levels", example: `[{"value": -10, "severity": "critical"}]`, group: Judge,
		meaning: "further values with a severity of their own; the worst one that is breached gives the alert's severity, " +
			"and its `channels` are told too",
		brief: "further values with their severity",
		value: list(func(r *rules.Rule) *[]rules.Level { return &r.Levels }, levelKeys),
	},
	{
		name: "for", example: "10m", without: "`0s`", group: Judge, alias: "for_duration",
		meaning: "it must be wrong this long before it fires",
		brief:   "wrong this long before it fires",
		value:   duration(func(r *rules.Rule) *rules.Duration { return &r.For }),
	},
	{
		name: "keep_firing_for", example: "5m", without: "`0s`", group: Judge,
		meaning: "it must be good this long before it resolves",
		brief:   "good this long before it resolves",
		value:   duration(func(r *rules.Rule) *rules.Duration { return &r.KeepFiringFor }),
	},
	{
		name: "every", example: "30s", without: "`every` of the config", group: Judge,
		meaning: "how often it is evaluated: a duration of 1s or more, or a cron spec of five fields, `\"0 7 * * mon\"`",
		brief:   "how often, or a cron spec",
		value:   every(func(r *rules.Rule) *string { return &r.Every }),
	},
	{
		name: "zone", example: "Europe/Berlin", without: "that of the config", group: Judge,
		meaning: "time zone of the cron spec",
		brief:   "time zone of a cron spec",
		value:   text(func(r *rules.Rule) *string { return &r.Zone }),
	},
}

// whomKeys say who is told, when, and what, and what else bears on that.
var whomKeys = []key[rules.Rule]{
	{
		name: "severity", example: "high", preset: "medium", group: Tell,
		meaning: "how bad it is",
		brief:   "how bad it is",
		value:   choice(func(r *rules.Rule) *rules.Severity { return &r.Severity }, rules.Severities...),
	},
	{
		name: "cooldown", example: "15m", without: "`0s`", group: Tell, was: "cooldown_minutes", turn: minutes,
		meaning: "at most one first message for each series in this time",
		brief:   "at most one first message in this time",
		value:   duration(func(r *rules.Rule) *rules.Duration { return &r.Cooldown }),
	},
	{
		name: "remind", example: `["30m", "2h", "6h"]`, group: Tell,
		meaning: "gaps between messages until somebody acknowledges, each 1m or more; the last one repeats",
		brief:   "gaps between reminders",
		value:   durations(func(r *rules.Rule) *[]rules.Duration { return &r.Remind }),
	},
	{
		name: "escalate", example: `{"after": "30m", "channels": ["pager"]}`, group: Tell,
		meaning: "whom else to tell, once, when nobody acknowledges",
		brief:   "when nobody acknowledges",
		value:   table(func(r *rules.Rule) **rules.Escalation { return &r.Escalate }, escalateKeys),
	},
	{
		name: "channels", example: `["phone", "mail"]`, without: "`notify` of the config", group: Tell, flag: "channel",
		alias:   "notification_channels",
		meaning: "whom to tell, by the names of channels; else the config decides by severity",
		brief:   "channels to tell; else by severity",
		value:   texts(func(r *rules.Rule) *[]string { return &r.Channels }),
	},
	{
		name: "no_data", example: "keep", preset: "keep", group: Judge,
		meaning: "a series that was seen and has no point now: `keep` changes nothing, `ok` counts as good, `alert` counts " +
			"as wrong",
		brief: "what no data means",
		value: choice(func(r *rules.Rule) *rules.NoData { return &r.NoData }, "keep", "ok", "alert"),
	},
	{
		name: "active", group: Judge, without: "always",
		example: `{"days": "mon-fri", "hours": "07:00-22:00", "zone": "Europe/Berlin"}`,
		meaning: "the times of the week at which it is watched",
		brief:   "when it is watched",
		value:   table(func(r *rules.Rule) **rules.Active { return &r.Active }, activeKeys),
	},
	{
		name: "depends_on", example: `["router_down"]`, group: Judge,
		meaning: "rules by name or id: while one of them is wrong, on the same values of the tags that both group by, this " +
			"one stays quiet",
		brief: "rules that mute it",
		value: texts(func(r *rules.Rule) *[]string { return &r.DependsOn }),
	},
	{
		name: "labels", example: `{"team": "home"}`, group: Tell, flag: "label",
		meaning: "names and values of your own, for messages and silences",
		brief:   "names and values of its own",
		value:   labels(func(r *rules.Rule) *rules.Labels { return &r.Labels }),
	},
	{
		name: "summary", example: "{{.labels.sensor}} is at {{.value}} °C", group: Tell, alias: "description",
		meaning: "said below the first line, a template (see summaries). It knows `.labels.NAME` (tags and labels), `.value`, `.peak`, " +
			"`.title`, `.rule`, `.severity`, `.condition`, `.measured`, `.source`",
		brief: "{{.labels.sensor}} is at {{.value}}",
		value: text(func(r *rules.Rule) *string { return &r.Summary }),
	},
	{
		name: "runbook", example: "https://wiki.example/freezer", group: Tell,
		meaning: "a link to what to do",
		brief:   "link to what to do",
		value:   text(func(r *rules.Rule) *string { return &r.Runbook }),
	},
	{
		name: "max_series", example: "10000", without: "`10000`", group: Measure,
		meaning: "series beyond this number are not watched; status says so",
		brief:   "at most so many series",
		value:   count(func(r *rules.Rule) *int { return &r.MaxSeries }),
	},
}

// keptKeys are those of a printed rule that nobody sets.
var keptKeys = []key[rules.Rule]{
	{name: "id", kept: true},
	{name: "owner", kept: true},
	{name: "managed", kept: true},
	{name: "unchecked", kept: true},
	{name: "version", kept: true},
	{name: "created_at", kept: true},
	{name: "updated_at", kept: true},
	{name: "created_by", kept: true},
	{name: "judged_since", kept: true},
}

// conditionKeys are those of a condition; each type takes some of them.
var conditionKeys = []key[rules.Condition]{
	{
		name: "type", example: "threshold", without: "guessed from the other keys where they leave no doubt",
		meaning: "the kind of condition",
		brief:   "kind of condition",
		value:   conditionType(),
	},
	{
		name: "aggregation", example: "mean", takers: "threshold=latest change=latest anomaly=mean",
		alias:   "agg aggregate function",
		meaning: "what is made of the points in the window, see aggregations",
		brief:   "latest mean min max sum count first stddev spread rate or p1 to p99",
		value:   aggregation(func(c *rules.Condition) *rules.Aggregation { return &c.Aggregation }),
	},
	{
		name: "window", example: "5m", takers: "threshold=5m absence=10m change=5m forecast=6h anomaly=5m query=5m",
		alias:   "period range time_window",
		meaning: "how far back each look goes",
		brief:   "how far back each look goes",
		value:   positive(func(c *rules.Condition) *rules.Duration { return &c.Window }),
	},
	{
		name: "operator", example: ">", takers: "threshold! change! forecast! query!",
		alias:   "op comparison comparator",
		meaning: "how the value is compared",
		brief:   "how the value is compared",
		value:   operator(func(c *rules.Condition) *rules.Operator { return &c.Operator }),
	},
	{
		name: "value", example: "-15", takers: "threshold! change! forecast! query!", alias: "threshold limit",
		meaning: "the limit: a number; `[low, high]` with `between` and `outside`; text with `==` and `!=` of `latest`",
		brief:   "the limit; [low, high] with between, text with ==",
		value:   limit(func(c *rules.Condition) *rules.Value { return &c.Value }),
	},
	{
		name: "recover", example: "-17", takers: "threshold change forecast query", without: "the value",
		meaning: "once firing, it is good only past this value",
		brief:   "good only past this",
		value:   limit(func(c *rules.Condition) *rules.Value { return &c.Recover }),
	},
	{
		name: "stale_after", example: "1d", takers: "threshold",
		meaning: "where the window holds no point, the last one counts until it is this old",
		brief:   "for rare points: the last counts so long",
		value:   positive(func(c *rules.Condition) *rules.Duration { return &c.StaleAfter }),
	},
	{
		name: "expect", example: `[{"sensor": "a"}]`, takers: "absence",
		meaning: "series, by the tags of `group_by`, that must exist even if they were never seen",
		brief:   "series that must exist",
		value:   series(func(c *rules.Condition) *[]rules.Labels { return &c.Expect }),
	},
	{
		name: "forget_after", example: "30d", takers: "absence=30d",
		meaning: "a series that is silent for so long is retired",
		brief:   "silent so long, a series is retired",
		value:   positive(func(c *rules.Condition) *rules.Duration { return &c.ForgetAfter }),
	},
	{
		name: "ago", example: "1d", takers: "change!",
		meaning: "how far back the window lies that is compared with",
		brief:   "how long ago the other window is",
		value:   positive(func(c *rules.Condition) *rules.Duration { return &c.Ago }),
	},
	{
		name: "percent", example: "true", takers: "change", without: "`false`",
		meaning: "compare in percent of the value then: doubled is 100",
		brief:   "doubled is 100",
		value:   flag(func(c *rules.Condition) *bool { return &c.Percent }),
	},
	{
		name: "horizon", example: "4h", takers: "forecast=4h",
		meaning: "how far ahead the line is drawn",
		brief:   "how far ahead",
		value:   positive(func(c *rules.Condition) *rules.Duration { return &c.Horizon }),
	},
	{
		name: "sensitivity", example: "medium", takers: "anomaly=medium",
		meaning: "how readily it tells: `low` for what cannot be overlooked, `high` for the first signs",
		brief:   "how readily it tells",
		value:   choice(func(c *rules.Condition) *string { return &c.Sensitivity }, "low", "medium", "high"),
	},
	{
		name: "direction", example: "both", takers: "anomaly=both",
		meaning: "which way it must be unlike",
		brief:   "which way it must be unlike",
		value:   choice(func(c *rules.Condition) *string { return &c.Direction }, "both", "up", "down"),
	},
	{
		name: "season", example: "auto", takers: "anomaly=auto",
		meaning: "the rhythm to expect; `auto` finds out, by the hours of the daemon's time zone",
		brief:   "the rhythm to expect",
		value:   choice(func(c *rules.Condition) *string { return &c.Season }, "auto", "none", "24h", "168h"),
	},
	{
		name: "min_deviation", example: "0.5", takers: "anomaly", without: "none",
		meaning: "it never tells for less than this outside of what is usual, in the unit of the field",
		brief:   "never for less outside of what is usual",
		value:   distance(func(c *rules.Condition) *float64 { return &c.MinDeviation }),
	},
	{
		name: "inputs", takers: "expression!",
		example: `{"cpu": {"measurement": "cpu", "field": "usage", "aggregation": "mean", "window": "5m"}}`,
		meaning: "measurements, each by the name that the expression has for it",
		brief:   "{NAME: {measurement, field, where, aggregation, window}}",
		value:   named(func(c *rules.Condition) *map[string]rules.Input { return &c.Inputs }, inputKeys),
	},
	{
		name: "expr", example: "cpu > 80", takers: "expression!", alias: "expression",
		meaning: "an expression over the inputs that is true when it is wrong",
		brief:   "over the inputs; true when it is wrong",
		value:   text(func(c *rules.Condition) *string { return &c.Expr }),
	},
	{
		name: "language", example: "influxql", takers: "query=influxql",
		meaning: "the language of the query, which is that of the source",
		brief:   "language of the query",
		value:   choice(func(c *rules.Condition) *string { return &c.Language }, "influxql", "sql"),
	},
	{
		name: "text", takers: "query!", alias: "query sql",
		example: `SELECT mean("v") AS v FROM "m" WHERE time > $from AND time <= $to GROUP BY "host"`,
		meaning: "one SELECT that returns the value and its labels; `$from` and `$to` are the window",
		brief:   "SELECT .. time > $from AND time <= $to",
		value:   text(func(c *rules.Condition) *string { return &c.Text }),
	},
	{
		name: "column", example: "v", takers: "query!",
		meaning: "the column of the result that holds the value",
		brief:   "column with the value",
		value:   text(func(c *rules.Condition) *string { return &c.Column }),
	},
}

var inputKeys = []key[rules.Input]{
	{
		name: "measurement", example: "cpu", without: needed,
		meaning: "the measurement", brief: "measurement",
		value: text(func(i *rules.Input) *string { return &i.Measurement }),
	},
	{
		name: "field", example: "usage", without: needed,
		meaning: "the field", brief: "field",
		value: text(func(i *rules.Input) *string { return &i.Field }),
	},
	{
		name: "where", example: `{"room": "kitchen"}`, without: "everything",
		meaning: "only series with these tags", brief: "tags a series must have",
		value: filter(func(i *rules.Input) *rules.Filter { return &i.Where }),
	},
	{
		name: "aggregation", example: "mean", preset: "latest",
		meaning: "what is made of the points in the window", brief: "what is made of the points",
		value: aggregation(func(i *rules.Input) *rules.Aggregation { return &i.Aggregation }),
	},
	{
		name: "window", example: "5m", preset: "5m",
		meaning: "how far back each look goes", brief: "how far back each look goes",
		value: positive(func(i *rules.Input) *rules.Duration { return &i.Window }),
	},
}

var levelKeys = []key[rules.Level]{
	{
		name: "value", example: "-10", without: needed,
		meaning: "the limit of this level, compared like the condition's", brief: "limit",
		value: limit(func(l *rules.Level) *rules.Value { return &l.Value }),
	},
	{
		name: "severity", example: "critical", without: needed,
		meaning: "the severity from there on", brief: "from there on",
		value: choice(func(l *rules.Level) *rules.Severity { return &l.Severity }, rules.Severities...),
	},
	{
		name: "channels", example: `["pager"]`,
		meaning: "whom to tell too at this level", brief: "channels told too",
		value: texts(func(l *rules.Level) *[]string { return &l.Channels }),
	},
}

var escalateKeys = []key[rules.Escalation]{
	{
		name: "after", example: "30m", without: needed,
		meaning: "how long nobody acknowledged", brief: "not acknowledged so long",
		value: duration(func(e *rules.Escalation) *rules.Duration { return &e.After }),
	},
	{
		name: "channels", example: `["pager"]`, without: needed, flag: "escalate-channel",
		meaning: "whom to tell then", brief: "channels told then",
		value: texts(func(e *rules.Escalation) *[]string { return &e.Channels }),
	},
}

var activeKeys = []key[rules.Active]{
	{
		name: "days", example: "mon-fri", without: "every day",
		meaning: "days of the week, also `sat,sun`", brief: "mon-fri",
		value: text(func(a *rules.Active) *string { return &a.Days }),
	},
	{
		name: "hours", example: "07:00-22:00", without: "all day",
		meaning: "from and to; over midnight they belong to the day on which they begin", brief: "07:00-22:00",
		value: text(func(a *rules.Active) *string { return &a.Hours }),
	},
	{
		name: "zone", example: "Europe/Berlin", without: "that of the config",
		meaning: "time zone of both", brief: "time zone of both",
		value: text(func(a *rules.Active) *string { return &a.Zone }),
	},
}
