package mcp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/influxdata/influxql"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/apptest"
	"github.com/9bikes/tocsin/app/chart"
	"github.com/9bikes/tocsin/app/mcp"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/influx"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// oracle is an InfluxDB in which everything exists that the present call
// names. It looks at every query that it is asked.
type oracle struct {
	mu    sync.Mutex
	given map[string]bool // by the present call
	ever  map[string]bool // by one before too: rules are kept
	wrong []string
	asked int
}

// expect takes over what the next call may name.
func (o *oracle) expect(arguments any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.given, o.wrong = map[string]bool{}, nil
	o.collect(arguments)
	maps.Copy(o.ever, o.given)
}

func (o *oracle) collect(v any) {
	switch v := v.(type) {
	case string:
		o.given[v], o.given[strings.TrimSpace(v)] = true, true
		var nested any
		if s := strings.TrimSpace(v); strings.ContainsAny(s, "{[") && json.Unmarshal([]byte(s), &nested) == nil {
			o.collect(nested) // arguments may be encoded twice
		}
	case map[string]any:
		for key, item := range v {
			o.collect(key)
			o.collect(item)
		}
	case []any:
		for _, item := range v {
			o.collect(item)
		}
	case nil:
	default:
		o.given[fmt.Sprint(v)] = true // a number or a boolean where a name belongs
	}
}

// also are the names in queries that are not of the caller.
var also = []string{"time", "mean", "v", "n", "tocsin"}

func (o *oracle) known(name string) bool {
	return o.ever[name] || slices.Contains(also, name) || len(name) > 1 && strings.Trim(name[1:], "0123456789") == ""
}

// ServeHTTP answers a query.
func (o *oracle) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := r.FormValue("q")
	o.asked++
	query, err := influxql.ParseQuery(text)
	if err != nil {
		o.wrong = append(o.wrong, fmt.Sprintf("%v: %s", err, text))
		http.Error(w, `{"error":"error parsing query"}`, http.StatusBadRequest)
		return
	}
	var results []any
	for i, statement := range query.Statements {
		o.check(statement)
		results = append(results, map[string]any{"statement_id": i, "series": o.answer(statement)})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"results": results}) // who asked may be gone
}

// check looks for names that nobody gave, and for what no query of a reader
// is.
func (o *oracle) check(statement influxql.Statement) {
	switch s := statement.(type) {
	case *influxql.SelectStatement:
		if s.Target != nil {
			o.wrong = append(o.wrong, "it writes: "+s.String())
		}
	case *influxql.ShowMeasurementsStatement, *influxql.ShowFieldKeysStatement, *influxql.ShowTagKeysStatement,
		*influxql.ShowTagValuesStatement,
		*influxql.ShowSeriesStatement, *influxql.ShowSeriesCardinalityStatement:
	default:
		o.wrong = append(o.wrong, fmt.Sprintf("a %T: %s", statement, statement))
	}
	influxql.WalkFunc(statement, func(n influxql.Node) {
		var name string
		switch n := n.(type) {
		case *influxql.VarRef:
			name = n.Val
		case *influxql.Measurement:
			if name = n.Name; n.Regex != nil || n.SystemIterator != "" {
				o.wrong = append(o.wrong, fmt.Sprintf("a measurement that is no name: %s", statement))
			}
		case *influxql.StringLiteral:
			name = n.Val
		case *influxql.RegexLiteral:
			name = n.Val.String()
		default:
			return
		}
		if name != "" && !o.known(name) {
			o.wrong = append(o.wrong, fmt.Sprintf("it names %q, which was not given: %s", name, statement))
		}
	})
}

func (o *oracle) answer(statement influxql.Statement) []any {
	var columns []string
	var values [][]any
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(o.given)), func(name string) bool { return name == "" })
	switch statement.(type) {
	case *influxql.ShowMeasurementsStatement:
		columns = []string{"name"}
	case *influxql.ShowFieldKeysStatement:
		columns = []string{"fieldKey", "fieldType"}
	case *influxql.ShowTagKeysStatement:
		columns = []string{"tagKey"}
	default:
		return nil
	}
	for _, name := range names {
		values = append(values, []any{name, "float"}[:len(columns)])
	}
	from := "m"
	if s, ok := statement.(*influxql.ShowFieldKeysStatement); ok && len(s.Sources) == 1 {
		from = s.Sources[0].(*influxql.Measurement).Name
	}
	return []any{map[string]any{"name": from, "columns": columns, "values": values}}
}

