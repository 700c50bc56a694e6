package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/cli"
	"github.com/9bikes/tocsin/app/config"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/notify/shoutrrr"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/sqlite"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// house is a tocsin as a user has it: a config, a database and a source with
// data in it. Its clock stands still.
type house struct {
	*testing.T
	dir    string
	source *live.Store
	down   bool // the source does not answer
	pid    int  // of the daemon, 0 for none
	in     string
	keys   int // how often a command asked for the key
}

func newHouse(t *testing.T, config string) *house {
	t.Helper()
	h := &house{T: t, dir: t.TempDir(), source: live.New(live.Options{}), pid: 42}
	h.write("config.yaml", "data_dir: data\nzone: UTC\nevery: 30s\n"+config)
	if err := os.Mkdir(filepath.Join(h.dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	h.must(h.source.Write([]byte("temperature,sensor=a,room=kitchen celsius=-18\ntemperature,sensor=b,room=kitchen "+
		"celsius=-19\n"), time.Nanosecond, time.Now()))
	store, err := sqlite.Open(t.Context(), h.database(), sqlite.Options{Migrate: true})
	h.must(err)
	h.must(store.Close())
	return h
}

const plain = "sources:\n  home: {kind: live}\nchannels:\n  mail: {url: \"generic://127.0.0.1:9/x?disabletls=yes\"}\n"

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *house) database() string { return filepath.Join(h.dir, "data", "tocsin.db") }

func (h *house) write(name, text string) string {
	h.Helper()
	path := filepath.Join(h.dir, name)
	h.must(os.WriteFile(path, []byte(text), 0o600))
	return path
}

func (h *house) program() cli.Program {
	return cli.Program{
		Version:    "1.2.3",
		ConfigFile: func() string { return config.DefaultPath(os.Environ()) },
		Load: func(path string, secrets bool) (*app.Config, error) {
			return config.Load(path,
				config.Options{SkipChannelSecrets: !secrets, CheckChannel: shoutrrr.New(shoutrrr.Options{}).Check})
		},
		Open:    h.open,
		Builder: shoutrrr.New(shoutrrr.Options{}),
		Sources: h.sources,
		Serve: func(_ context.Context, path string) error {
			return rules.Errorf(rules.Conflict, "another daemon runs, pid 42; %s", filepath.Base(path))
		},
		MCP:  func(context.Context, cli.MCPOptions) error { return context.Canceled },
		Demo: func(_ context.Context, out io.Writer) error { _, err := io.WriteString(out, "demo\n"); return err },
	}
}

func (h *house) open(ctx context.Context, c *app.Config, withKey bool) (*app.App, func() error, error) {
	store, err := sqlite.Open(ctx, h.database(), sqlite.Options{})
	if err != nil {
		return nil, nil, err
	}
	ledgers, err := evaluator.OpenLedgerCache(ctx, store,
		evaluator.LedgerCacheOptions{Route: func(rules.Severity) []string { return []string{"mail"} }})
	if err != nil {
		return nil, nil, err
	}
	a := app.New(app.App{
		Config: c, Store: store, Ledgers: ledgers, Version: "1.2.3",
		Daemon: func() (int, bool) { return h.pid, h.pid != 0 }, Now: func() time.Time { return noon },
	})
	if a.Sources, err = h.sources(c); err != nil {
		return nil, nil, err
	}
	if withKey {
		h.keys++
		a.Sender = shoutrrr.New(shoutrrr.Options{})
		a.Seal = func(id, kind string, url rules.Secret) ([]byte, error) {
			return fmt.Appendf(nil, "%s %s %d", id, kind, len(url.Reveal())), nil
		}
	}
	return a, store.Close, nil
}

func (h *house) sources(*app.Config) (map[string]evaluator.Source, error) {
	if h.down {
		return map[string]evaluator.Source{"home": live.NewRemote("http://127.0.0.1:9", "home", nil)}, nil
	}
	return map[string]evaluator.Source{"home": h.source}, nil
}

// run runs one command line.
func (h *house) run(args ...string) (out, errOut string, code int) {
	h.Helper()
	var o, e bytes.Buffer
	code = cli.Main(h.Context(), h.program(), append(args, "--config", filepath.Join(h.dir, "config.yaml")),
		strings.NewReader(h.in), &o, &e)
	return o.String(), e.String(), code
}

// ok runs a command that must do its work.
func (h *house) ok(args ...string) string {
	h.Helper()
	out, errOut, code := h.run(args...)
	if code != 0 {
		h.Fatalf("%q: exit %d: %s", args, code, errOut)
	}
	return out
}

// answer runs a command with --json and reads what it answers.
func (h *house) answer(args ...string) map[string]any {
	h.Helper()
	out := h.ok(append(args, "--json")...)
	var doc map[string]any
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		h.Fatalf("%q: %v:\n%s", args, err, out)
	}
	if strings.Contains(out, "\": null") && !strings.Contains(out, "resolved_at\": null") {
		h.Errorf("%q answers a null:\n%s", args, out)
	}
	return doc
}

