package insight_test

import (
	"fmt"
	"testing"

	"github.com/9bikes/tocsin/app/insight"
)

func TestNamesComeFromAllSourcesThatAnswer(t *testing.T) {
	h := newHome(t)
	for what, list := range map[string]func() ([]string, error){
		"[temperature]": func() ([]string, error) { return insight.New(h.App).MeasurementNames(t.Context()) },
		"[celsius door]": func() ([]string, error) {
			return insight.New(h.App).FieldNames(t.Context(), "temperature")
		},
		"[monitor_id room sensor]": func() ([]string, error) {
			return insight.New(h.App).TagNames(t.Context(), "temperature")
		},
	} {
		if got, err := list(); err != nil || fmt.Sprint(got) != what {
			t.Errorf("%v, %v; want %s", got, err, what)
		}
	}
}
