package main_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to ask the file itself whether it is whole
)

// crashSensors each have a rule and a channel of their own.
const crashSensors = 3

// flakyHook is a webhook that breaks one request in three: with an error, or
// after it was heard. It counts what it heard.
type flakyHook struct {
	sound atomic.Bool
	mu    sync.Mutex
	fired [crashSensors]int
	over  [crashSensors]int
	echo  int // heard, but the sender could not know
}

func (h *flakyHook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var doc struct{ Title, Message string }
	if err := json.NewDecoder(r.Body).Decode(&doc); err != nil {
		http.Error(w, "no JSON", http.StatusBadRequest)
		return
	}
	mood := rand.IntN(9)
	if h.sound.Load() {
		mood = 9
	}
	switch mood {
	case 0, 1:
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	var sensor int
	if _, err := fmt.Sscanf(r.URL.Path, "/%d", &sensor); err == nil && sensor < crashSensors {
		h.hear(sensor, doc.Title, doc.Message)
	}
	if mood == 2 {
		h.mu.Lock()
		h.echo++
		h.mu.Unlock()
		panic(http.ErrAbortHandler)
	}
}

// hear counts beginnings and ends, also in messages that fold several.
func (h *flakyHook) hear(sensor int, title, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	lines := []string{title}
	if strings.HasPrefix(text, "• ") {
		lines = nil
		for line := range strings.Lines(text) {
			if item, ok := strings.CutPrefix(line, "• "); ok {
				lines = append(lines, item)
			}
		}
	}
	for _, line := range lines {
		switch {
		case strings.HasPrefix(line, "Fired and resolved"):
			h.fired[sensor]++
			h.over[sensor]++
		case strings.HasPrefix(line, "Resolved"):
			h.over[sensor]++
		case strings.Contains(line, "Hot "):
			h.fired[sensor]++
		}
	}
}

// TestKillAtAnyInstant kills the daemon again and again while alerts come and
// go and the receiver is flaky. Each episode is announced and resolved at
// least once; what is told twice, a crash or a broken answer explains.
func TestKillAtAnyInstant(t *testing.T) {
	kills := 8
	if os.Getenv("TESTS_FULL") != "" {
		kills = 200
	}
	s := newSite(t)
	h := &flakyHook{}
	server := &http.Server{Addr: freeAddress(t), Handler: h}
	go func() { _ = server.ListenAndServe() }() // ends with Close
	t.Cleanup(func() { _ = server.Close() })
	s.crashConfig(server.Addr)
	s.influx.Write(fmt.Sprintf("heat,sensor=0 v=1 %d", time.Now().UnixNano()))
	d := s.serve()
	for i := range crashSensors {
		out, code := s.run("rules", "create", "--allow-unknown", "--title", fmt.Sprint("Hot ", i), "--measurement", "heat", "--field", "v", "--where", fmt.Sprint("sensor=", i),
			"--aggregation", "latest", "--window", "2s", "--above", "50", "--channel", fmt.Sprint("hook", i))
		if code != 0 {
			t.Fatal(out)
		}
	}
	stop := s.flap()
	for range kills {
		pause := time.NewTimer(time.Duration(500+rand.IntN(3000)) * time.Millisecond)
		<-pause.C
		if err := d.end(t, syscall.SIGKILL, 5*time.Second); err == nil {
			t.Fatal("it survived kill -9")
		}
		d = s.serve()
	}
	stop()
	h.sound.Store(true)
	s.until("all alerts are over", func() bool { return strings.Contains(s.get("/status"), `"firing":0`) })
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Error(err)
	}
	d = s.serve() // without the patience that the failures taught
	s.until("all is told", func() bool { return strings.Contains(s.get("/status"), `"outbox":0`) })
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Error(err)
	}
	s.judgeCrashes(h, kills)
}

func (s *site) crashConfig(address string) {
	text := fmt.Sprintf("data_dir: %s/data\nlisten: %s\nevery: 1s\nsources:\n  home: {kind: influxdb, url: %q, database: %q}\nchannels:\n", s.dir, s.listen, s.influx.URL, s.influx.DB)
	for i := range crashSensors {
		text += fmt.Sprintf("  hook%d: {url: \"generic://%s/%d?disabletls=yes&template=json\"}\n", i, address, i)
	}
	text += "operators: [hook0]\n"
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
}

// flap lets the sensors go hot and cold, each in its own time, until it is
// stopped; then all are cold.
func (s *site) flap() (stop func()) {
	ctx, cancel := context.WithCancel(s.Context())
	var wait sync.WaitGroup
	began := time.Now()
	write := func(hot func(i int) bool) {
		var lines []string
		for i := range crashSensors {
			v := 10
			if hot(i) {
				v = 90
			}
			lines = append(lines, fmt.Sprintf("heat,sensor=%d v=%d %d", i, v, time.Now().UnixNano()))
		}
		s.influx.Write(lines...)
	}
	wait.Go(func() {
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				write(func(i int) bool { return int(time.Since(began).Seconds())/(2+i)%2 == 1 })
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		wait.Wait()
		for range 12 { // long enough for every window
			write(func(int) bool { return false })
			pause := time.NewTimer(250 * time.Millisecond)
			<-pause.C
		}
	}
}

// judgeCrashes compares what was heard with the alerts of the database.
func (s *site) judgeCrashes(h *flakyHook, kills int) {
	s.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "data", "tocsin.db")+"?mode=ro")
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var whole string
	if err := db.QueryRow(`PRAGMA integrity_check`).Scan(&whole); err != nil || whole != "ok" {
		s.Errorf("integrity_check: %s %v", whole, err)
	}
	episodes, twice := 0, 0
	for i := range crashSensors {
		var total, open, told, lost int
		err := db.QueryRow(`SELECT COUNT(*), COUNT(*) FILTER (WHERE resolved_at IS NULL),
			COUNT(*) FILTER (WHERE EXISTS (SELECT 1 FROM notifications n WHERE n.alert_id = a.id AND n.state = 'sent')),
			COUNT(*) FILTER (WHERE NOT EXISTS (SELECT 1 FROM notifications n WHERE n.alert_id = a.id AND (n.state = 'sent' OR n.held_by = 'replay')))
			FROM alerts a JOIN rules r ON r.id = a.rule_id WHERE r.title = ?`, fmt.Sprint("Hot ", i)).Scan(&total, &open, &told, &lost)
		if err != nil {
			s.Fatal(err)
		}
		episodes += total
		twice += h.fired[i] - told
		s.Logf("sensor %d: %d episodes, %d told; heard %d beginnings and %d ends", i, total, told, h.fired[i], h.over[i])
		if open != 0 || lost != 0 {
			s.Errorf("sensor %d: %d alerts are not over, %d were neither told nor over while nobody watched", i, open, lost)
		}
		if h.fired[i] < told || h.over[i] < told {
			s.Errorf("sensor %d: %d episodes were told, heard %d beginnings and %d ends", i, told, h.fired[i], h.over[i])
		}
	}
	if twice > kills+h.echo {
		s.Errorf("%d beginnings were heard twice, which %d crashes and %d broken answers do not explain", twice, kills, h.echo)
	}
	if episodes < kills/2 {
		s.Errorf("only %d episodes in %d crashes: the test shows little", episodes, kills)
	}
}