// fire makes an alert of a rule for a sensor, as a tick would.
func (h *house) fire(rule, sensor string, at time.Time) {
	h.Helper()
	ctx := h.Context()
	a, closing, err := h.open(ctx, &app.Config{}, false)
	h.must(err)
	r, err := a.Store.FindRule(ctx, "", rule)
	h.must(err)
	evidence := func(rules.Observation) rules.Evidence {
		return rules.Evidence{
			Query: "SELECT mean(celsius)", From: at.Add(-5 * time.Minute), To: at,
			Condition: r.Condition.String(), Clock: "sure",
		}
	}
	h.must(a.Ledgers.Act(ctx, at, r.ID, func(s rules.Setting, l *rules.Ledger) error {
		l.Observe(s, []rules.Observation{{
			Series: rules.SeriesOf(rules.Labels{"sensor": sensor}), Verdict: rules.Bad,
			Value: -3, At: at,
		}}, evidence)
		return nil
	}))
	h.must(closing())
}

var freezer = []string{
	"rules", "create", "--title", "Freezer too warm", "--measurement", "temperature", "--field", "celsius", "--where",
	"room=kitchen",
	"--group-by", "sensor", "--aggregation", "mean", "--window", "5m", "--above", "-15", "--recover", "-17", "--severity",
	"high", "--channel", "mail",
}

