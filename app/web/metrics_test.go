package web_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

var update = flag.Bool("update", false, "write the golden files anew")

// ours keeps tocsin's own lines, with what the clock decides left out.
func ours(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, "tocsin_") {
			out.WriteString(line)
		}
	}
	return regexp.MustCompile(`(?m)^(tocsin_tick_seconds) .*`).ReplaceAllString(out.String(), "$1 *")
}

func TestMetrics(t *testing.T) {
	h := newHouse(t)
	h.rule("Freezer", "live", true)
	h.rule("Fridge", "live", true)
	h.rule("Cellar", "live", false)
	h.rule("Elsewhere", "home", true)
	h.tick(-2)
	door := h.local()
	for _, o := range []rules.Outcome{
		{State: rules.Sent},
		{State: rules.Sent},
		{State: rules.Owed},
		{State: rules.Owed, Unknown: true},
		{State: rules.Dead},
	} {
		door.Delivered("phone", notify.Message{}, o)
	}
	door.Delivered("mail", notify.Message{}, rules.Outcome{State: rules.Sent})
	w := ask(t, door, request{path: "/metrics"})
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Fatalf("answer = %d %s: %s", w.Code, w.Header(), w.Body)
	}
	golden(t, ours(w.Body.String()))
	for _, want := range []string{"\ngo_goroutines ", "\nprocess_resident_memory_bytes "} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("there is no%s", want)
		}
	}
}

func golden(t *testing.T, got string) {
	t.Helper()
	path := filepath.Join("testdata", "metrics.golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("metrics differ from %s; -update writes it anew:\n%s", path, got)
	}
}

func TestMetricsWithoutADatabaseLeaveCountsOut(t *testing.T) {
	h := newHouse(t)
	h.rule("Freezer", "live", true)
	h.tick(-2)
	h.close()
	w := ask(t, h.local(), request{path: "/metrics"})
	text := w.Body.String()
	if w.Code != 200 || !strings.Contains(text, "\ntocsin_database_up 0\n") ||
		!strings.Contains(text, "\ntocsin_ticks_total 1\n") {
		t.Errorf("answer = %d:\n%s", w.Code, ours(text))
	}
	if strings.Contains(text, "tocsin_rules{") || strings.Contains(text, "tocsin_alerts{") {
		t.Errorf("counts that nobody knows are told:\n%s", ours(text))
	}
}

func TestMetricsTellOfDeadLetters(t *testing.T) {
	h := newHouse(t)
	h.lose("phone", "removed")
	text := ask(t, h.local(), request{path: "/metrics"}).Body.String()
	for _, want := range []string{
		`tocsin_dead_letters{channel="phone"} 1`, `tocsin_dead_letters{channel="removed"} 1`,
		`tocsin_channel_up{channel="phone"} 0`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("there is no %s:\n%s", want, ours(text))
		}
	}
}

// lose makes a dead letter on each channel.
func (h *house) lose(channels ...string) {
	h.Helper()
	err := h.app.Ledgers.Act(h.Context(), noon, "", func(s rules.Setting, l *rules.Ledger) error {
		for _, channel := range channels {
			n := l.Book(channel, rules.Operational, rules.Facts{Title: "lost"}, s.Now)
			l.Claim(n.ID, "m")
			l.Record(n.ID, rules.Outcome{State: rules.Dead, Class: "auth"}, s.Now, s.Now)
		}
		return nil
	})
	if err != nil {
		h.Fatal(err)
	}
}
