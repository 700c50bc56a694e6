package e2e_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to ask the file itself whether it is whole
)

// crashSensors each have a rule, a channel and a receiver of their own; one
// more receiver is the operators'.
const crashSensors = 5

// crashWording makes messages that a program can count: a line for each alert.
const crashWording = "{{.title}}\n{{.text}}\n{{range .alerts}}#{{.id}} {{.reason}} {{.peak}}\n{{end}}"

// TestNoAlarmIsLost kills the daemon again and again while alerts come and go,
// receivers refuse, break off, hang and answer late, and people acknowledge,
// silence and edit. The truth is what was written into the database, and what
// counts is what the receivers heard: each episode is told and its end too, or
// it is named in a message about the time in which nobody watched. Only a kill,
// or an answer that was never given, explains that something is told twice.
func TestNoAlarmIsLost(t *testing.T) {
	kills := 8
	if os.Getenv("TESTS_FULL") != "" {
		kills = 500
	}
	s := newSite(t)
	c := &crash{site: s}
	for range crashSensors + 1 {
		c.receivers = append(c.receivers, newMoodyReceiver(t))
	}
	c.writeConfig()
	s.influx.Write(fmt.Sprintf("heat,sensor=0 v=1 %d", time.Now().UnixNano()))
	d := s.serve()
	c.createRules()
	weather, people, moods := c.run(c.weather()...), c.run(c.people), c.run(c.moods()...)
	for i := range kills {
		wait(time.Duration(500+rand.IntN(3000)) * time.Millisecond)
		if err := d.end(t, syscall.SIGKILL, 5*time.Second); err == nil {
			t.Fatal("it survived kill -9")
		}
		if i%6 == 3 {
			wait(8 * time.Second) // long enough for an episode that nobody sees
		}
		d = s.serve()
	}
	people()
	weather()
	moods()
	s.until("all alerts are over", func() bool { return strings.Contains(s.get("/status"), `"firing":0`) })
	if err := d.end(t, syscall.SIGTERM, 10*time.Second); err != nil {
		t.Error(err)
	}
	d = s.serve() // without the patience that the failures taught
	s.until("all is told", func() bool { return strings.Contains(s.get("/status"), `"outbox":0`) })
	if err := d.end(t, syscall.SIGTERM, 10*time.Second); err != nil {
		t.Error(err)
	}
	c.judgeEpisodes()
	c.judgeRepeats(kills)
	c.judgeActs()
	if t.Failed() {
		c.showBooks()
	}
}

// crash is what the test knows and remembers.
type crash struct {
	*site
	receivers []*moodyReceiver // by sensor, then the operators'

	mu       sync.Mutex
	last     int            // the number of the newest episode
	episodes []episode      // in no order
	silenced []span         // of the last sensor
	acks     map[string]act // by alert
	edits    map[int]act    // by sensor
	said     []string       // what people did, and what they were answered
}

// episode is a time in which a sensor was hot, told apart by its value.
type episode struct {
	sensor, value int
	span
}

// act is the last one of its kind that was accepted, and those tried since: a
// daemon that is killed before it answers may have done them.
type act struct {
	accepted string
	tried    []string
}

// with is the act after another try.
func (a act) with(text string, accepted bool) act {
	if accepted {
		return act{accepted: text}
	}
	return act{a.accepted, append(a.tried, text)}
}

// span is a time.
type span struct{ from, to time.Time }

// wait lets time pass for other processes, which no bubble can hold.
func wait(d time.Duration) { <-time.After(d) }

// run runs parts until stop is called, which waits for them.
func (c *crash) run(parts ...func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(c.Context())
	var group sync.WaitGroup
	for _, part := range parts {
		group.Go(func() { part(ctx) })
	}
	return func() { cancel(); group.Wait() }
}

