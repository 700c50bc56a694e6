package app_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// diary is a Sender that writes down when it was given what.
type diary struct {
	mu    sync.Mutex
	lines []string
	texts []string
	away  time.Time // until then it cannot be reached
}

func (d *diary) Check(rules.Secret) (string, error) { return "test", nil }

func (d *diary) Targets(rules.Secret) []string { return []string{""} }

func (*diary) Renamed(_ rules.Secret, name string) string { return name }

func (d *diary) Send(_ context.Context, c notify.Channel, m notify.Message) rules.Outcome {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Now().Before(d.away) {
		return rules.Outcome{State: rules.Owed, Class: "refused"}
	}
	d.texts = append(d.texts, notify.Plain(m.Text))
	d.lines = append(d.lines,
		fmt.Sprintf("%s %s: %s", time.Now().UTC().Truncate(time.Minute).Format("15:04"), c.Name, notify.Plain(m.Title)))
	return rules.Outcome{State: rules.Sent, Code: 200}
}

// sleepless is a whole daemon in a bubble of virtual time, without its doors.
type sleepless struct {
	*testing.T
	*app.App
	diary  diary
	points *live.Store
	bad    func(t time.Time) map[string]bool // which of the measurements are
	loud   bool                              // there is no silence
}

// run lets the daemon live until the end, and stops it.
func (s *sleepless) run(end time.Time) {
	quiet := slog.New(slog.DiscardHandler)
	store, err := sqlite.Open(s.Context(), filepath.Join(s.TempDir(), "tocsin.db"), sqlite.Options{Migrate: true})
	s.must(err)
	defer func() { s.must(store.Close()) }()
	x := rules.NewSecret("x")
	night := &notify.Quiet{Active: rules.Active{Hours: "22:00-07:00", Zone: "Europe/Berlin"}}
	c := &app.Config{Every: 5 * rules.Minute, Zone: "Europe/Berlin", Channels: map[string]app.ChannelConfig{
		"phone": {URL: x, Settings: notify.Settings{Quiet: night}}, "mail": {URL: x},
	}}
	directory := app.NewDirectory(c, store, nil, quiet)
	ledgers, err := evaluator.OpenLedgerCache(s.Context(), store, evaluator.LedgerCacheOptions{
		Every: c.Every.Std(), Route: directory.Route(c),
		Silences: func(ctx context.Context) ([]rules.Silence, error) { return store.Silences(ctx, time.Now()) },
	})
	s.must(err)
	s.points = live.New(live.Options{Retention: time.Hour})
	engine := evaluator.NewEngine(ledgers, quiet, evaluator.EngineOptions{Every: c.Every.Std()})
	engine.Add("home", s.points, evaluator.SourceOptions{})
	s.App = app.New(app.App{
		Config: c, Store: store, Ledgers: ledgers, Sources: map[string]evaluator.Source{"home": s.points},
		Sender: &s.diary,
	})
	outbox := notify.LedgerOutbox{LedgerCache: ledgers}
	dispatcher := notify.NewDispatcher(outbox, &s.diary, directory.Open, quiet, notify.Options{
		Composer: notify.Composer{Zone: time.UTC}, Policy: directory.Policy,
	})
	s.feed()
	s.rules()
	ctx, cancel := context.WithCancel(s.Context())
	var parts sync.WaitGroup
	for _, part := range []func(context.Context) error{engine.Run, dispatcher.Run} {
		parts.Go(func() {
			if err := part(ctx); err != nil {
				s.Error(err)
			}
		})
	}
	time.Sleep(7 * time.Second) // virtual: only inside the bubble; no point comes with a tick
	for time.Now().Before(end) {
		s.feed()
		time.Sleep(time.Minute)
	}
	cancel()
	parts.Wait()
}

func (s *sleepless) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// feed writes a point of each measurement, 1 where it is bad and 0 elsewhere.
func (s *sleepless) feed() {
	s.Helper()
	now := time.Now()
	bad := s.bad(now)
	var lines []string
	for _, name := range []string{"fever", "backup", "noise"} {
		v := 0
		if bad[name] {
			v = 1
		}
		for _, room := range []string{"a", "b"} {
			lines = append(lines, fmt.Sprintf("%s,room=%s v=%d %d", name, room, v, now.UnixNano()))
		}
	}
	s.must(s.points.Write([]byte(strings.Join(lines, "\n")), time.Nanosecond, now))
}

