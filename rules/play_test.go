package rules_test

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/rules"
)

var (
	noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) // a Monday
	ann  = rules.Actor{Name: "ann", Door: "cli"}
)

const step = 30 * time.Second

// fever is the rule that most tests play with.
func fever(change ...func(*rules.Rule)) rules.Rule {
	r := rules.Rule{
		ID: "r1", Name: "fever", Title: "Too warm", Enabled: true, Source: "home",
		Measurement: "temperature", Field: "celsius", GroupBy: []string{"room"},
		Condition: rules.Condition{
			Type: rules.Threshold, Aggregation: rules.Mean, Window: 5 * rules.Minute,
			Operator: rules.Above, Value: rules.Num(25), Recover: rules.Num(22),
		},
		Levels:   []rules.Level{{Value: rules.Num(90), Severity: rules.Critical, Channels: []string{"pager"}}},
		Severity: rules.High, NoData: rules.Keep, Channels: []string{"phone"},
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

// play drives one ledger, tick by tick, as a daemon with a store and a
// dispatcher would.
type play struct {
	t        *testing.T
	l        *rules.Ledger
	disk     *disk
	now      time.Time
	series   rules.Series
	silences []rules.Silence
	cover    string
	blind    bool
	replay   bool // the ticks are missed ones
	behind   bool // missed ones come before them
	down     bool // people know that the source is down
	deaf     bool // the channels take nothing
	restarts bool // the daemon restarts after every tick
	stored   bool // the last tick wrote something
	acts     map[string]func(*play)
	log      map[string]*rules.Notification
}

func newPlay(t *testing.T, r rules.Rule) *play {
	p := &play{t: t, now: noon.Add(-step), series: "room=a", log: map[string]*rules.Notification{}, disk: newDisk()}
	p.l = rules.NewLedger(r, ann, p.now)
	p.save()
	return p
}

func (p *play) setting() rules.Setting {
	return rules.Setting{
		Now: p.now, Silences: p.silences, Blind: p.blind, Replay: p.replay, Behind: p.behind, Down: p.down,
		Route: func(rules.Severity) []string { return []string{"fallback"} },
		Cover: func(*rules.Rule, rules.Series) string { return p.cover },
	}
}

// run plays a script. A word is a tick of 30 s with what was seen (b bad,
// c bad at the critical level, l not recovered, g good, n nothing, u unknown, "."
// nobody looked), or an act that takes no time. b*3 is b b b.
func (p *play) run(script string) *play {
	p.t.Helper()
	for word := range strings.FieldsSeq(script) {
		word, times, _ := strings.Cut(word, "*")
		n, _ := strconv.Atoi(cmp.Or(times, "1"))
		for range n {
			p.word(word)
		}
	}
	return p
}

func (p *play) word(word string) {
	p.t.Helper()
	if len(word) == 1 {
		p.observe(word)
		return
	}
	if act := p.acts[word]; act != nil {
		act(p)
		p.save()
		return
	}
	name, arg, _ := strings.Cut(word, ":")
	d, _ := time.ParseDuration(arg)
	act := map[string]func(){
		"ack": func() { p.do(p.l.Acknowledge(p.setting(), p.alert().ID, rules.Acknowledgement{By: ann, Note: arg})) },
		"snooze": func() {
			p.do(p.l.Acknowledge(p.setting(), p.alert().ID, rules.Acknowledgement{By: ann, Until: p.now.Add(d)}))
		},
		"unack":   func() { p.do(p.l.Unacknowledge(p.setting(), p.alert().ID, ann)) },
		"silence": func() { p.silence(d) },
		"parent":  func() { p.cover = arg },
		"blind":   func() { p.blind = arg == "on" },
		"deaf":    func() { p.deaf = arg == "on" },
		"stand":   func() { p.now = p.now.Add(d); p.l.PauseTimers(d) },
		"skip":    func() { p.now = p.now.Add(d) },
	}[name]
	if act == nil {
		p.t.Fatalf("script: no word %q", word)
	}
	act()
	p.save()
}

func (p *play) silence(d time.Duration) {
	p.silences = append(p.silences, rules.Silence{ID: fmt.Sprint(len(p.silences) + 1), From: p.now, Until: p.now.Add(d)})
}

func (p *play) do(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%s: %v", p.now.Sub(noon), err)
	}
}

func (p *play) observe(word string) {
	p.t.Helper()
	p.now = p.now.Add(step)
	o := rules.Observation{Series: p.series, Value: math.NaN()}
	switch word {
	case "b":
		o.Verdict, o.Value = rules.Bad, 30
	case "c":
		o.Verdict, o.Value, o.Level = rules.Bad, 95, 1
	case "l":
		o.Verdict, o.Value = rules.NotRecovered, 24
	case "g":
		o.Verdict, o.Value = rules.Good, 10
	case "n":
		o.Verdict = rules.None
	case "u":
		o.Verdict = rules.Unknown
	case ".":
	default:
		p.t.Fatalf("script: no word %q", word)
	}
	if word != "." && p.l.Watched() {
		p.l.Observe(p.setting(), []rules.Observation{o}, nil)
	}
	if !p.replay {
		p.l.RunTimers(p.setting())
	}
	p.save()
	p.dispatch()
	if p.restarts {
		p.restart()
	}
}

// dispatch sends what is due.
func (p *play) dispatch() {
	if p.deaf {
		return
	}
	for _, n := range p.owed() {
		if !n.Due.After(p.now) && p.l.Claim(n.ID, "m") {
			p.l.Record(n.ID, rules.Outcome{State: rules.Sent}, p.now, p.now)
		}
	}
	stored := p.stored
	p.save()
	p.stored = stored
}

// owed lists the messages to be sent, in the order of booking.
func (p *play) owed() []*rules.Notification {
	var out []*rules.Notification
	p.l.Notifications(func(n *rules.Notification) bool {
		if n.State == rules.Owed {
			out = append(out, n)
		}
		return true
	})
	slices.SortFunc(out, byBooking)
	return out
}

func byBooking(a, b *rules.Notification) int {
	return cmp.Or(a.BookedAt.Compare(b.BookedAt), strings.Compare(a.Channel+string(a.Reason), b.Channel+string(b.Reason)),
		strings.Compare(a.Target, b.Target))
}

func (p *play) save() {
	p.t.Helper()
	p.stored = p.l.Changed()
	c := p.l.Changes()
	if n := len(c.Versions) + len(c.Instances) + len(c.Gone) + len(c.Alerts) +
		len(c.Notifications); p.stored != (c.Rule || n > 0) {
		p.t.Fatalf("%s: Changed = %v, but there are %d changes", p.now.Sub(noon), p.stored, n)
	}
	for _, n := range c.Notifications {
		p.log[n.ID] = n
	}
	p.disk.write(p.l, c)
	p.l.Saved(p.l.Revision + 1)
	if p.l.Changed() {
		p.t.Fatalf("%s: changed after Saved", p.now.Sub(noon))
	}
}

// restart ends the daemon in good order and starts it again.
func (p *play) restart() {
	p.t.Helper()
	stored := p.stored
	p.l.Flush()
	p.save()
	p.l = rules.OpenLedger(p.disk.read())
	p.l.Notifications(func(n *rules.Notification) bool {
		p.log[n.ID] = n
		return true
	})
	p.l.Resume(p.now)
	p.save()
	p.stored = stored
}

func (p *play) instance() *rules.Instance { return p.l.Instance(p.series) }

func (p *play) alert() *rules.Alert {
	p.t.Helper()
	if in := p.instance(); in != nil && in.Alert != nil {
		return in.Alert
	}
	p.t.Fatalf("%s: no live alert", p.now.Sub(noon))
	return nil
}

func (p *play) state() rules.State {
	if in := p.instance(); in != nil {
		return in.State
	}
	return rules.OK
}

// messages writes every message that was ever booked: when, why, where, what
// became of it, and when it was due where that was not at once.
func (p *play) messages() []string {
	all := slices.SortedFunc(maps.Values(p.log), byBooking)
	out := make([]string, len(all))
	for i, n := range all {
		out[i] = fmt.Sprintf("%s %s %s %s", since(n.BookedAt), n.Reason, strings.TrimSpace(n.Channel+" "+n.Target), n.State)
		if n.State == rules.Held {
			out[i] += " by " + n.HeldBy
		}
		if !n.Due.Equal(n.BookedAt) {
			out[i] += " due " + since(n.Due)
		}
	}
	return out
}

func since(t time.Time) string { return rules.Duration(t.Sub(noon)).String() }

func (p *play) want(state rules.State, messages ...string) {
	p.t.Helper()
	if got := p.state(); got != state {
		p.t.Errorf("state = %s, want %s", got, state)
	}
	p.told(messages...)
}

func (p *play) told(messages ...string) {
	p.t.Helper()
	if got := p.messages(); !slices.Equal(got, messages) {
		p.t.Errorf("messages:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(messages, "\n  "))
	}
}

// disk keeps what a store would: the exported fields, copied.
type disk struct {
	snapshot      rules.Snapshot
	instances     map[rules.Series]*rules.Instance
	alerts        map[string]*rules.Alert
	notifications map[string]*rules.Notification
	versions      []rules.Version
}

func newDisk() *disk {
	return &disk{
		instances: map[rules.Series]*rules.Instance{}, alerts: map[string]*rules.Alert{},
		notifications: map[string]*rules.Notification{},
	}
}

func (d *disk) write(l *rules.Ledger, c rules.Changes) {
	d.snapshot.Rule, d.snapshot.Deleted, d.snapshot.Judged = l.Rule, l.Deleted, l.Judged
	d.versions = append(d.versions, c.Versions...)
	for _, series := range c.Gone {
		delete(d.instances, series)
	}
	for _, in := range c.Instances {
		d.instances[in.Series] = copyInstance(in)
	}
	for _, a := range c.Alerts {
		d.alerts[a.ID] = copyAlert(a)
	}
	for _, n := range c.Notifications {
		n := *n
		d.notifications[n.ID] = &n
	}
}

func copyInstance(in *rules.Instance) *rules.Instance {
	out := &rules.Instance{
		Series: in.Series, State: in.State, Rejudge: in.Rejudge, Since: in.Since, QuietSince: in.QuietSince,
		Stood: in.Stood, CooldownUntil: in.CooldownUntil, Untold: in.Untold, Snooze: in.Snooze,
		Seen: in.Seen, OKAt: in.OKAt, Value: in.Value, Text: in.Text, Level: in.Level,
	}
	out.Recall(in.Recent())
	return out
}

func copyAlert(a *rules.Alert) *rules.Alert {
	out := *a
	if a.Ack != nil {
		ack := *a.Ack
		out.Ack = &ack
	}
	out.PastAcks = slices.Clone(a.PastAcks)
	return &out
}

// read gives what the contract of Snapshot names.
func (d *disk) read() rules.Snapshot {
	s := d.snapshot
	for _, in := range d.instances {
		s.Instances = append(s.Instances, copyInstance(in))
	}
	open := map[string]bool{}
	for _, n := range d.notifications {
		if !n.State.Final() {
			open[n.AlertID] = true
		}
	}
	for id, a := range d.alerts {
		if a.ResolvedAt.IsZero() || open[id] {
			s.Alerts = append(s.Alerts, copyAlert(a))
			open[id] = true
		}
	}
	for _, n := range d.notifications {
		if open[n.AlertID] {
			n := *n
			s.Notifications = append(s.Notifications, &n)
		}
	}
	return s
}