func (c *crash) writeConfig() {
	text := fmt.Sprintf("data_dir: %s/data\nlisten: %s\nevery: 1s\nsources:\n  home: {kind: influxdb, url: %q, "+
		"database: %q}\nchannels:\n",
		c.dir, c.listen, c.influx.URL, c.influx.DB)
	wording, err := json.Marshal(crashWording)
	if err != nil {
		c.Fatal(err)
	}
	for i, r := range c.receivers {
		text += fmt.Sprintf("  hook%d: {url: \"generic://%s/?disabletls=yes&template=json\", timeout: 1s, template: {text: "+
			"%s}}\n", i, r.address, wording)
	}
	text += fmt.Sprintf("operators: [hook%d]\n", crashSensors)
	if err := os.WriteFile(c.config, []byte(text), 0o600); err != nil {
		c.Fatal(err)
	}
}

func (c *crash) createRules() {
	for i := range crashSensors {
		out, code := c.site.run("rules", "create", "--allow-unknown", "--title", fmt.Sprint("Hot ", i), "--measurement",
			"heat", "--field", "v",
			"--where", fmt.Sprint("sensor=", i), "--aggregation", "latest", "--window", "2s", "--above", "50", "--channel",
			fmt.Sprint("hook", i))
		if code != 0 {
			c.Fatal(out)
		}
	}
}

// weather makes each sensor hot and cold, in its own time, until the end; then
// all are cold for longer than a window.
func (c *crash) weather() (parts []func(context.Context)) {
	for i := range crashSensors {
		parts = append(parts, func(ctx context.Context) {
			for ctx.Err() == nil {
				c.hold(i, 10, time.Duration(3000+rand.IntN(2000))*time.Millisecond)
				c.hold(i, c.begin(), time.Duration(3000+rand.IntN(3000))*time.Millisecond)
			}
			c.hold(i, 10, 4*time.Second)
		})
	}
	return parts
}

// firstEpisode makes the values of episodes unlike any other number.
const firstEpisode = 70_001

// begin numbers the next episode.
func (c *crash) begin() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(c.last+1, firstEpisode)
	return c.last
}

// hold writes one value for a while, and remembers it where it is hot.
func (c *crash) hold(sensor, value int, d time.Duration) {
	e := episode{sensor, value, span{from: time.Now()}}
	for time.Since(e.from) < d {
		e.to = time.Now()
		c.influx.Write(fmt.Sprintf("heat,sensor=%d v=%d %d", sensor, value, e.to.UnixNano()))
		wait(200 * time.Millisecond)
	}
	if value < firstEpisode {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.episodes = append(c.episodes, e)
}

// moods lets every receiver change its mood; at the end all are sound.
func (c *crash) moods() (parts []func(context.Context)) {
	for _, r := range c.receivers {
		parts = append(parts, func(ctx context.Context) {
			for ctx.Err() == nil {
				r.set(mood(max(0, rand.IntN(int(moodCount)+3)-3)))
				wait(time.Duration(500+rand.IntN(2500)) * time.Millisecond)
			}
			r.set(sound)
		})
	}
	return parts
}

// people acknowledge alerts and edit rules of all sensors but the last, which
// they silence. What was accepted is remembered.
func (c *crash) people(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		wait(time.Duration(200+rand.IntN(600)) * time.Millisecond)
		sensor := rand.IntN(crashSensors - 1)
		switch n % 6 {
		case 0, 2, 4:
			c.acknowledge(sensor, fmt.Sprint("note ", n))
		case 1, 3:
			text := fmt.Sprint("edit ", n)
			ok := c.do("rules", "update", fmt.Sprint("hot_", sensor), "--summary", text)
			c.remember(func() { c.edits[sensor] = c.edits[sensor].with(text, ok) })
		case 5:
			from := time.Now()
			if c.do("silences", "add", "--rule", fmt.Sprint("hot_", crashSensors-1), "--for", "3s") {
				c.remember(func() { c.silenced = append(c.silenced, span{from, time.Now().Add(3 * time.Second)}) })
			}
		}
	}
}