// TestLife is the life of a rule and its alert, as a person types it.
func TestLife(t *testing.T) {
	h := newHouse(t, plain)
	out := h.ok(freezer...)
	if want := "Created rule freezer_too_warm (version 1).\nFreezer too warm: temperature.celsius where room=kitchen by " +
		"sensor, mean over 5m > -15\nIt tells mail.\nNo series matches now.\nA first message would read: Freezer too warm\n"; !strings.HasPrefix(out, want) {
		t.Errorf("create printed %q\nwant          %q", out, want)
	}
	h.fire("freezer_too_warm", "a", noon.Add(-12*time.Minute))
	want := "NAME              STATE     SEVERITY  MEASURES                                          WRONG WHEN\n" +
		"freezer_too_warm  1 firing  high      temperature.celsius where room=kitchen by sensor  mean over 5m > -15\n"
	if out = h.ok("rules", "list"); out != want {
		t.Errorf("rules list printed\n%s\nwant\n%s", out, want)
	}
	if n := h.answer("alerts", "list", "--status", "open")["total"]; n != 1.0 {
		t.Errorf("%v alerts are open, want 1", n)
	}
	out = h.ok("alerts", "list", "--status", "firing")
	id := regexp.MustCompile(`(?m)^a\w+`).FindString(out)
	if len(id) != 9 || !strings.Contains(out,
		"  firing  high      Freezer too warm  sensor=a  -3     12 min ago  pending\n") {
		t.Fatalf("alerts list printed\n%s", out)
	}
	out = h.ok("alerts", "show", id)
	for _, want := range []string{
		"value         -3\n", "started       12 min ago, 2026-03-14 11:48:00 UTC\n",
		"  mail: owed\n", "  condition  mean over 5m > -15\n", "  query      SELECT mean(celsius)\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("alerts show lacks %q:\n%s", want, out)
		}
	}
	if out = h.ok("alerts", "ack", id, "--until", "2h", "--note",
		"door"); out != "Freezer too warm (sensor=a) is snoozed until 2026-03-14 14:00:00 UTC.\n" {
		t.Errorf("ack printed %q", out)
	}
	alert := h.answer("alerts", "show", id)["alert"].(map[string]any)
	if alert["status"] != "acknowledged" || alert["note"] != "door" || alert["until"] != "2026-03-14T14:00:00Z" {
		t.Errorf("acknowledged alert = %v", alert)
	}
	h.ok("alerts", "ack", id, "--undo")
	h.ok("rules", "disable", "freezer_too_warm")
	if got := h.answer("alerts", "list")["alerts"].([]any)[0].(map[string]any)["status"]; got != "resolved" {
		t.Errorf("alert of a rule that is off is %v, want resolved", got)
	}
	if _, errOut, code := h.run("alerts", "ack", id); code != 4 || !strings.Contains(errOut, "is resolved") ||
		strings.Contains(errOut, "list_alerts") {
		t.Errorf("ack of a resolved alert: exit %d: %s", code, errOut)
	}
	if out = h.ok("rules", "delete", "freezer_too_warm"); !strings.HasPrefix(out, "Deleted rule freezer_too_warm") {
		t.Errorf("delete printed %q", out)
	}
	if out = h.ok("rules", "list"); !strings.HasPrefix(out, "No rules.") {
		t.Errorf("rules list printed %q", out)
	}
}

func TestShownRuleIsTheFileThatCreatesIt(t *testing.T) {
	h := newHouse(t, plain)
	h.ok(append(freezer, "--for", "10m", "--remind", "30m,2h", "--label", "team=home", "--summary",
		`{{.labels.sensor}}: "{{.value}}"`,
		"--set", "levels=[{value: -10, severity: critical}]", "--set", "escalate={after: 30m, channels: [mail]}", "--set",
		"active.days=mon-fri")...)
	text := h.ok("rules", "show", "freezer_too_warm")
	for _, want := range []string{
		"name: freezer_too_warm\n", "for: 10m\n", "  operator: \">\"\n", "  value: -15\n",
		"# ok; id r",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("rules show lacks %q:\n%s", want, text)
		}
	}
	h.ok("rules", "create", "--file", h.write("freezer.yaml", text), "--name", "again")
	if again := h.ok("rules", "show", "again"); body(again) != strings.Replace(body(text), "name: freezer_too_warm",
		"name: again", 1) {
		t.Errorf("the rule made from what was shown differs:\n%s\nfrom\n%s", again, text)
	}
}

// body leaves out the comment lines.
func body(text string) string {
	before, _, _ := strings.Cut(text, "#")
	return before
}

func TestFileFlagsAndSetGoOverEachOther(t *testing.T) {
	h := newHouse(t, plain)
	h.in = `{"title": "From a file", "measurement": "temperature", "field": "celsius", "severity": "low", "condition": {"aggregation": "max", "window": "5m", "operator": ">", "value": 1}}`
	r := h.answer("rules", "create", "--file", "-", "--severity", "high", "--window", "10m", "--set",
		"condition.window=1h", "--set", "for=2m")["rule"].(map[string]any)
	condition := r["condition"].(map[string]any)
	if r["severity"] != "high" || condition["window"] != "1h" || condition["aggregation"] != "max" || r["for"] != "2m" {
		t.Errorf("rule = %v", r)
	}
	r = h.answer("rules", "update", "from_a_file", "--set", "for=null", "--operator", "outside", "--value",
		"[2, 8]")["rule"].(map[string]any)
	if got := fmt.Sprint(r["condition"].(map[string]any)["value"]); got != "[2 8]" || r["for"] != nil ||
		r["version"] != 2.0 {
		t.Errorf("updated rule = %v", r)
	}
}

