package evaluator_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// TestADaemonThatCouldNotSaveIsNotTrusted: what it judged after its last save is
// judged again from history, and the message does not say when it ended, though
// an end before it was clean and it has left a sign of life.
func TestADaemonThatCouldNotSaveIsNotTrusted(t *testing.T) {
	full := rules.Errorf(rules.Unavailable, "the disk is full")
	for name, lost := range map[string]func(h *house){
		"nothing could be saved": func(h *house) { h.meddler.save = func() error { return full } },
		"it worked on a copy":    func(h *house) { h.options.Stale = true; h.begin() },
	} {
		t.Run(name, func(t *testing.T) {
			h, _ := gapHouse(t)
			h.rule(hotNow())
			h.resume()
			h.quietly(3, cold)
			h.end()
			saved := h.now
			real := h.path
			h.begin()
			if name == "it worked on a copy" {
				h.path = t.TempDir() + "/copy.db"
				if err := h.store.Backup(t.Context(), h.path); err != nil {
					t.Fatal(err)
				}
			}
			lost(h)
			for _, line := range []string{cold, warm, cold, cold} {
				h.now = h.now.Add(30 * time.Second)
				h.write(line)
				if err := h.engine.Tick(t.Context(), h.now); err != nil && !errors.Is(err, full) {
					t.Fatal(err)
				}
			}
			h.settled()
			if err := h.engine.End(t.Context()); err != nil && !errors.Is(err, full) {
				t.Fatal(err)
			}
			h.options.Since, h.options.Stale = h.alive.last(1), false
			h.path = real
			h.begin()
			h.tick(cold)
			h.settled()
			got := h.told()
			for _, want := range []string{"at most since " + hms(saved.Add(30*time.Second)) + " UTC", named} {
				if !strings.Contains(got, want) {
					t.Errorf("told %q, want %q", got, want)
				}
			}
		})
	}
}
