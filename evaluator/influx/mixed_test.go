package influx_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/influx"
	"github.com/9bikes/tocsin/evaluator/sourcetest"
	"github.com/9bikes/tocsin/rules"
)

// TestAFieldOfTwoTypesTellsBoth: text in one shard and a number in another; each
// window is answered with what it holds.
func TestAFieldOfTwoTypesTellsBoth(t *testing.T) {
	server := sourcetest.Influxd(t)
	before := noon.Add(-20 * 24 * time.Hour)
	server.Write(fmt.Sprintf(`cpu,host=a usage="busy",on=true %d`, before.UnixNano()), point("a", "usage=7,on=true", time.Minute))
	c := open(t, influx.Options{URL: server.URL, Database: server.DB})
	fields, err := c.Fields(t.Context(), "cpu")
	if err != nil || fields["usage"] != "float+string" || fields["on"] != "boolean" {
		t.Errorf("fields = %v, %v", fields, err)
	}
	old := last5m(rules.Latest)
	old.From, old.To = before.Add(-time.Minute), before
	var texts []string
	for i, err := range c.Query(t.Context(), []evaluator.Query{old, last5m(rules.Latest)}, func(_ int, row evaluator.Row) {
		text, ok := row.Text(0)
		texts = append(texts, fmt.Sprint(text, " ", ok, " ", row.Values[0]))
	}) {
		if err != nil {
			t.Errorf("query %d: %v", i, err)
		}
	}
	if got := fmt.Sprint(texts); got != "[busy true NaN  false 7]" {
		t.Errorf("the windows hold %s", got)
	}
}
