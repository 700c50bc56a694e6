package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// heat writes high values for both sensors every 200 ms until it is stopped.
func (s *site) heat() (stop func()) {
	ctx, cancel := context.WithCancel(s.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			now := time.Now().UnixNano()
			s.influx.Write(fmt.Sprintf("temperature,sensor=a celsius=-2 %d", now),
				fmt.Sprintf("temperature,sensor=b celsius=-2 %d", now))
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
	return func() { cancel(); wait.Wait() }
}

// links lists the acknowledge links of the messages that the webhook got, by
// the sensor that they tell of; "" for those of several.
func (s *site) links() map[string]string {
	s.hook.mu.Lock()
	defer s.hook.mu.Unlock()
	out := map[string]string{}
	for _, doc := range s.hook.got {
		actions, _ := doc["actions"].([]any)
		if len(actions) == 0 {
			continue
		}
		_, sensor, _ := strings.Cut(fmt.Sprint(doc["title"]), "(sensor=")
		if sensor = strings.TrimSuffix(sensor, ")"); strings.Contains(sensor, ", and ") {
			sensor = "" // it is of all
		}
		out[sensor] = strings.TrimPrefix(fmt.Sprint(actions[0].(map[string]any)["url"]), "https://bell.example")
	}
	return out
}

// press follows a link as a browser's button does, and returns the page.
func (s *site) press(path string) string {
	s.Helper()
	resp, err := http.Post("http://"+s.listen+path, "application/x-www-form-urlencoded", nil)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	page, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Sprint(resp.Status, err, string(page))
	}
	return string(page)
}

// acked reports whether another process, which reads the disk, lists so many
// acknowledged alerts.
func (s *site) acked(n int) func() bool {
	return func() bool {
		out, code := s.run("alerts", "list", "--status", "acknowledged")
		return code == 0 && strings.Count(out, "acknowledged") == n
	}
}

// misfortune is what can happen to the database of a daemon.
type misfortune struct {
	name   string
	says   string // what status says meanwhile, "" for nothing
	cures  string // what people are told, "" for nothing
	warns  bool   // the first answer says so already
	begins func(s *site, d *daemon, disk disk) *daemon
	ends   func(s *site, disk disk)
}

func misfortunes() []misfortune {
	var free func()
	database := func(s *site) string { return filepath.Join(s.dir, "data", "tocsin.db") }
	remove := func(s *site) {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := os.Remove(database(s) + suffix); err != nil && suffix == "" {
				s.Fatal(err)
			}
		}
	}
	return []misfortune{
		{
			"read-only disk", onCopy, "must be able to write to it", true, // Linux refuses that while a file is open for writing
			func(s *site, d *daemon, disk disk) *daemon {
				if err := d.end(s.T, syscall.SIGTERM, 5*time.Second); err != nil {
					s.Fatal(err)
				}
				disk.remount("ro")
				return s.serve()
			},
			func(_ *site, disk disk) { disk.remount("rw") },
		},
		{
			"full disk", onCopy, "free some space", true,
			func(_ *site, d *daemon, disk disk) *daemon { free = disk.fill(); return d },
			func(*site, disk) { free() },
		},
		{
			"deleted database", "", "", false,
			func(s *site, d *daemon, _ disk) *daemon { remove(s); return d },
			func(*site, disk) {},
		},
		{
			"replaced database", onCopy, "restart tocsin", false,
			func(s *site, d *daemon, _ disk) *daemon {
				text, err := os.ReadFile(database(s))
				if err == nil {
					err = os.WriteFile(database(s)+".other", text, 0o600)
				}
				if err == nil {
					err = os.Rename(database(s)+".other", database(s))
				}
				if err != nil {
					s.Fatal(err)
				}
				return d
			},
			func(s *site, _ disk) { remove(s) },
		},
	}
}

// TestAnAcknowledgementSurvivesTheDisk: it is given by a link and by a model,
// at once and when the daemon has noticed, and is on the disk afterwards.
// Whoever gives it is told how long it holds.
func TestAnAcknowledgementSurvivesTheDisk(t *testing.T) {
	for _, m := range misfortunes() {
		t.Run(m.name, func(t *testing.T) {
			s := newSite(t)
			disk := newDisk(s)
			s.write(s.read() + "public_url: https://bell.example\n")
			defer s.heat()()
			s.hook.come()
			d := s.serve()
			s.wants(0, "Created", "rules", "create", "--title", "Too warm", "--measurement", "temperature", "--field", "celsius",
				"--aggregation", "latest", "--window", "5s", "--above", "-15", "--group-by", "sensor", "--allow-unknown")
			s.until("both alerts are told", func() bool { l := s.links(); return l[""] != "" || l["a"] != "" && l["b"] != "" })
			list := s.call(s.model("2025-11-25", nil, "--config", s.config).Client, "list_alerts", nil)["alerts"].([]any)
			if len(list) != 2 {
				t.Fatalf("alerts = %v", list)
			}
			model := s.model("2025-11-25", nil, "--connect", "unix:"+filepath.Join(s.dir, "tocsin.sock"))

			d = m.begins(s, d, disk)
			page := s.press(anyLink(s.links()))
			if !strings.Contains(page, "<h1>Acknowledged") {
				t.Fatalf("the link answered %s", page)
			}
			if m.warns && !strings.Contains(page, "memory") {
				t.Errorf("the page does not tell how long it holds: %s", page)
			}
			if m.says != "" {
				s.until("status tells of it", s.statusHas(m.says))
			}
			answer := model.ask("acknowledge_alert", map[string]any{"id": list[0].(map[string]any)["id"], "note": "on it"})
			answer += model.ask("acknowledge_alert", map[string]any{"id": list[1].(map[string]any)["id"], "note": "on it"})
			if m.says != "" && !strings.Contains(answer, m.says) {
				t.Errorf("the model is not told how long it holds: %s", answer)
			}
			if m.cures != "" {
				s.until("people are told the cure", func() bool { return strings.Contains(s.hook.texts(), m.cures) })
			}
			m.ends(s, disk)
			if m.says != "" {
				s.until("it is over", s.statusLacks(m.says))
			}
			s.until("both acknowledgements are listed", s.acked(2))
			if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
				t.Fatal(err)
			}
			s.serve()
			s.until("they are there after a restart", s.acked(2))
			if out, _ := s.run("alerts", "list", "--json"); strings.Count(out, `"note": "on it"`) != 2 {
				t.Errorf("the notes are gone:\n%s", out)
			}
			if told := strings.Count(strings.Join(s.hook.titles(), "\n"), "firing"); told > 2 {
				t.Errorf("told %d times: %q", told, s.hook.titles())
			}
		})
	}
}

// anyLink takes that of several alerts before that of one.
func anyLink(links map[string]string) string {
	if all := links[""]; all != "" {
		return all
	}
	return links["a"]
}

// texts is all that the webhook was told.
func (h *hook) texts() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, doc := range h.got {
		out = append(out, fmt.Sprint(doc["title"], "\n", doc["message"]))
	}
	return strings.Join(out, "\n")
}
