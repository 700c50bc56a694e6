package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/config"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// demoRules are what the demo watches: the simulated freezer, and this
// machine.
var demoRules = []rules.Doc{
	{
		"title": "Freezer too warm", "source": "live", "measurement": "temperature", "field": "celsius",
		"where": rules.Doc{"sensor": "simulated-freezer"}, "group_by": "sensor", "severity": "high", "for": "3s",
		"condition": rules.Doc{"aggregation": "mean", "window": "5s", "operator": ">", "value": -15.0, "recover": -16.0},
		"summary":   "{{.labels.sensor}} is at {{.value}} °C. Is its door open?",
	},
	{
		"title": "CPU busy", "source": "live", "measurement": "cpu", "field": "usage_percent", "severity": "medium",
		"for":       "20s",
		"condition": rules.Doc{"aggregation": "mean", "window": "30s", "operator": ">", "value": 90.0},
	},
	{
		"title": "Memory nearly full", "source": "live", "measurement": "mem", "field": "used_percent", "severity": "high",
		"condition": rules.Doc{"aggregation": "latest", "window": "10s", "operator": ">", "value": 95.0},
	},
	{
		"title": "Disk nearly full", "source": "live", "measurement": "disk", "field": "used_percent", "group_by": "path",
		"severity":  "high",
		"condition": rules.Doc{"aggregation": "latest", "window": "1m", "operator": ">", "value": 95.0, "recover": 93.0},
	},
}

// Demo runs the daemon on a temporary directory with a live source, until ctx
// ends, and leaves nothing behind.
func (p Program) Demo(ctx context.Context, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "tocsin-demo-")
	if err != nil {
		return fmt.Errorf("make a temporary directory: %w", err)
	}
	defer func() { err = joinRemove(err, dir) }()
	c, err := demoConfig(dir)
	if err != nil {
		return err
	}
	screen := &screen{out: out, began: time.Now()}
	show := &show{screen: screen, config: c, version: p.Version}
	err = serveConfig(ctx, c, serveOptions{
		version: p.Version, log: slog.New(slog.DiscardHandler), sender: screen, fold: time.Second, ready: show.start(ctx),
	})
	show.end(err)
	return err
}

func joinRemove(err error, dir string) error {
	if removeErr := os.RemoveAll(dir); err == nil && removeErr != nil {
		return fmt.Errorf("remove %s: %w", dir, removeErr)
	}
	return err
}

// demoConfig is written down too, so that `tocsin mcp --config` finds the
// running demo.
func demoConfig(dir string) (*app.Config, error) {
	l, err := listen("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, fmt.Errorf("free the port: %w", err)
	}
	text := fmt.Sprintf("data_dir: %q\nlisten: %q\nevery: 2s\nsources:\n  live: {kind: live, vitals: true}\nchannels:\n "+
		" screen: {url: \"generic://127.0.0.1:9/demo?disabletls=yes\"}\n", dir, address)
	path := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("write the demo's config: %w", err)
	}
	return config.Load(path, config.Options{CheckChannel: func(rules.Secret) (string, error) { return "screen", nil }})
}

// show is what happens while the demo runs.
type show struct {
	*screen
	version string
	config  *app.Config
	app     *app.App
}

// start is called when the daemon is up: it feeds the freezer, makes the rules
// and says how to reach all that.
func (s *show) start(ctx context.Context) func(*app.App, map[string]*live.Store, string) {
	return func(a *app.App, stores map[string]*live.Store, address string) {
		s.app = a
		feed := &freezer{store: stores["live"], began: time.Now(), screen: s.screen}
		feed.write(time.Now())
		s.introduce(address)
		names := s.makeRules(ctx)
		s.say("It watches: %s.", strings.Join(names, ", "))
		s.say("In a few seconds somebody leaves the door of a simulated freezer open. Ctrl-C ends the demo.\n")
		feed.run(ctx)
	}
}

func (s *show) introduce(address string) {
	binary, err := os.Executable()
	if err != nil {
		binary = "tocsin"
	}
	s.say("tocsin %s, demo: this machine's vitals every second, and one sensor that is simulated.", s.version)
	s.say("The daemon listens on http://%s (try /status, /metrics); everything is in %s until the end.", address,
		s.config.DataDir)
	s.say("To let Claude Code manage it, in another terminal:\n\n    claude mcp add tocsin-demo -- %s mcp --config %s\n",
		binary, s.config.Path)
}

