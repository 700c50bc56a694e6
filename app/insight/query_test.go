package insight_test

import (
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/rules"
)

func TestValuesAreAskedOfAYearAtMost(t *testing.T) {
	h := newHome(t)
	h.past("load", func(int) string { return " v=1" })
	req := insight.DataRequest{
		Measurement: "load", Field: "v", From: noon.AddDate(-1, 0, 0), To: noon, Values: 10,
		Limit: 5,
	}
	got, err := insight.New(h.App).QueryData(t.Context(), req)
	if h.Must(err); len(got.Series) != 1 || got.Series[0].Points != 10 {
		t.Errorf("of a year: %+v", got.Series)
	}
	req.From = noon.AddDate(-1, 0, -2)
	if _, err := insight.New(h.App).QueryData(t.Context(), req); rules.CodeOf(err) != rules.Invalid ||
		!strings.Contains(err.Error(), "since: must be at most 366d before until") {
		t.Errorf("of more: %v", err)
	}
}