func TestDryRunSavesNothing(t *testing.T) {
	h := newHouse(t, plain)
	if out := h.ok(append(freezer, "--dry-run")...); !strings.Contains(out, "Nothing was saved.") {
		t.Errorf("printed %q", out)
	}
	if total := h.answer("rules", "list")["total"]; total != 0.0 {
		t.Errorf("total = %v after a dry run", total)
	}
	h.ok(freezer...)
	h.ok("rules", "delete", "freezer_too_warm", "--dry-run")
	h.ok("rules", "update", "freezer_too_warm", "--severity", "low", "--dry-run")
	if r := h.answer("rules", "show", "freezer_too_warm")["rule"].(map[string]any); r["severity"] != "high" {
		t.Errorf("rule = %v", r)
	}
}

func TestRefusalsHaveCodesAndCures(t *testing.T) {
	h := newHouse(t, plain)
	h.ok(freezer...)
	for _, tt := range []struct {
		line string
		code int
		want string
	}{
		{"frobnicate", 2, "there is no command tocsin frobnicate; known: "},
		{"ruls", 2, "there is no command tocsin ruls; did you mean rules?"},
		{"rules lst", 2, "there is no command tocsin rules lst; did you mean list or test?"},
		{"rules list extra", 2, "`tocsin rules list` takes flags alone"},
		{"rules list --frob", 2, "unknown flag: --frob; see `tocsin rules list --help`"},
		{"rules list --enable", 2, "unknown flag: --enable; did you mean --enabled"},
		{"rules list --limit x", 2, `--limit: must be a whole number such as 50; got "x"; see`},
		{"channels test mail --wait soon", 2, `--wait: must be a duration such as 20s or 1m; got "soon"; see`},
		{"rules list --enabled --disabled", 2, "--enabled and --disabled exclude each other"},
		{"rules list --limit -1", 2, "--limit: must be 0 for all or more"},
		{"rules show", 2, "NAME is missing; for example `tocsin rules show freezer`"},
		{"rules show a b", 2, "takes NAME and no more"},
		{"rules show freezer_too_wram", 3, "did you mean freezer_too_warm?"},
		{"rules create", 2, "nothing was given; for example `tocsin rules create --title"},
		{
			"rules create --title x --measurement temperature --field celsus --above 1", 2,
			`field: "celsus" does not exist; did you mean celsius?`,
		},
		{"rules create --title x --measurement temperature --field celsus --above 1", 2, "use --allow-unknown"},
		{
			"rules create --title x --measurement temperature --field celsius --above 1 --channel phone", 2,
			`channels: no channel "phone"; known: mail`,
		},
		{"rules create --title x --above 1 --below 2", 2, "--above and --below both say when it is wrong"},
		{"rules create --title x --where kitchen", 2, "--where: must be name=value"},
		{"rules create --set x", 2, "--set: must be key=value"},
		{"rules create --file /does/not/exist", 2, "--file: /does/not/exist cannot be opened: no such file or directory"},
		{"rules create --file /", 2, "--file: / is a directory; give the file of one rule"},
		{
			"rules create --title Freezer_too_warm --name freezer_too_warm --measurement temperature --field celsius --above 1",
			4, "freezer_too_warm",
		},
		{"rules update freezer_too_warm", 2, "nothing to change was given"},
		{"rules update freezer_too_warm --for 1m --if-version 7", 4, "is at version 1 now, not 7"},
		{"rules update nothing --for 1m", 3, `no rule "nothing"`},
		{"rules enable nothing", 3, `no rule "nothing"`},
		{"rules delete nothing", 3, `no rule "nothing"`},
		{"alerts show a123456789", 3, `there is no alert "a123456789"; `},
		{"alerts list --status broken", 2, "--status: must be one of open, firing, acknowledged, resolved"},
		{"alerts list --severity broken", 2, "--severity: must be one of low"},
		{"alerts list --limit 0", 2, "--limit: must be between 1 and 1000"},
		{"alerts list --since tomorrow", 2, "--since: must be a duration such as 2h, or a time"},
		{"alerts list --cursor x", 2, "--cursor: must be the `next` of an earlier answer"},
		{"alerts ack a1 --undo --note x", 2, "--undo takes an acknowledgement back"},
		{"channels remove nothing", 3, "nothing"},
		{"channels remove mail", 4, `channel "mail" is in the config file; remove it there`},
		{"channels test nothing", 3, `no channel "nothing"; known: mail`},
		{"channels add phone", 2, "the URL is missing, and there is no terminal to ask on"},
		{"channels add phone --url-file /does/not/exist", 2, "the file of --url-file cannot be opened"},
		{"channels add phone --url-stdin --url-file x", 2, "use one of them"},
		{"sources check nothing", 2, `there is no source "nothing"; known: home`},
		{"serve", 1, "another daemon runs, pid 42; config.yaml"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			out, errOut, code := h.run(strings.Fields(tt.line)...)
			if code != tt.code || !strings.Contains(errOut, tt.want) {
				t.Errorf("exit %d: %s\nwant %d: %s", code, errOut, tt.code, tt.want)
			}
			if out != "" || !strings.HasPrefix(errOut, "error: ") {
				t.Errorf("printed %q and %q, want an error on standard error alone", out, errOut)
			}
		})
	}
}

