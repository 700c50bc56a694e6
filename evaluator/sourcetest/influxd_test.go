package sourcetest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/evaluator/sourcetest"
)

func TestDataSurvivesAnOutage(t *testing.T) {
	s := sourcetest.Influxd(t)
	s.Write(`m,h=a v=1 10`, `m,h=b v=2 20`)
	s.Stop()
	if resp, err := http.Get(s.URL + "/ping"); err == nil {
		_ = resp.Body.Close()
		t.Fatal("a stopped server answers")
	}
	s.Start()
	if got := s.Do(`SELECT sum(v) FROM m`); !strings.Contains(got, ",3]") {
		t.Errorf("after an outage the server says %s, want a sum of 3", got)
	}
}
