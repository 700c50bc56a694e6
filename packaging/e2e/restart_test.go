package e2e_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRestartsTellNobodyAnything: a stop, a kill and a reload leave nothing to
// tell when nothing happened; what happened while no daemon ran is told once,
// in the message about the gap where it is over. The receiver is asked.
func TestRestartsTellNobodyAnything(t *testing.T) {
	s := newSite(t)
	stop := s.feed(-18)
	s.hook.come()
	d := s.serve()
	out, code := s.run("rules", "create", "--title", "Too warm", "--measurement", "temperature", "--field", "celsius",
		"--aggregation", "latest", "--window", "3s", "--above", "-15", "--cooldown", "0s")
	if code != 0 {
		t.Fatal(out)
	}
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGKILL, syscall.SIGTERM} {
		s.until("ticks are judged", s.statusHas(`"rules_last_tick":1`))
		_ = d.end(t, signal, 10*time.Second) // a kill is an error
		d = s.serve()
	}
	if err := d.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.until("it is reloaded", func() bool { return strings.Contains(d.log.String(), "config reloaded") })
	s.until("ticks are judged", s.statusHas(`"rules_last_tick":1`))
	if got := s.hook.titles(); len(got) > 0 {
		t.Fatalf("told %q, want nothing", got)
	}

	if err := d.end(t, syscall.SIGTERM, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	stop()
	began := time.Now()
	for at := range 8 {
		celsius := -18
		if at >= 3 && at < 6 {
			celsius = -2
		}
		stamp := began.Add(time.Duration(at) * time.Second).UnixNano()
		s.influx.Write(fmt.Sprintf("temperature,sensor=a,room=kitchen celsius=%d %d", celsius, stamp))
	}
	wait := time.NewTimer(time.Until(began.Add(9 * time.Second)))
	<-wait.C
	defer s.feed(-18)()
	s.serve()
	s.until("the message about the gap arrives", s.hook.heard("Source home was not watched from"))
	got := s.hook.texts()
	if len(s.hook.titles()) != 1 || !strings.Contains(got, "Meanwhile fired and ended: Too warm, ") {
		t.Errorf("told %q, want the episode in the one message about the gap", got)
	}
}

// TestAnOutageOutlivesAReloadAndAKill: it is told as down once and as back
// once, with one beginning, whatever became of the daemon meanwhile.
func TestAnOutageOutlivesAReloadAndAKill(t *testing.T) {
	s := newSite(t)
	text, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.config, append([]byte("outage_after: 10s\n"), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	s.hook.come()
	d := s.serve()
	out, code := s.run("rules", "create", "--allow-unknown", "--title", "Too warm", "--measurement", "temperature",
		"--field", "celsius", "--aggregation", "latest", "--window", "3s", "--above", "-15", "--cooldown", "0s")
	if code != 0 {
		t.Fatal(out)
	}
	s.until("ticks are judged", s.statusHas(`"rules_last_tick":1`))
	s.influx.Stop()
	s.until("people are told that it is down", s.hook.heard("Source home does not answer since "))
	if err := d.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.until("it is reloaded", func() bool { return strings.Contains(d.log.String(), "config reloaded") })
	s.until("the source is still down", s.statusHas(`"down_since"`))
	_ = d.end(t, syscall.SIGKILL, 10*time.Second) // a kill is an error
	s.serve()
	s.until("the source is still down", s.statusHas(`"down_since"`))
	s.influx.Start()
	s.until("people are told that it is back", s.hook.heard("Source home is back; "))
	titles := s.hook.titles()
	if len(titles) != 2 {
		t.Fatalf("told %q, want down and back", titles)
	}
	since := strings.TrimSuffix(strings.TrimPrefix(titles[0], "Source home does not answer since "), " UTC")
	if want := "Source home is back; it did not answer from " + since + " to "; !strings.HasPrefix(titles[1], want) {
		t.Errorf("told %q, want %q", titles[1], want)
	}
}