func (c *crash) remember(what func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.acks == nil {
		c.acks, c.edits = map[string]act{}, map[int]act{}
	}
	what()
}

func (c *crash) acknowledge(sensor int, note string) {
	out, code := c.site.run("alerts", "list", "--json", "--status", "open", "--rule", fmt.Sprint("hot_", sensor))
	var list struct{ Alerts []struct{ ID string } }
	if code != 0 || json.Unmarshal([]byte(out), &list) != nil || len(list.Alerts) == 0 {
		return
	}
	ok := c.do("alerts", "ack", list.Alerts[0].ID, "--note", note)
	c.remember(func() { c.acks[list.Alerts[0].ID] = c.acks[list.Alerts[0].ID].with(note, ok) })
}

// do runs the command line and reports whether it said that it was done.
func (c *crash) do(args ...string) bool {
	from := time.Now()
	out, code := c.site.run(args...)
	c.remember(func() {
		c.said = append(c.said, fmt.Sprintf("%s to %s: %q exit %d %q", from.UTC().Format("15:04:05.000"),
			time.Now().UTC().Format("15:04:05.000"), args, code, out))
	})
	return code == 0
}

// awayEpisode finds what a message of tocsin's own names.
var awayEpisode = regexp.MustCompile(`Hot (\d)[^,;]*, (\d\d:\d\d:\d\d) to (\d\d:\d\d:\d\d)`)

// named reports whether a message about a time in which nobody watched names an
// episode.
func (c *crash) named(e episode) bool {
	for _, text := range c.receivers[crashSensors].texts() {
		for _, m := range awayEpisode.FindAllStringSubmatch(text, -1) {
			from, err := time.Parse(time.TimeOnly, m[2])
			if err != nil {
				c.Error(err)
			}
			late := (24*time.Hour + timeOfDay(from) - timeOfDay(e.from)) % (24 * time.Hour)
			if m[1] == strconv.Itoa(e.sensor) && late < e.to.Sub(e.from)+2*time.Second {
				return true
			}
		}
	}
	return false
}

// timeOfDay is what a clock in UTC shows, to the second.
func timeOfDay(t time.Time) time.Duration {
	hour, minute, second := t.UTC().Clock()
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second
}

// hushed reports whether an episode may be untold, because it ended while its
// sensor was silenced.
func (c *crash) hushed(e episode) bool {
	for _, s := range c.silenced {
		if e.sensor == crashSensors-1 && e.to.Add(4*time.Second).After(s.from) && e.to.Before(s.to.Add(time.Second)) {
			return true
		}
	}
	return false
}

// judgeEpisodes compares what was so with what the receivers heard.
func (c *crash) judgeEpisodes() {
	c.Helper()
	told, ended, away, hushed := 0, 0, 0, 0
	for _, e := range c.episodes {
		begun, over := c.receivers[e.sensor].heard(e.value)
		switch {
		case begun && over:
			told, ended = told+1, ended+1
		case begun:
			c.Errorf("sensor %d, %d: told at %s, its end never", e.sensor, e.value, e.from.Format(time.TimeOnly))
		case c.hushed(e):
			hushed++
		case c.named(e):
			away++
		default:
			c.Errorf("sensor %d, %d: hot from %s to %s, and nobody was told", e.sensor, e.value, e.from.Format(time.TimeOnly),
				e.to.Format(time.TimeOnly))
		}
	}
	c.Logf("%d episodes: %d told and ended, %d named in a message of tocsin's own, %d ended under a silence",
		len(c.episodes), told, away, hushed)
	if told < len(c.episodes)/4 {
		c.Errorf("only %d of %d episodes were told: the test shows little", told, len(c.episodes))
	}
}