func TestErrorsUnderJSONAreJSON(t *testing.T) {
	h := newHouse(t, plain)
	out, errOut, code := h.run("rules", "create", "--title", "x", "--measurement", "m", "--field", "f", "--above", "1",
		"--severity", "hgh", "--cooldown", "5", "--json")
	var doc struct {
		Error  struct{ Code, Message, Field string }
		Errors []struct{ Code, Message, Field string }
	}
	if err := json.Unmarshal([]byte(errOut), &doc); err != nil || out != "" || code != 2 {
		t.Fatalf("exit %d, %v: %q and %q", code, err, out, errOut)
	}
	if doc.Error.Code != "invalid" || doc.Error.Field != "cooldown" || len(doc.Errors) != 2 ||
		doc.Errors[1].Field != "severity" {
		t.Errorf("errors = %+v", doc)
	}
	if _, errOut, code := h.run("rules", "lst", "--json"); code != 2 || !strings.HasPrefix(errOut, "{") {
		t.Errorf("exit %d: %s", code, errOut)
	}
}

func TestEveryLineOfAJoinedErrorIsItsOwn(t *testing.T) {
	h := newHouse(t, plain)
	_, errOut, _ := h.run("rules", "create", "--title", "x", "--measurement", "m", "--field", "f", "--above", "1",
		"--severity", "hgh", "--cooldown", "5")
	if got := strings.Count(errOut, "error: "); got != 2 || strings.Count(errOut, "\n") != 2 {
		t.Errorf("printed %q, want two lines", errOut)
	}
}

const url = "ntfy://tk_s3cr3t@ntfy.sh/topic"