// rules makes a rule for a phone that is quiet at night, one that looks once a
// day, and one with a silence that comes back every night.
func (s *sleepless) rules() {
	s.Helper()
	for _, doc := range []rules.Doc{
		{"title": "Fever", "measurement": "fever", "group_by": "room", "channels": "phone"},
		{"title": "Backup", "measurement": "backup", "channels": "mail", "every": "30 2 * * *", "zone": "Europe/Berlin"},
		{"title": "Noise", "measurement": "noise", "channels": "mail"},
	} {
		doc["field"], doc["cooldown"] = "v", "0s"
		doc["condition"] = rules.Doc{"aggregation": "latest", "window": "2m", "operator": ">", "value": 0.5}
		if _, err := s.CreateRule(s.Context(), anna, doc, app.SaveOptions{}); err != nil {
			s.Fatal(err)
		}
	}
	if s.loud {
		return
	}
	_, err := s.CreateSilence(s.Context(), anna,
		app.SilenceRequest{Rules: []string{"noise"}, Weekly: &rules.Active{Hours: "01:00-04:00", Zone: "Europe/Berlin"}})
	s.must(err)
}

// TestTheNightInWhichClocksChange: quiet hours, their digest, a silence that
// comes back and a rule that runs once a day go by the clock on the wall, and
// everything is told once.
func TestTheNightInWhichClocksChange(t *testing.T) {
	day := func(month time.Month, day, hour, minute int) time.Time {
		return time.Date(2000, month, day, hour, minute, 0, 0, time.UTC)
	}
	for _, tt := range []struct {
		name       string
		began, end time.Time
		fever      [2]time.Time // it is bad from here to there
		backup     time.Time    // it is bad until then
		noise      time.Time    // it is bad from then on
		want       string
	}{
		{
			"forward in spring", day(3, 25, 21, 30), day(3, 26, 8, 0), // Berlin goes from 2 to 3 at 1:00 UTC
			[2]time.Time{day(3, 25, 22, 30), day(3, 26, 7, 0)},
			day(3, 26, 1, 10), day(3, 26, 0, 30),
			"01:00 mail: Backup\n" + // half past two there is none
				"02:00 mail: Noise\n" + // at four
				"05:00 phone: 2 rooms: Fever\n" + // at seven
				"07:05 phone: Resolved, 2 rooms: Fever",
		},
		{
			"back in autumn", day(10, 28, 20, 30), day(10, 29, 9, 0), // Berlin goes from 3 to 2 at 1:00 UTC
			[2]time.Time{day(10, 28, 21, 30), day(10, 29, 8, 0)},
			day(10, 29, 1, 10), day(10, 29, 0, 30),
			"00:30 mail: Backup\n" + // at the first half past two; at the second it would be good
				"03:00 mail: Noise\n" +
				"06:00 phone: 2 rooms: Fever\n" +
				"08:05 phone: Resolved, 2 rooms: Fever",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(tt.began)) // virtual
				s := &sleepless{T: t, bad: func(now time.Time) map[string]bool {
					return map[string]bool{
						"fever":  !now.Before(tt.fever[0]) && now.Before(tt.fever[1]),
						"backup": now.Before(tt.backup), "noise": !now.Before(tt.noise),
					}
				}}
				s.run(tt.end)
				if got := strings.Join(s.diary.lines, "\n"); got != tt.want {
					t.Errorf("told\n%s\nwant\n%s", got, tt.want)
				}
			})
		})
	}
}

// TestADayWithoutTheReceiver: when it is back, each episode of the day is told
// once, with its beginning and its end, in order and in one message; what still
// lasts comes first.
func TestADayWithoutTheReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(100 * time.Hour) // virtual; far from the beginning of the epoch of the bubble
		began := time.Now()
		s := &sleepless{T: t, loud: true, bad: func(now time.Time) map[string]bool {
			return map[string]bool{"backup": false, "noise": now.Sub(began)%(3*time.Hour) >= 2*time.Hour ||
				now.Sub(began) > 23*time.Hour}
		}}
		s.diary.away = began.Add(24 * time.Hour)
		s.run(began.Add(24*time.Hour + 10*time.Minute))
		if len(s.diary.lines) != 1 || !strings.HasSuffix(s.diary.lines[0], "mail: Noise, and 7 more") {
			t.Fatalf("told\n%s", strings.Join(s.diary.lines, "\n"))
		}
		first, rest, _ := strings.Cut(s.diary.texts[0], "\nAlso:\n")
		lines := strings.Split(rest, "\n")
		if len(lines) != 7 || !strings.HasPrefix(first, "1, limit 0.5, for ") {
			t.Fatalf("told\n%s", s.diary.texts[0])
		}
		for i, line := range lines {
			over := began.Add(time.Duration(3*i+3)*time.Hour + 5*time.Minute)
			want := " to " + rules.Shown(over, time.Now(), time.UTC)
			if !strings.HasPrefix(line, "• Came and went: Noise: Lasted ") || !strings.HasSuffix(line, want) {
				t.Errorf("line %d: %s, want %s", i+1, line, want)
			}
		}
	})
}
