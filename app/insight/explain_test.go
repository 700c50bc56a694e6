package insight_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// why makes a rule, lets one tick pass, and asks why its worst series is as it is.
func (n *night) why(doc rules.Doc) string {
	n.Helper()
	doc["measurement"], doc["field"] = "temperature", "celsius"
	got, err := n.Daemon.CreateRule(n.Context(), anna, doc, app.SaveOptions{})
	if err != nil {
		n.Fatal(err)
	}
	n.Tick()
	return n.explain(got.Rule.ID)
}

func (n *night) explain(rule string) string {
	n.Helper()
	x, err := insight.New(n.Daemon).Explain(n.Context(), insight.ExplainRequest{Rule: rule})
	if err != nil {
		n.Fatal(err)
	}
	return x.Why
}

func (n *night) wantWhy(got, want string) {
	n.Helper()
	if !strings.HasPrefix(got, want) {
		n.Errorf("explained as %q\nwant it to begin %q", got, want)
	}
}

func TestAnExplanationNamesTheLevelThatIsBreached(t *testing.T) {
	n := newNight(t)
	n.Write("kitchen", 15)
	n.wantWhy(n.why(rules.Doc{
		"name": "early", "condition": rules.Doc{"operator": ">", "value": 20},
		"levels": []any{rules.Doc{"value": 12, "severity": "low"}},
	}),
		`Firing for 1s: it is 15, which is wrong by its level > 12 (low).`)
}

func TestAnExplanationSaysHowLongASilenceIs(t *testing.T) {
	n := newNight(t)
	absent := n.why(rules.Doc{
		"name": "mute", "group_by": "room",
		"condition": rules.Doc{"type": "absence", "window": "2m", "expect": []any{rules.Doc{"room": "attic"}}},
	})
	n.wantWhy(absent, "Firing for 1s: no point has ever been seen.")
	for range 8 {
		n.Tick()
	}
	x, err := insight.New(n.Daemon).Explain(t.Context(),
		insight.ExplainRequest{Rule: "mute", Series: rules.Labels{"room": "hall"}})
	if err != nil {
		t.Fatal(err)
	}
	n.wantWhy(x.Why, "Firing for 2m30s: it has had no point for 4m30s, and 2m are allowed.")
}

// The values of some conditions are not those of the field.
func TestAnExplanationSaysWhatItsValueIs(t *testing.T) {
	n := newNight(t)
	n.Now = n.Now.Add(10 * time.Minute)
	n.Write("kitchen", 8)
	where := rules.Doc{"room": "kitchen"}
	n.wantWhy(n.why(rules.Doc{
		"name": "percent", "where": where,
		"condition": rules.Doc{"type": "change", "ago": "10m", "percent": true, "operator": ">", "value": 50},
	}),
		`Firing for 1s: it has changed by 100 %, which is wrong by`)
	n.Now = n.Now.Add(-30 * time.Second)
	n.wantWhy(n.why(rules.Doc{
		"name": "change", "where": where,
		"condition": rules.Doc{"type": "change", "ago": "10m", "operator": ">", "value": 50},
	}),
		`Not firing: it has changed by 4, which is not wrong by`)
	for range 20 {
		n.Write("kitchen", 8)
		n.Tick()
	}
	n.wantWhy(n.why(rules.Doc{
		"name": "soon", "where": where,
		"condition": rules.Doc{"type": "forecast", "window": "8m", "horizon": "1h", "operator": ">", "value": 50},
	}),
		`Not firing: it is expected to be 8, which is not wrong by`)
}

func TestAnExplanationSaysThatSilenceProvesNothingNow(t *testing.T) {
	n := newNight(t)
	n.Daemon.Engine = evaluator.NewEngine(n.Daemon.Ledgers, slog.New(slog.DiscardHandler),
		evaluator.EngineOptions{Blind: func() bool { return true }})
	n.Daemon.Engine.Add("home", n.Points, evaluator.SourceOptions{})
	n.why(rules.Doc{
		"name":      "few",
		"condition": rules.Doc{"aggregation": "count", "window": "2m", "operator": "<", "value": 1},
	})
	for range 5 {
		n.Tick()
	}
	n.wantWhy(n.explain("few"), "Not firing: it has no value now, and silence proves nothing yet: the clock is not "+
		"known to be right, or the source is young.")
}

func TestAnExplanationSaysThatWhatFiresIsOutsideTheActiveTime(t *testing.T) {
	n := newNight(t)
	n.Write("kitchen", 15)
	n.why(rules.Doc{
		"name": "day", "condition": rules.Doc{"operator": ">", "value": 9},
		"active": rules.Doc{"hours": "08:00-12:05", "zone": "UTC"},
	})
	for range 12 {
		n.Write("kitchen", 15)
		n.Tick()
	}
	if got := n.explain("day"); !strings.HasSuffix(got,
		"It is outside the rule's active time (08:00-12:05 UTC): until that begins nothing is judged, and nobody is told.") {
		t.Errorf("explained as %q", got)
	}
}

// Who asks the source afresh knows no series of before.
func TestACountOfNothingIsZeroOutsideTheDaemonToo(t *testing.T) {
	n := newNight(t)
	n.why(rules.Doc{
		"name":      "few",
		"condition": rules.Doc{"aggregation": "count", "window": "2m", "operator": "<", "value": 1},
	})
	for range 8 {
		n.Tick()
	}
	x, err := insight.New(n.Beside).Explain(t.Context(), insight.ExplainRequest{Rule: "few"})
	if err != nil {
		t.Fatal(err)
	}
	n.wantWhy(x.Why, `Firing for 2m30s: it is 0, which is wrong by "count over 2m < 1".`)
}
