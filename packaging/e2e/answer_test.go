package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSilenceAndAnswer is what people do about an alert, on real parts: a
// silence made and ended beside the daemon, and the link in the message.
func TestSilenceAndAnswer(t *testing.T) {
	s := newSite(t)
	config, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	operators := newHook(t)
	operators.come()
	config = fmt.Appendf(config, "  ops: {url: \"generic://%s/x?disabletls=yes&template=json\"}\nnotify: {default: "+
		"[hook]}\noperators: [ops]\npublic_url: http://%s\n",
		operators.address, s.listen)
	if err := os.WriteFile(s.config, config, 0o600); err != nil {
		t.Fatal(err)
	}
	s.hook.come()
	stop := s.feed(-18)
	d := s.serve()
	s.must("rules", "create", "--title", "Freezer too warm", "--measurement", "temperature", "--field", "celsius",
		"--aggregation", "mean", "--window", "3s", "--above", "-15", "--group-by", "sensor")
	s.must("silences", "add", "--rule", "freezer_too_warm", "--for", "1h", "--comment", "defrosting")
	stop()
	stop = s.feed(-2)
	s.until("the silence hides an alert", func() bool {
		return strings.Contains(s.must("silences", "list", "--json"), `"hides": 1`)
	})
	if got := s.hook.titles(); len(got) != 0 {
		t.Fatalf("told under a silence: %q", got)
	}
	s.must("silences", "end", silenceID(s.must("silences", "list")))
	s.until("it is told", s.hook.heard("Freezer too warm, a"))

	link := s.hook.link("Freezer too warm, a")
	if code, page := s.open(http.MethodGet, link); code != http.StatusOK ||
		!strings.Contains(page, "Acknowledge this alert?") {
		t.Fatalf("the page = %d %s", code, page)
	}
	if list := s.must("alerts", "list", "--json"); !strings.Contains(list, `"status": "firing"`) {
		t.Fatalf("looking at the page acted: %s", list)
	}
	if code, page := s.open(http.MethodPost, link); code != http.StatusOK ||
		!strings.Contains(page, "<h1>Acknowledged</h1>") {
		t.Fatalf("the page = %d %s", code, page)
	}
	if list := s.must("alerts", "list", "--json"); !strings.Contains(list, `"acknowledged_by": "link via hook"`) {
		t.Fatalf("not acknowledged: %s", list)
	}
	stop()
	stop = s.feed(-18)
	defer stop()
	s.until("the resolve arrives", s.hook.heard("Resolved: Freezer too warm"))
	if code, page := s.open(http.MethodPost, link); code != http.StatusGone ||
		!strings.Contains(page, "This alert is over") {
		t.Errorf("after its end the page = %d %s", code, page)
	}
	if err := d.end(t, syscall.SIGTERM, 5*time.Second); err != nil {
		t.Errorf("SIGTERM ended it with %v", err)
	}
	if got := s.hook.titles(); len(got) != 2 {
		t.Errorf("the webhook was told %q, want one message and one resolve", got)
	}
	if got := operators.titles(); len(got) != 1 || got[0] != "A silence is over: rule freezer_too_warm" {
		t.Errorf("the operators were told %q", got)
	}
	s.wantKeyHidden(d)
}

// must runs a command that must do its work.
func (s *site) must(args ...string) string {
	s.Helper()
	out, code := s.run(args...)
	if code != 0 {
		s.Fatalf("%q: exit %d: %s", args, code, out)
	}
	return out
}

// silenceID is the id in the first row of a list.
func silenceID(list string) string {
	_, row, _ := strings.Cut(list, "\n")
	return strings.Fields(row)[0]
}

// link is the first thing that can be done about a message.
func (h *hook) link(title string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, doc := range h.got {
		if actions, ok := doc["actions"].([]any); ok && doc["title"] == title && len(actions) > 0 {
			return fmt.Sprint(actions[0].(map[string]any)["url"])
		}
	}
	h.t.Fatalf("no message %q with links in %v", title, h.got)
	return ""
}

func (s *site) open(method, address string) (code int, page string) {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), method, address, nil)
	if err != nil {
		s.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// wantKeyHidden looks for the key of the links wherever the daemon wrote.
func (s *site) wantKeyHidden(d *daemon) {
	s.Helper()
	data := filepath.Join(s.dir, "data")
	key, err := os.ReadFile(filepath.Join(data, "links.key"))
	if err != nil {
		s.Fatal(err)
	}
	texts := map[string][]byte{"log": []byte(d.log.String()), "messages": fmt.Append(nil, s.hook.got)}
	err = filepath.WalkDir(data, func(path string, file os.DirEntry, err error) error {
		if err != nil || !file.Type().IsRegular() || file.Name() == "links.key" {
			return err
		}
		texts[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	for where, text := range texts {
		for _, form := range []string{
			string(key), hex.EncodeToString(key), base64.StdEncoding.EncodeToString(key),
			base64.RawURLEncoding.EncodeToString(key),
		} {
			if bytes.Contains(text, []byte(form)) {
				s.Errorf("the key of the links shows in %s", where)
			}
		}
	}
}
