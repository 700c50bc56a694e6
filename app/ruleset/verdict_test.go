package ruleset_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/app/ruleset"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/rules"
)

// dice makes rules that somebody might write, right and wrong ones.
type dice struct{ *rand.Rand }

func (d dice) of(values ...any) any { return values[d.IntN(len(values))] }

func (d dice) rule() rules.Doc {
	durations := []any{"0s", "1s", "5m", "1h", "-5m", "2 hours", "400d", 5, "", nil, "soon", true, []any{"5m"}}
	numbers := []any{
		0, 5, -1.5, "5", "010", "0x1F", "1e3", "", nil, true, []any{1, 2}, []any{2, 1}, []any{1}, "open", 1e300,
	}
	doc := rules.Doc{"title": "Tried", "name": "tried", "source": "home", "measurement": "temperature", "field": "celsius"}
	condition := []rules.Doc{
		{},
		{"operator": ">", "value": 5},
		{"type": "absence"},
		{"type": "forecast", "operator": ">", "value": 9},
		{"type": "change", "ago": "1h", "operator": ">", "value": 1},
	}[d.IntN(5)]
	for range d.IntN(4) {
		switch d.IntN(9) {
		case 0:
			condition["type"] = d.of("threshold", "absence", "change", "forecast", "anomaly", "expression", "query", "", "x", 5)
		case 1:
			condition["aggregation"] = d.of("mean", "count", "p95", "p0", "p100", "rate", "first", "", "x", nil)
		case 2:
			condition[d.of("window", "ago", "horizon", "forget_after", "stale_after").(string)] = d.of(durations...)
		case 3:
			condition["operator"] = d.of(">", "<", "==", "!=", "between", "outside", ">=", "above", "", 5)
		case 4:
			condition[d.of("value", "recover").(string)] = d.of(numbers...)
		case 5:
			doc[d.of("for", "keep_firing_for", "cooldown", "every", "remind", "max_series").(string)] = d.of(durations...)
		case 6:
			doc["every"] = d.of("0 7 * * mon", "0 7 31 2 *", "* * *", "@daily", "99 * * * *", "30s", "0s", "61 7 * * *")
		case 7:
			key := d.of("levels", "group_by", "where", "labels", "no_data", "severity").(string)
			doc[key] = map[string][]any{
				"levels":   {nil, []any{rules.Doc{"value": 9, "severity": "high"}}, rules.Doc{}, 5},
				"group_by": {nil, "room", []any{"room"}, []any{""}, []any{"room", "room"}, rules.Doc{}},
				"where":    {nil, rules.Doc{"room": "kitchen"}, rules.Doc{"room": []any{}}, "room", rules.Doc{}},
				"labels":   {nil, rules.Doc{"team": "a"}, rules.Doc{"": "a"}, []any{1}},
				"no_data":  {nil, "keep", "alert", "", "x"},
				"severity": {nil, "high", "", "urgent"},
			}[key][d.IntN(4)]
		case 8:
			condition[d.of("expr", "text", "column", "language", "percent", "season", "sensitivity").(string)] = d.of(
				"a > 1", "SELECT 1", "v", "sql", true, "auto", "high", "", 5)
		}
	}
	doc["condition"] = condition
	if d.IntN(20) == 0 {
		doc["condition"] = d.of("x > 5", nil, 5, []any{})
	}
	return doc
}

// refused is what a door says of a rule that is not well formed, or that the
// engine cannot do; nothing of one that is good.
func refused(err error) string {
	var out []string
	for _, e := range rules.Joined(err) {
		var ours *rules.Error
		if !errors.As(e, &ours) {
			return "no refusal: " + e.Error()
		}
		text := ours.Text
		if strings.HasPrefix(text, "the rule is not due between") {
			continue // the hour that is tried is at fault
		}
		if _, after, ok := strings.Cut(text, "column 1: "); ok { // a file's place
			text = after
		}
		out = append(out, strings.TrimPrefix(ours.Field, "rules.yaml: ")+": "+text)
	}
	return strings.Join(out, "\n")
}

// TestARuleHasOneVerdictAtEveryDoor: what tries a rule checks it as what saves
// it does, and nothing panics.
func TestARuleHasOneVerdictAtEveryDoor(t *testing.T) {
	h := newHome(t)
	good := 0
	for seed := range uint64(3000) {
		doc := dice{rand.New(rand.NewPCG(seed, 1))}.rule()
		text, err := json.Marshal(doc)
		h.Must(err)
		read := func() rules.Doc { // each door has its own
			var out rules.Doc
			h.Must(json.Unmarshal(text, &out))
			return out
		}
		_, created := h.CreateRule(t.Context(), anna, read(), app.SaveOptions{DryRun: true})
		if created == nil {
			good++
		}
		if created != nil && strings.Contains(created.Error(), "holds numbers") {
			continue // so the source says, which a file does not know
		}
		for door, err := range h.others(t.Context(), read) {
			if got, want := refused(err), refused(created); (got == "") != (want == "") {
				t.Errorf("seed %d, %s\n%s says %q\ncreate says %q", seed, text, door, got, want)
			}
		}
		if t.Failed() && seed > 400 {
			return
		}
	}
	if good < 100 || good > 2900 {
		t.Errorf("%d of 3000 rules are good: the dice are loaded", good)
	}
}

// others are what the doors beside create say of a rule.
func (h *home) others(ctx context.Context, read func() rules.Doc) map[string]error {
	text, err := json.Marshal(map[string]any{"rules": []any{read()}})
	h.Must(err)
	out := map[string]error{}
	docs, err := ruleset.Read("rules.yaml", text)
	if err != nil {
		return map[string]error{"read": err}
	}
	_, out["apply"] = ruleset.New(h.App).Plan(ctx, docs, ruleset.Options{})
	_, out["test"] = ruleset.TestFile{}.Play(ctx, docs, live.ReadData)
	_, out["backtest"] = insight.New(h.App).Backtest(ctx, insight.BacktestRequest{
		Doc: read(), Data: func(form evaluator.DataForm) (*evaluator.Data, error) {
			return live.ReadData(strings.NewReader(points()), evaluator.DataForm{Precision: time.Nanosecond})
		},
	})
	_, out["preview"] = insight.New(h.App).Preview(ctx, insight.PreviewRequest{
		Doc: read(), From: noon.Add(-time.Hour), To: noon,
	})
	return out
}

func points() string {
	var b strings.Builder
	for i := range 20 {
		fmt.Fprintf(&b, "temperature,room=kitchen celsius=%d %d\n", i, noon.Add(time.Duration(i)*time.Minute).UnixNano())
	}
	return b.String()
}