// victim is a tocsin that is asked nonsense.
type victim struct {
	testing.TB
	server *mcp.Server
	oracle *oracle
	log    *apptest.Buffer
	tools  []fuzzed
	calls  int
	close  func() error
}

// fuzzed is a tool as it is listed.
type fuzzed struct {
	Name, Description string
	InputSchema       struct {
		Properties map[string]struct{ Properties map[string]any }
	}
}

func (f fuzzed) example() string {
	_, text, _ := strings.Cut(f.Description, "Example: ")
	return text
}

// newVictim returns one with a database in a directory, to be closed.
func newVictim(tb testing.TB, dir string) *victim {
	tb.Helper()
	store, err := sqlite.Open(context.Background(), filepath.Join(dir, "tocsin.db"), sqlite.Options{Migrate: true})
	if err != nil {
		tb.Fatal(err)
	}
	ledgers, err := evaluator.OpenLedgerCache(context.Background(), store, evaluator.LedgerCacheOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	v := &victim{TB: tb, oracle: &oracle{ever: map[string]bool{}}, log: &apptest.Buffer{}}
	upstream := httptest.NewServer(v.oracle)
	v.close = func() error {
		upstream.Close()
		return store.Close()
	}
	source, err := influx.New(influx.Options{URL: upstream.URL, Database: "d", Timeout: 5 * time.Second})
	if err != nil {
		tb.Fatal(err)
	}
	a := app.New(app.App{
		Config: &app.Config{
			Every: 30 * rules.Second, Zone: "UTC",
			Channels: map[string]app.ChannelConfig{"phone": {Kind: "ntfy"}},
		},
		Store: store, Ledgers: ledgers, Sources: map[string]evaluator.Source{"home": source}, Now: func() time.Time {
			return noon
		}, Version: "1",
		Daemon: func() (int, bool) { return 0, false },
	})
	v.server = mcp.New(a,
		mcp.Options{
			Log: slog.New(slog.NewTextHandler(v.log, &slog.HandlerOptions{Level: slog.LevelError})), User: "anna",
			Draw: chart.PNG,
		})
	var list struct{ Tools []fuzzed }
	v.ask("tools/list", map[string]any{}, &list)
	if v.tools = list.Tools; len(v.tools) < 16 {
		tb.Fatalf("%d tools", len(v.tools))
	}
	return v
}

// ask makes a request as it comes over the wire.
func (v *victim) ask(method string, params any, result any) {
	v.Helper()
	request, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		v.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	answer, err := json.Marshal(v.server.Protocol().HandleMessage(ctx, request))
	if err != nil {
		v.Fatal(err)
	}
	var got struct{ Result, Error json.RawMessage }
	if err := json.Unmarshal(answer, &got); err != nil || got.Error != nil || json.Unmarshal(got.Result, result) != nil {
		v.Fatalf("%s is answered %s (%v)", request, answer, err)
	}
}

// call calls a tool; whatever the arguments are, it must answer like a tool
// and ask the source for nothing else.
func (v *victim) call(tool string, arguments any) (refused bool) {
	v.Helper()
	v.calls++
	v.oracle.expect(arguments)
	var result struct {
		IsError bool
		Content []struct{ Text string }
	}
	began := time.Now()
	v.ask("tools/call", map[string]any{"name": tool, "arguments": arguments}, &result)
	took := time.Since(began)
	v.oracle.mu.Lock()
	wrong := slices.Clone(v.oracle.wrong)
	v.oracle.mu.Unlock()
	text := ""
	if len(result.Content) > 0 {
		text = result.Content[0].Text
	}
	switch {
	case len(wrong) > 0:
		v.Errorf("%s %.3000s:\n%.3000s", tool, shownJSON(arguments), strings.Join(wrong, "\n"))
	case text == "" || strings.Contains(text, "internal error") || v.log.String() != "":
		v.Errorf("%s %s is answered %s\n%s", tool, shownJSON(arguments), text, v.log)
	case result.IsError && !strings.Contains(text, "was refused") && !strings.Contains(text, "was stopped"):
		v.Errorf("%s %s is refused with %s", tool, shownJSON(arguments), text)
	case took > 10*time.Second:
		v.Errorf("%s %s took %s", tool, shownJSON(arguments), took)
	}
	return result.IsError
}

func shownJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// hostile are texts that break out of what they are put into, if anything
// lets them.
var hostile = []string{
	`"`, `'`, `\`, `\"`, `\\"`, "\n", "\x00", "`", `";DROP MEASUREMENT m;--`, `' OR '1'='1`,
	`m" WHERE time > 0; SELECT * INTO x FROM "m`, `m"; DELETE FROM "m`,
	`/.*/`, `$from`, `{{.value}}`, `{{`, "%s%d%n", "é", "日本", "\u202e", "\ufeff", "a b", "a,b=c",
	strings.Repeat("x", 5000), "*", "time", "_field", "", " ", "null", "-1", "1e999", "🚨",
	"a\\\nb", `\'; DROP DATABASE d; --`, "\"\\\"", "--", "/*", "0", "true", "5m", "2026-03-02T12:00:00Z", "mon-fri",
	"x' AND time < now() --",
}

// words are texts that make sense somewhere.
var words = []string{
	"temperature", "celsius", "sensor", "a", "home", "phone", "mean", "max", "p99", "rate", "latest", "stddev", "5m", "1h",
	"7d", "30s", "0s", "threshold", "absence", "change", "forecast",
	"anomaly", "expression", "query", ">", "<=", "==", "between", "outside", "critical", "low", "open", "resolved",
	"create", "end", "list", "full", "short", "keep", "alert", "freezer", "@hourly", "0 6 * * *",
	"SELECT mean(v) AS v FROM m WHERE time > $from AND time <= $to", "influxql", "sql", "cpu > 80",
}

// dice makes arguments.
type dice struct{ *rand.Rand }

func pick[T any](d dice, list []T) T { return list[d.IntN(len(list))] }

func (d dice) value(depth int) any {
	switch n := d.IntN(20); {
	case n < 5:
		return pick(d, words)
	case n < 11:
		return pick(d, hostile)
	case n < 12:
		return pick(d, words) + pick(d, hostile)
	case n < 15:
		return pick(d, []any{0.0, 1.0, -1.0, 7.5, 1e18, -1e300, 9007199254740993.0, 5e-324, 100.0})
	case n < 16:
		return pick(d, []any{true, false, nil})
	case depth > 2:
		return "deep"
	case n < 18:
		list := []any{}
		for range d.IntN(4) {
			list = append(list, d.value(depth+1))
		}
		return list
	}
	object := map[string]any{}
	for range d.IntN(4) {
		key := pick(d, []any{pick(d, words), pick(d, hostile), "type", "value", "operator", "window", "aggregation"})
		object[fmt.Sprint(key)] = d.value(depth + 1)
	}
	return object
}

// conditionKeys are what a condition may hold beside what is advertised.
var conditionKeys = []string{
	"type", "aggregation", "window", "operator", "value", "recover", "expect", "forget_after",
	"ago", "percent", "horizon", "sensitivity", "direction", "season", "inputs", "expr", "language", "text", "column",
}

// names are the arguments of the example with hostile names and values, which
// all exist.
func (d dice) names(args map[string]any) any {
	for _, key := range []string{"measurement", "field"} {
		if _, ok := args[key]; ok && d.IntN(2) == 0 {
			args[key] = pick(d, hostile)
		}
	}
	if _, ok := args["group_by"]; ok && d.IntN(2) == 0 {
		args["group_by"] = []any{pick(d, hostile), pick(d, words)}
	}
	if _, ok := args["field"]; ok && d.IntN(2) == 0 {
		args["where"] = map[string]any{
			pick(d, hostile): pick(d, hostile),
			pick(d, words):   []any{pick(d, hostile), pick(d, hostile)},
		}
	}
	if _, ok := args["rule"]; ok && d.IntN(2) == 0 {
		args["rule"] = "freezer_too_warm"
	}
	return args
}

// arguments are those of the example of a tool, with some changed.
func (d dice) arguments(tool fuzzed) any {
	var args map[string]any
	if json.Unmarshal([]byte(tool.example()), &args) != nil || d.IntN(10) == 0 {
		args = map[string]any{}
	}
	if d.IntN(2) == 0 {
		return d.names(args)
	}
	keys := slices.Concat(slices.Sorted(maps.Keys(tool.InputSchema.Properties)), ruledoc.Names(),
		[]string{"cooldown_minutes", "is_active", "monitor_id", "id", "nonsense"})
	for range d.IntN(5) {
		key := pick(d, keys)
		if d.IntN(3) > 0 {
			key = pick(d, keys[:len(tool.InputSchema.Properties)+1])
		}
		args[key] = d.value(0)
	}
	if condition, ok := args["condition"].(map[string]any); ok || d.IntN(4) == 0 {
		if condition == nil {
			condition = map[string]any{}
		}
		for range d.IntN(3) {
			condition[pick(d, conditionKeys)] = d.value(1)
		}
		args["condition"] = condition
	}
	switch d.IntN(30) {
	case 0:
		return d.value(0)
	case 1:
		return shownJSON(args)
	}
	return args
}

// TestRandomArgumentsBreakNothing: no panic, no internal error, and nothing in
// a query that was not given as a name or value.
func TestRandomArgumentsBreakNothing(t *testing.T) {
	lasts := 3 * time.Second
	if os.Getenv("TESTS_FULL") != "" {
		lasts = time.Minute
	}
	seed := uint64(time.Now().UnixNano())
	d := dice{rand.New(rand.NewPCG(seed, 0))}
	v := newVictim(t, t.TempDir())
	calls, refused, asked := 0, 0, 0
	renew := func() {
		calls, asked = calls+v.calls, asked+v.oracle.asked
		if err := v.close(); err != nil {
			t.Error(err)
		}
	}
	for end := time.Now().Add(lasts); time.Now().Before(end) && !t.Failed(); {
		if v.calls == mostCalls {
			renew()
			v = newVictim(t, t.TempDir())
		}
		tool := pick(d, v.tools)
		if v.call(tool.Name, d.arguments(tool)) {
			refused++
		}
	}
	renew()
	t.Logf("seed %d: %d calls, %d refused, %d requests to the source", seed, calls, refused, asked)
	if calls > 200 && (asked < calls/20 || refused > calls*9/10) {
		t.Error("hardly any call came through")
	}
}

// mostCalls is how many calls one database gets, of which many leave a rule.
const mostCalls = 2000

// FuzzTool finds arguments on its own, beginning with the example of each
// tool.
func FuzzTool(f *testing.F) {
	dir, databases := f.TempDir(), 0
	v := newVictim(f, dir)
	f.Cleanup(func() {
		if err := v.close(); err != nil {
			f.Error(err)
		}
	})
	for i, tool := range v.tools {
		f.Add(byte(i), tool.example())
		for _, text := range hostile {
			inJSON, err := json.Marshal(text)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(byte(i), strings.Replace(tool.example(), `"freezer"`, string(inJSON), 1))
		}
	}
	f.Fuzz(func(t *testing.T, i byte, text string) {
		var arguments any
		if json.Unmarshal([]byte(text), &arguments) != nil {
			t.Skip("no JSON, so no arguments")
		}
		if v.calls >= mostCalls {
			if err := v.close(); err != nil {
				t.Error(err)
			}
			databases++
			next := filepath.Join(dir, strconv.Itoa(databases))
			if err := os.Mkdir(next, 0o755); err != nil {
				t.Fatal(err)
			}
			v = newVictim(t, next)
		}
		v.TB = t
		v.call(v.tools[int(i)%len(v.tools)].Name, arguments)
	})
}