// judgeRepeats counts what was told more than once.
func (c *crash) judgeRepeats(kills int) {
	c.Helper()
	repeats, unanswered := 0, 0
	for _, r := range c.receivers {
		again, silent := r.repeats()
		repeats += again
		unanswered += silent
	}
	c.Logf("%d kills, %d messages that were heard and not answered, %d told again", kills, unanswered, repeats)
	if repeats > kills+unanswered {
		c.Errorf("%d were told twice, which %d kills and %d unanswered messages do not explain", repeats, kills, unanswered)
	}
}

// judgeActs looks for every accepted act in the file itself.
func (c *crash) judgeActs() {
	c.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(c.dir, "data", "tocsin.db")+"?mode=ro")
	if err != nil {
		c.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var whole string
	if err := db.QueryRow(`PRAGMA integrity_check`).Scan(&whole); err != nil || whole != "ok" {
		c.Errorf("integrity_check: %s %v", whole, err)
	}
	count := func(query string, args ...any) (n int) {
		if err := db.QueryRow(query, args...).Scan(&n); err != nil {
			c.Error(err)
		}
		return n
	}
	for alert, a := range c.acks {
		c.judgeAct(fmt.Sprint("acknowledgement of ", alert), a, func(note string) bool {
			return count(`SELECT COUNT(*) FROM alerts WHERE id = ? AND body LIKE '%' || ? || '%'`, alert, note+`"`) > 0
		})
	}
	for sensor, a := range c.edits {
		c.judgeAct(fmt.Sprint("edit of sensor ", sensor), a, func(text string) bool {
			return count(`SELECT COUNT(*) FROM rules WHERE name = ? AND body LIKE '%' || ? || '%'`, fmt.Sprint("hot_", sensor),
				text+`"`) > 0
		})
	}
	if n := count(`SELECT COUNT(*) FROM silences`); n < len(c.silenced) {
		c.Errorf("%d silences were accepted, %d are stored", len(c.silenced), n)
	}
	c.Logf("%d acknowledgements, %d silences and the edits of %d rules are there", len(c.acks), len(c.silenced),
		len(c.edits))
}

// judgeAct looks whether an act that was accepted is there still, or a later try.
func (c *crash) judgeAct(what string, a act, there func(string) bool) {
	c.Helper()
	if a.accepted != "" && !there(a.accepted) && !slices.ContainsFunc(a.tried, there) {
		c.Errorf("the %s (%s) is lost", what, a.accepted)
	}
}

// showBooks logs what was heard and what was stored, for who looks for a fault.
func (c *crash) showBooks() {
	for _, said := range c.said {
		c.Log(said)
	}
	for i, r := range c.receivers {
		for _, m := range r.messages {
			c.Logf("hook%d %s answered=%t %v %q", i, m.at.Format("15:04:05.000"), m.answered, m.alerts, m.text)
		}
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(c.dir, "data", "tocsin.db")+"?mode=ro")
	if err != nil {
		c.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, query := range []string{
		`SELECT id || ' ' || body FROM alerts`,
		`SELECT id || ' alert=' || COALESCE(alert_id, '') || ' ' || channel || ' ' || reason || ' ' || state || ' held=' || held_by || ' booked=' || booked_at ||
			' due=' || due || ' done=' || COALESCE(done_at, '') || ' attempts=' || attempts || ' error=' || error || ' unknown=' || unknown || ' message=' || message FROM notifications`,
		`SELECT id || ' ' || body FROM silences`,
		`SELECT rule_id || ' judged=' || judged || ' rev=' || revision || ' ' || progress FROM ledgers`,
		`SELECT rule_id || ' v' || version || ' ' || act || ' ' || door || ' ' || at || ' ' || body FROM versions`,
	} {
		c.showRows(db, query)
	}
}

func (c *crash) showRows(db *sql.DB, query string) {
	rows, err := db.Query(query)
	if err != nil {
		c.Error(err)
		return
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var text sql.NullString
		if err := rows.Scan(&text); err != nil {
			c.Error(err)
		}
		c.Log(text.String)
	}
	if err := rows.Err(); err != nil {
		c.Error(err)
	}
}