func (s *show) makeRules(ctx context.Context) (names []string) {
	by := rules.Actor{Name: "demo", Door: "cli"}
	for _, doc := range demoRules {
		answer, err := s.app.CreateRule(ctx, by, doc, app.SaveOptions{AllowUnknown: true})
		if err != nil {
			s.say("rule %q was not made: %v", doc["title"], err)
			continue
		}
		names = append(names, strings.ToLower(answer.Rule.Title)+" ("+answer.Rule.Condition.String()+")")
	}
	return names
}

// end prints the summary.
func (s *show) end(err error) {
	if err != nil || s.app == nil {
		return
	}
	stats := s.app.Engine.Stats()
	s.mu.Lock()
	fired, resolved := s.fired, s.resolved
	s.mu.Unlock()
	s.say("\nThe demo ran for %s.", time.Since(s.began).Round(time.Second))
	for _, c := range []struct {
		name  string
		count int
		what  string
	}{
		{"ticks", stats.Ticks, "looks at all rules that are due, here every 2 s"},
		{"arrivals", stats.Arrivals, "looks in between, at points as they came"},
		{"queries", stats.QueriesTotal, "questions for the source; rules that look at the same thing share one"},
		{"observations", stats.Observations, "a value of one series, judged by one rule"},
		{"fired", fired, "messages that something is wrong"},
		{"resolved", resolved, "messages that it is over"},
	} {
		s.say("  %-12s %6d  %s", c.name, c.count, c.what)
	}
	s.say("Nothing is left of it. Next: the five-minute guide in the README puts tocsin beside your InfluxDB.")
}

// freezer is the simulated sensor: a door is left open after a few seconds,
// and closed again.
type freezer struct {
	*screen
	store   *live.Store
	began   time.Time
	celsius float64
	open    bool
}

const (
	frozen = -18.0
	opens  = 6 * time.Second
	closes = 20 * time.Second
)

func (f *freezer) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			f.write(now)
		}
	}
}

func (f *freezer) write(now time.Time) {
	age := now.Sub(f.began)
	open := age >= opens && age < closes
	if open != f.open {
		f.open = open
		f.say("%s  the simulated freezer's door is %s", clockNow(),
			map[bool]string{true: "left open", false: "closed again"}[open])
	}
	switch {
	case age < opens:
		f.celsius = frozen
	case open:
		f.celsius = math.Min(f.celsius+1, 4)
	default:
		f.celsius = math.Max(f.celsius-1.5, frozen)
	}
	line := fmt.Appendf(nil, "temperature,sensor=simulated-freezer,simulated=yes celsius=%.2f %d", f.celsius,
		now.UnixNano())
	if err := f.store.Write(line, time.Nanosecond, now); err != nil {
		f.say("the simulated sensor could not write: %v", err)
	}
}

// screen is the demo's only channel: it prints messages as a person would like
// to read them.
type screen struct {
	mu              sync.Mutex
	out             io.Writer
	began           time.Time
	fired, resolved int
}

var _ notify.Sender = (*screen)(nil)

func clockNow() string { return time.Now().Format("15:04:05") }

func (s *screen) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(s.out, format+"\n", args...) // a closed terminal is no reason to stop
}

// Check takes every address.
func (s *screen) Check(rules.Secret) (string, error) { return "screen", nil }

// Targets is the screen alone.
func (s *screen) Targets(rules.Secret) []string { return []string{""} }

// Renamed knows no other names.
func (*screen) Renamed(_ rules.Secret, name string) string { return name }

// Send prints the message.
func (s *screen) Send(_ context.Context, _ notify.Channel, m notify.Message) rules.Outcome {
	mark := map[notify.Tone]string{notify.Alarm: "🔔", notify.Relief: "✅", notify.Notice: "ℹ️ "}[m.Tone]
	s.say("%s  %s %s\n          %s", clockNow(), mark, notify.Plain(m.Title),
		strings.ReplaceAll(notify.Plain(m.Text), "\n", "\n          "))
	s.mu.Lock()
	defer s.mu.Unlock()
	switch m.Tone {
	case notify.Alarm:
		s.fired++
	case notify.Relief:
		s.resolved++
	}
	return rules.Outcome{State: rules.Sent}
}
