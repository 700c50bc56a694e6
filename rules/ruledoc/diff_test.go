package ruledoc_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

// TestDiffListsTheKeysThatChanged in the order of a rule, those of the condition
// one by one.
func TestDiffListsTheKeysThatChanged(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*rules.Rule)
		want   []string
	}{
		{"nothing", func(*rules.Rule) {}, nil},
		{"what tocsin keeps", func(r *rules.Rule) { r.ID, r.Version, r.UpdatedAt = "r9", 7, noon }, nil},
		{"the first and the last", func(r *rules.Rule) {
			r.Name, r.MaxSeries = "chill", 5
		}, []string{`name "fever" "chill"`, "max_series  5"}},
		{
			"keys that were not there, beside each other", func(r *rules.Rule) {
				r.For, r.KeepFiringFor, r.Every = rules.Minute, rules.Hour, "1m"
			},
			[]string{`for  "1m"`, `keep_firing_for  "1h"`, `every  "1m"`},
		},
		{
			"one that was not there behind one that was", func(r *rules.Rule) {
				r.Condition.Recover, r.For = rules.Num(21), rules.Minute
			},
			[]string{"condition.recover 22 21", `for  "1m"`},
		},
		{"keys that are there no more", func(r *rules.Rule) {
			r.GroupBy, r.Channels = nil, nil
		}, []string{`group_by ["room"] `, `channels ["phone"] `}},
		{
			"keys of the condition", func(r *rules.Rule) {
				r.Condition.Operator, r.Condition.Value, r.Condition.Recover, r.Condition.Window = rules.Below, rules.Num(5),
					rules.Value{}, rules.Hour
			},
			[]string{
				`condition.window "5m" "1h"`, `condition.operator ">" "<"`, "condition.value 25 5",
				"condition.recover 22 ",
			},
		},
		{
			"another condition", func(r *rules.Rule) {
				r.Condition = rules.Condition{
					Type: rules.Forecast, Window: 5 * rules.Minute, Horizon: rules.Hour,
					Operator: rules.Above, Value: rules.Num(25),
				}
			},
			[]string{
				`condition.type "threshold" "forecast"`, `condition.aggregation "mean" `, `condition.horizon  "1h"`,
				"condition.recover 22 ",
			},
		},
		{"the file that it is made from", func(r *rules.Rule) { r.Managed = "home.yaml" }, []string{`managed  "home.yaml"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			next := fever()
			tt.change(&next)
			changes, err := ruledoc.Diff(fever(), next)
			if err != nil || changes == nil {
				t.Fatalf("Diff returned %v, %v", changes, err)
			}
			var got []string
			for _, c := range changes {
				got = append(got, c.Key+" "+string(c.From)+" "+string(c.To))
			}
			if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
	broken := fever(func(r *rules.Rule) { r.Condition.Value = rules.Num(math.NaN()) })
	for _, pair := range [][2]rules.Rule{{broken, fever()}, {fever(), broken}} {
		if got, err := ruledoc.Diff(pair[0], pair[1]); err == nil || !strings.Contains(err.Error(), "print rule fever") {
			t.Errorf("of one that cannot be printed it is %v, %v", got, err)
		}
	}
}

func TestAnObjectKeepsItsKeysInOrder(t *testing.T) {
	for _, text := range []string{`{}`, `{"b":1}`, `{"b":1,"a":{"z":[1,2],"y":null},"c":"<x>"}`} {
		o, err := ruledoc.ObjectOf(json.RawMessage(text))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := o.MarshalJSON(); err != nil || string(got) != text {
			t.Errorf("%s came back as %s, %v", text, got, err)
		}
	}
	for _, v := range []any{json.RawMessage(`{"a":`), func() {}, math.NaN()} {
		if o, err := ruledoc.ObjectOf(v); err == nil {
			t.Errorf("what cannot be written is %v", o)
		}
	}
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// fever is a rule with keys of every kind.
func fever(change ...func(*rules.Rule)) rules.Rule {
	r := rules.Rule{
		ID: "r1", Name: "fever", Title: "Too warm", Enabled: true, Source: "home",
		Measurement: "temperature", Field: "celsius", GroupBy: []string{"room"},
		Condition: rules.Condition{
			Type: rules.Threshold, Aggregation: rules.Mean, Window: 5 * rules.Minute,
			Operator: rules.Above, Value: rules.Num(25), Recover: rules.Num(22),
		},
		Levels:   []rules.Level{{Value: rules.Num(90), Severity: rules.Critical, Channels: []string{"pager"}}},
		Severity: rules.High, NoData: rules.Keep, Channels: []string{"phone"},
	}
	for _, c := range change {
		c(&r)
	}
	return r
}