func TestChannelURLIsNeverAnArgumentAndNeverShown(t *testing.T) {
	h := newHouse(t, plain)
	for _, args := range [][]string{
		{"channels", "add", "phone", url},
		{"channels", "add", url},
		{"channels", "add", "phone", "--url", url},
		{"channels", "add", "phone", "--url=" + url},
		{"channels", url},
		{"channels", "test", "phone", url},
	} {
		out, errOut, code := h.run(args...)
		if code != 2 || strings.Contains(out+errOut, "s3cr3t") {
			t.Errorf("%q: exit %d: %s%s", args[:2], code, out, errOut)
		}
	}
	if h.keys != 0 {
		t.Errorf("the key was asked for %d times", h.keys)
	}
	h.in = url + "\n"
	out, errOut, code := h.run("channels", "add", "phone", "--url-stdin")
	if code != 0 || out != "Added channel phone (ntfy). Test it with: tocsin channels test phone\n" || h.keys != 1 {
		t.Errorf("exit %d: %s%s", code, out, errOut)
	}
	h.ok("channels", "add", "pager", "--url-file", h.write("pager.url", " "+url+" \n"))
	if _, errOut, code := h.run("channels", "add", "phone", "--url-stdin"); code != 4 ||
		strings.Contains(errOut, "s3cr3t") {
		t.Errorf("a name that is taken: exit %d: %s", code, errOut)
	}
	h.in = "bad://s3cr3t"
	if _, errOut, code := h.run("channels", "add", "bad", "--url-stdin"); code != 2 || strings.Contains(errOut, "s3cr3t") {
		t.Errorf("a URL that is none: exit %d: %s", code, errOut)
	}
	out = h.ok("channels", "list", "--json")
	if strings.Contains(out, "s3cr3t") || strings.Count(out, `"name"`) != 3 {
		t.Errorf("channels list printed %s", out)
	}
	h.ok("channels", "remove", "pager")
	if total := h.answer("channels", "list")["total"]; total != 2.0 {
		t.Errorf("total = %v after one was removed", total)
	}
}

func TestTestOfAChannelWithoutDaemonFailsAndSaysSo(t *testing.T) {
	h := newHouse(t, plain)
	h.pid = 0
	_, errOut, code := h.run("channels", "test", "mail", "--json")
	if code != 1 || !strings.Contains(errOut, `"code": "unavailable"`) || !strings.Contains(errOut, "no daemon runs") {
		t.Errorf("exit %d: %s", code, errOut)
	}
}

func TestAnswersWithoutDaemonWarn(t *testing.T) {
	h := newHouse(t, plain)
	h.pid = 0
	for _, line := range []string{"rules list", "alerts list", "channels list"} {
		if _, errOut, code := h.run(strings.Fields(line)...); code != 0 ||
			!strings.Contains(errOut, "warning: no daemon runs: nothing is evaluated") {
			t.Errorf("%s: exit %d: %s", line, code, errOut)
		}
		if w := h.answer(strings.Fields(line)...)["warnings"].([]any); len(w) != 1 {
			t.Errorf("%s: warnings = %v", line, w)
		}
	}
	if out := h.ok("status"); !strings.Contains(out, "daemon    not running\n") {
		t.Errorf("status printed %s", out)
	}
}

func TestEmptyListsAreListsInJSON(t *testing.T) {
	h := newHouse(t, "sources:\n  home: {kind: live}\n")
	for line, key := range map[string]string{"rules list": "rules", "alerts list": "alerts", "channels list": "channels"} {
		doc := h.answer(strings.Fields(line)...)
		if list, ok := doc[key].([]any); !ok || len(list) != 0 || doc["total"] != 0.0 {
			t.Errorf("%s answers %v", line, doc)
		}
		if list, ok := doc["warnings"].([]any); !ok || len(list) != 0 {
			t.Errorf("%s: warnings = %v", line, doc["warnings"])
		}
	}
}

func TestPagesOfAlertsFollowEachOther(t *testing.T) {
	h := newHouse(t, plain)
	h.ok(freezer...)
	for i := range 5 {
		h.fire("freezer_too_warm", string(rune('a'+i)), noon.Add(time.Duration(-i/2)*time.Minute))
	}
	var seen []string
	args, pages := []string{"alerts", "list", "--limit", "2"}, 0
	for next := ""; pages < 5; pages++ {
		doc := h.answer(append(args, "--cursor", next)...)
		for _, a := range doc["alerts"].([]any) {
			seen = append(seen, a.(map[string]any)["id"].(string))
		}
		if next = doc["next"].(string); next == "" {
			break
		}
	}
	slices.Sort(seen)
	if len(slices.Compact(seen)) != 5 || pages != 2 {
		t.Errorf("%d pages showed %d alerts, want 5 on three", pages+1, len(seen))
	}
}

