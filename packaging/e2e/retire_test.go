package e2e_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestASeriesIsRetired: the alert of a sensor that was taken down ends when a
// person says so, and who heard of it is told (row 31).
func TestASeriesIsRetired(t *testing.T) {
	s := newSite(t)
	defer s.feed(-18)()
	s.hook.come()
	d := s.serve()
	if out, code := s.run("rules", "create", "--title", "Too warm", "--measurement", "temperature", "--field", "celsius",
		"--window", "2s", "--above", "-15", "--group-by", "sensor", "--cooldown", "0s"); code != 0 {
		t.Fatal(out)
	}
	s.influx.Write(fmt.Sprintf("temperature,sensor=attic celsius=-2 %d", time.Now().UnixNano()))
	gone := time.Now().Add(4 * time.Second)
	s.until("the attic is told", s.hook.heard("Too warm"))
	s.until("the attic is silent", func() bool { return time.Now().After(gone) })
	if out, code := s.run("rules", "series", "too_warm"); code != 0 || !strings.Contains(out, "sensor=attic  firing") {
		t.Fatalf("exit %d, series: %s", code, out)
	}
	if out, code := s.run("rules", "retire", "too_warm", "sensor=cellar"); code != 3 ||
		!strings.Contains(out, "knows no series") {
		t.Errorf("a series that is not known: exit %d, %s", code, out)
	}
	if out, code := s.run("rules", "retire", "too_warm", "sensor=attic"); code != 0 {
		t.Fatal(out)
	}
	s.until("its end is told", s.hook.heard("Retired: Too warm"))
	if out, _ := s.run("alerts", "list", "--status", "resolved", "--json"); !strings.Contains(out, `"retired"`) {
		t.Errorf("alerts: %s", out)
	}
	if out, _ := s.run("rules", "series", "too_warm"); strings.Contains(out, "attic") {
		t.Errorf("series: %s", out)
	}
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Fatal(err)
	}
}