func TestSourcesAnswerForThemselves(t *testing.T) {
	h := newHouse(t, plain)
	if out := h.ok("sources", "check"); !strings.Contains(out, "home  live  ok") {
		t.Errorf("sources check printed %s", out)
	}
	if list := h.answer("sources", "list")["sources"].([]any); len(list) != 1 {
		t.Errorf("sources = %v", list)
	}
}

func TestStatusCountsTheRules(t *testing.T) {
	h := newHouse(t, plain)
	create := func(title string) {
		h.ok("rules", "create", "--title", title, "--measurement", "temperature", "--field", "celsius", "--above", "-15")
	}
	says := func(want string) {
		t.Helper()
		if out := h.ok("status"); !strings.Contains(out, "rules     "+want+"\n") {
			t.Errorf("status does not say rules %s: %s", want, out)
		}
	}
	says("none")
	create("First")
	says("1, on")
	h.ok("rules", "disable", "first")
	says("1, off")
	create("Second")
	says("2, 1 of them on")
	h.ok("rules", "enable", "first")
	says("2, all on")
}

func TestStatusAsksTheSources(t *testing.T) {
	h := newHouse(t, plain)
	if out := h.ok("status"); !strings.Contains(out, "status    ok\n") || !strings.Contains(out, "sources   home (ok)\n") {
		t.Errorf("with a source that answers: %s", out)
	}
	h.down = true
	if out := h.ok("status"); !strings.Contains(out, "status    degraded\n") ||
		!strings.Contains(out, "sources   home (down)\n") || !strings.Contains(out, "! source home: ") {
		t.Errorf("with a source that is down: %s", out)
	}
	source := h.answer("status")["sources"].([]any)[0].(map[string]any)
	if source["ok"] != false || source["error"] == "" {
		t.Errorf("source = %v", source)
	}
}

// fullDisk takes a few bytes and then none.
type fullDisk struct{ room int }

func (d *fullDisk) Write(p []byte) (int, error) {
	if len(p) > d.room {
		return 0, errors.New("no space left on device")
	}
	d.room -= len(p)
	return len(p), nil
}

func TestAnAnswerThatCouldNotBePrintedIsAFailure(t *testing.T) {
	h := newHouse(t, plain)
	h.ok(freezer...)
	for _, line := range []string{"rules list", "rules show freezer_too_warm", "status", "version", "rules list --json"} {
		var errOut bytes.Buffer
		args := append(strings.Fields(line), "--config", filepath.Join(h.dir, "config.yaml"))
		if code := cli.Main(t.Context(), h.program(), args, strings.NewReader(""), &fullDisk{10}, &errOut); code != 1 ||
			!strings.Contains(errOut.String(), "no space left") {
			t.Errorf("%s: exit %d: %s", line, code, errOut.String())
		}
	}
}

func TestConfigCheckNamesEveryFault(t *testing.T) {
	h := newHouse(t, "sources:\n  home:\n    kind: live\n    databse: x\nnotify: {high: [phone]}\nlog: loud\n")
	out, errOut, code := h.run("config", "check")
	if code != 1 || out != "" || strings.Count(errOut, "error: ") != 2 ||
		!strings.Contains(errOut, "line 7, column 5: sources.home.databse: no such key; did you mean database?") {
		t.Errorf("exit %d: %s%s", code, out, errOut)
	}
	if _, errOut, code = h.run("rules", "list", "--json"); code != 1 ||
		!strings.Contains(errOut, `"field": "sources.home.databse"`) {
		t.Errorf("another command with that config: exit %d: %s", code, errOut)
	}
	h = newHouse(t, plain+"notify: {high: [phone], low: [mail]}\n")
	out, errOut, code = h.run("config", "check")
	if code != 0 || !strings.Contains(out, "config.yaml is good.") ||
		!strings.Contains(errOut, `warning: notify.high: channel "phone" is not in the config`) {
		t.Errorf("exit %d: %s%s", code, out, errOut)
	}
	h = newHouse(t, plain+"listen: 0.0.0.0:8627\n")
	if _, errOut, code = h.run("config", "check"); code != 0 ||
		!strings.Contains(errOut, "warning: listen: other machines reach 0.0.0.0:8627, but without a token") {
		t.Errorf("open to all without a token: exit %d: %s", code, errOut)
	}
	h = newHouse(t, plain+"listen: 0.0.0.0:8627\ntoken: abc\n")
	if _, errOut, code = h.run("config", "check"); code != 0 || errOut != "" {
		t.Errorf("open to all with a token: exit %d: %s", code, errOut)
	}
	doc := h.answer("config", "check")
	if got := doc["config"].(map[string]any)["channels"]; fmt.Sprint(got) != "[mail]" {
		t.Errorf("config check answers %v", doc)
	}
}

func TestTimesThatPeopleGive(t *testing.T) {
	h := newHouse(t, plain)
	h.ok(freezer...)
	h.fire("freezer_too_warm", "a", noon.Add(-time.Minute))
	id := h.answer("alerts", "list")["alerts"].([]any)[0].(map[string]any)["id"].(string)
	for given, want := range map[string]string{
		"90m": "2026-03-14T13:30:00Z", "14:30": "2026-03-14T14:30:00Z", "08:00": "2026-03-15T08:00:00Z",
		"2026-03-20 07:00": "2026-03-20T07:00:00Z", "2026-03-20T07:00:00+01:00": "2026-03-20T06:00:00Z",
	} {
		if got := h.answer("alerts", "ack", id, "--until", given)["alert"].(map[string]any)["until"]; got != want {
			t.Errorf("--until %s is %v, want %s", given, got, want)
		}
	}
	if _, errOut, code := h.run("alerts", "ack", id, "--until", "2026-01-01"); code != 2 ||
		!strings.Contains(errOut, "must be in the future") {
		t.Errorf("a time that is over: exit %d: %s", code, errOut)
	}
	for since, want := range map[string]float64{"5m": 1, "30s": 0, "11:00": 1, "2026-03-14 11:59:30": 0} {
		if got := h.answer("alerts", "list", "--since", since)["total"]; got != want {
			t.Errorf("--since %s: %v alerts, want %v", since, got, want)
		}
	}
}

func TestForeignTextDrivesNoTerminal(t *testing.T) {
	h := newHouse(t, plain)
	h.ok(freezer...)
	h.fire("freezer_too_warm", "a\x1b[2Jb", noon)
	for _, out := range []string{h.ok("alerts", "list"), h.ok("rules", "list")} {
		if strings.Contains(out, "\x1b") {
			t.Errorf("printed an escape: %q", out)
		}
	}
}

func TestVersionDemoAndMCP(t *testing.T) {
	h := newHouse(t, plain)
	if out := h.ok("version"); !strings.HasPrefix(out, "tocsin 1.2.3 go1.") {
		t.Errorf("version printed %q", out)
	}
	if got := h.answer("version")["version"]; got != "1.2.3" {
		t.Errorf("version answers %v", got)
	}
	if out := h.ok("demo"); out != "demo\n" {
		t.Errorf("demo printed %q", out)
	}
	if out := h.ok("mcp"); out != "" {
		t.Errorf("mcp printed %q, but its output is the protocol's", out)
	}
	if out := h.ok("completion", "bash"); !strings.Contains(out, "tocsin") {
		t.Errorf("completion printed %q", out)
	}
}
