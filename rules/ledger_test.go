package rules_test

import (
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/9bikes/tocsin/rules"
)

func cooldown(d rules.Duration) func(*rules.Rule) { return func(r *rules.Rule) { r.Cooldown = d } }
func wait(d rules.Duration) func(*rules.Rule)     { return func(r *rules.Rule) { r.For = d } }
func keepFiring(d rules.Duration) func(*rules.Rule) {
	return func(r *rules.Rule) { r.KeepFiringFor = d }
}
func noData(p rules.NoData) func(*rules.Rule) { return func(r *rules.Rule) { r.NoData = p } }
func remind(gaps ...rules.Duration) func(*rules.Rule) {
	return func(r *rules.Rule) { r.Remind = gaps }
}

func escalate(after rules.Duration) func(*rules.Rule) {
	return func(r *rules.Rule) { r.Escalate = &rules.Escalation{After: after, Channels: []string{"boss"}} }
}
func child(r *rules.Rule) { r.DependsOn = []string{"router"} }
func daytime(hours string) func(*rules.Rule) {
	return func(r *rules.Rule) { r.Active = &rules.Active{Hours: hours} }
}

// edit makes an act that changes the rule.
func edit(change func(*rules.Rule)) func(*play) {
	return func(p *play) {
		next := p.l.Rule
		change(&next)
		p.l.Edit(p.setting(), next, ann)
	}
}

type change = []func(*rules.Rule)

// The rows of the state table, by their numbers. A script begins at noon and a
// letter is a tick of 30 s.
var stateTable = []struct {
	name   string
	rule   change
	script string
	acts   map[string]func(*play)
	want   rules.State
	told   []string
	silent bool // the last word stored nothing
}{
	{name: "row 1: bad without for fires and owes a first", script: "b", want: rules.Firing, told: []string{"0s first phone sent"}},
	{name: "row 1: the level's severity and channels count", script: "c", want: rules.Firing, told: []string{"0s first pager sent", "0s first phone sent"}},
	{
		name: "row 1: a rule without channels goes where its severity is routed", rule: change{func(r *rules.Rule) { r.Channels = nil }},
		script: "b", want: rules.Firing, told: []string{"0s first fallback sent"},
	},
	{name: "row 2: bad with for waits", rule: change{wait(rules.Minute)}, script: "b", want: rules.Pending},
	{name: "row 3: bad before for is over changes and stores nothing", rule: change{wait(rules.Minute)}, script: "b b", want: rules.Pending, silent: true},
	{name: "row 4: bad for as long as for fires", rule: change{wait(rules.Minute)}, script: "b b b", want: rules.Firing, told: []string{"1m first phone sent"}},
	{name: "row 5: good ends the wait", rule: change{wait(rules.Minute)}, script: "b b g", want: rules.OK},
	{name: "row 5: not past recover is good enough to end the wait", rule: change{wait(rules.Minute)}, script: "b b l", want: rules.OK},
	{name: "row 5: the next wait begins anew", rule: change{wait(rules.Minute)}, script: "b b g b b", want: rules.Pending},
	{name: "row 6: still bad tells and stores nothing", script: "b b", want: rules.Firing, told: []string{"0s first phone sent"}, silent: true},
	{
		name: "row 6: a worse level is told on its channels too", script: "b c", want: rules.Firing,
		told: []string{"0s first phone sent", "30s worsened pager sent", "30s worsened phone sent"},
	},
	{
		name: "row 6: worse than the lowest severity is told", rule: change{func(r *rules.Rule) { r.Severity = rules.Low }}, script: "b c", want: rules.Firing,
		told: []string{"0s first phone sent", "30s worsened pager sent", "30s worsened phone sent"},
	},
	{name: "row 6: a milder level is silent", script: "c b", want: rules.Firing, told: []string{"0s first pager sent", "0s first phone sent"}},
	{
		name: "row 6: back up to a level that was told is silent", script: "b c b c", want: rules.Firing,
		told: []string{"0s first phone sent", "30s worsened pager sent", "30s worsened phone sent"},
	},
	{name: "row 6: not past recover is still firing", script: "b l l", want: rules.Firing, told: []string{"0s first phone sent"}, silent: true},
	{name: "row 7: good resolves", script: "b g", want: rules.OK, told: []string{"0s first phone sent", "30s resolved phone sent"}},
	{name: "row 8: good with keep_firing_for waits for more", rule: change{keepFiring(rules.Minute)}, script: "b g", want: rules.Recovering, told: []string{"0s first phone sent"}},
	{name: "row 8: a reminder waits while it is good", rule: change{keepFiring(rules.Hour), remind(rules.Minute)}, script: "b g*5", want: rules.Recovering, told: []string{"0s first phone sent"}, silent: true},
	{name: "row 8: the reminder that waited comes with the relapse", rule: change{keepFiring(rules.Hour), remind(rules.Minute)}, script: "b g*5 b", want: rules.Firing, told: []string{"0s first phone sent", "3m reminder phone sent"}},
	{name: "row 8: an escalation waits while it is good", rule: change{keepFiring(rules.Hour), escalate(rules.Minute)}, script: "b g*5", want: rules.Recovering, told: []string{"0s first phone sent"}},
	{name: "row 9: bad again goes on with the same alert", rule: change{keepFiring(rules.Minute)}, script: "b g b", want: rules.Firing, told: []string{"0s first phone sent"}},
	{name: "row 9: not past recover is bad again", rule: change{keepFiring(rules.Minute)}, script: "b g l", want: rules.Firing, told: []string{"0s first phone sent"}},
	{name: "row 9: a relapse starts keep_firing_for anew", rule: change{keepFiring(rules.Minute)}, script: "b g g b g g", want: rules.Recovering, told: []string{"0s first phone sent"}},
	{name: "row 10: good for as long as keep_firing_for resolves", rule: change{keepFiring(rules.Minute)}, script: "b g g g", want: rules.OK, told: []string{"0s first phone sent", "1m30s resolved phone sent"}},
	{name: "row 11: no data with keep changes nothing", script: "b n n", want: rules.Firing, told: []string{"0s first phone sent"}, silent: true},
	{name: "row 11: no data with keep stops the clock of for", rule: change{wait(rules.Minute)}, script: "b n n n b", want: rules.Pending},
	{name: "row 11: after the pause the clock goes on", rule: change{wait(rules.Minute)}, script: "b n n n b b", want: rules.Firing, told: []string{"2m30s first phone sent"}},
	{name: "row 11: no data with keep stops the clock of keep_firing_for", rule: change{keepFiring(rules.Minute)}, script: "b g n n g", want: rules.Recovering, told: []string{"0s first phone sent"}},
	{name: "row 11: no data with ok resolves", rule: change{noData(rules.OKPolicy)}, script: "b n", want: rules.OK, told: []string{"0s first phone sent", "30s resolved phone sent"}},
	{name: "row 11: no data with ok honours keep_firing_for", rule: change{noData(rules.OKPolicy), keepFiring(rules.Minute)}, script: "b n", want: rules.Recovering, told: []string{"0s first phone sent"}},
	{name: "row 11: no data with alert fires for a known series", rule: change{noData(rules.AlertOn)}, script: "g n", want: rules.Firing, told: []string{"30s first phone sent"}},
	{name: "row 11: no data with alert waits for the same for", rule: change{noData(rules.AlertOn), wait(rules.Minute)}, script: "g n n", want: rules.Pending},
	{name: "row 11: bad and no data fill one for", rule: change{noData(rules.AlertOn), wait(rules.Minute)}, script: "g b n n", want: rules.Firing, told: []string{"1m30s first phone sent"}},
	{name: "row 11: a series that nobody knows is not missed", rule: change{noData(rules.AlertOn)}, script: "n n", want: rules.OK},
	{name: "row 11: silence proves nothing while blind", rule: change{noData(rules.AlertOn)}, script: "g blind:on n n", want: rules.OK, silent: true},
	{name: "row 12: unknown changes and stores nothing", script: "b u u", want: rules.Firing, told: []string{"0s first phone sent"}, silent: true},
	{name: "row 12: unknown stops the clock of for", rule: change{wait(rules.Minute)}, script: "b u u u b", want: rules.Pending},
	{name: "row 12: unknown stops the clock of keep_firing_for", rule: change{keepFiring(rules.Minute)}, script: "b g u u g", want: rules.Recovering, told: []string{"0s first phone sent"}},
	{name: "row 12: unknown is not no data", rule: change{noData(rules.AlertOn)}, script: "g u u", want: rules.OK, silent: true},
	{name: "row 12: a series that was never seen is not made by unknown", script: "u", want: rules.OK, silent: true},
	{name: "row 12: time in which nobody looked does not count", rule: change{wait(rules.Minute)}, script: "b stand:5m b", want: rules.Pending},
	{name: "row 12: nor is it counted twice", rule: change{wait(rules.Minute)}, script: "b stand:5m n b b", want: rules.Firing, told: []string{"6m30s first phone sent"}},
	{
		name: "row 13: it fires again without cooldown at once", script: "b g b", want: rules.Firing,
		told: []string{"0s first phone sent", "30s resolved phone sent", "1m first phone sent"},
	},
	{
		name: "row 13: a new episode is not acknowledged", script: "b ack g b", want: rules.Firing,
		told: []string{"0s first phone sent", "30s resolved phone sent", "1m first phone sent"},
	},
	{
		name: "row 14: a first waits for the cooldown", rule: change{cooldown(15 * rules.Minute)}, script: "b g b*28", want: rules.Firing,
		told: []string{"0s first phone sent", "30s resolved phone sent", "1m first phone held by cooldown due 15m"}, silent: true,
	},
	{
		name: "row 14: a first is due at the end of the cooldown", rule: change{cooldown(15 * rules.Minute)}, script: "b g b*29", want: rules.Firing,
		told: []string{"0s first phone sent", "30s resolved phone sent", "1m first phone sent due 15m"},
	},
	{
		name: "row 14: resolved in the cooldown cancels both", rule: change{cooldown(15 * rules.Minute)}, script: "b g b g", want: rules.OK,
		told: []string{"0s first phone sent", "30s resolved phone sent", "1m first phone cancelled due 15m"},
	},
	{
		name: "row 14: the cooldown that was spared does not start anew", rule: change{cooldown(2 * rules.Minute)}, script: "b g b g b", want: rules.Firing,
		told: []string{"0s first phone sent", "30s resolved phone sent", "1m first phone cancelled due 2m", "2m first phone sent"},
	},
	{
		name: "row 14: reminders count from the first that waited", rule: change{cooldown(2 * rules.Minute), remind(rules.Minute)}, script: "b g b*5", want: rules.Firing,
		told: []string{"0s first phone sent", "30s resolved phone sent", "1m first phone sent due 2m", "3m reminder phone sent"},
	},
	{
		name: "row 14: the first that waited tells the level of its end", rule: change{cooldown(2 * rules.Minute)}, script: "b g b c c", want: rules.Firing,
		told: []string{"0s first phone sent", "30s resolved phone sent", "1m first phone sent due 2m", "2m first pager sent"},
	},
	{
		name: "row 14: an edit does not end the cooldown", rule: change{cooldown(15 * rules.Minute)}, script: "b g edit b", want: rules.Firing,
		acts: map[string]func(*play){"edit": edit(func(r *rules.Rule) { r.Condition.Value = rules.Num(26) })},
		told: []string{"0s first phone sent", "30s resolved phone sent", "1m first phone held by cooldown due 15m"},
	},
	{
		name: "row 14: a restart does not end the cooldown", rule: change{cooldown(15 * rules.Minute)}, script: "b g restart b", want: rules.Firing,
		acts: map[string]func(*play){"restart": (*play).restart},
		told: []string{"0s first phone sent", "30s resolved phone sent", "1m first phone held by cooldown due 15m"},
	},
	{
		name: "row 14: good when the cooldown ends, it waits for the relapse", rule: change{cooldown(3 * rules.Minute), keepFiring(rules.Minute)}, script: "b g g g b g g b", want: rules.Firing,
		told: []string{"0s first phone sent", "1m30s resolved phone sent", "2m first phone sent due 3m30s"},
	},
	{
		name: "row 15: reminders come by their gaps and the last repeats", rule: change{remind(rules.Minute, 2*rules.Minute)}, script: "b*15", want: rules.Firing,
		told: []string{"0s first phone sent", "1m reminder phone sent", "3m reminder phone sent", "5m reminder phone sent", "7m reminder phone sent"},
	},
	{
		name: "row 15: reminders are not limited by the cooldown", rule: change{remind(rules.Minute), cooldown(rules.Hour)}, script: "b b b", want: rules.Firing,
		told: []string{"0s first phone sent", "1m reminder phone sent"},
	},
	{
		name: "row 15: the gap counts from the last message", rule: change{remind(rules.Minute)}, script: "b c b b", want: rules.Firing,
		told: []string{"0s first phone sent", "30s worsened pager sent", "30s worsened phone sent", "1m30s reminder phone sent"},
	},
	{
		name: "row 15: reminders come while nobody can look", rule: change{remind(rules.Minute)}, script: "b . .", want: rules.Firing,
		told: []string{"0s first phone sent", "1m reminder phone sent"},
	},
	{
		name: "row 16: nobody acknowledges, others are told, once", rule: change{escalate(rules.Minute)}, script: "b*9", want: rules.Firing,
		told: []string{"0s first phone sent", "1m escalation boss sent"}, silent: true,
	},
	{
		name: "row 16: escalation comes while the source is down", rule: change{escalate(rules.Minute)}, script: "b u u", want: rules.Firing,
		told: []string{"0s first phone sent", "1m escalation boss sent"},
	},
	{
		name: "row 16: escalation counts from when the first was due", rule: change{escalate(rules.Minute), cooldown(2 * rules.Minute)}, script: "b g b*5", want: rules.Firing,
		told: []string{"0s first phone sent", "30s resolved phone sent", "1m first phone sent due 2m", "3m escalation boss sent"},
	},
	{
		name: "row 16: those who were told of it are told of the end", rule: change{escalate(rules.Minute)}, script: "b b b g", want: rules.OK,
		told: []string{"0s first phone sent", "1m escalation boss sent", "1m30s resolved boss sent", "1m30s resolved phone sent"},
	},
	{
		name: "row 17: an acknowledgement stops reminders and escalation", rule: change{remind(rules.Minute), escalate(rules.Minute)}, script: "b ack b*9", want: rules.Firing,
		told: []string{"0s first phone sent"}, silent: true,
	},
	{
		name: "row 17: an acknowledgement cancels what is not sent, but the first", rule: change{remind(rules.Minute), escalate(rules.Minute)}, script: "deaf:on b b b ack b", want: rules.Firing,
		told: []string{"0s first phone owed", "1m escalation boss cancelled", "1m reminder phone cancelled"}, silent: true,
	},
	{
		name: "row 17: a first that waits for the cooldown is told for all that", rule: change{cooldown(2 * rules.Minute), remind(rules.Minute)}, script: "b g b ack b*6", want: rules.Firing,
		told: []string{"0s first phone sent", "30s resolved phone sent", "1m first phone sent due 2m"}, silent: true,
	},
	{name: "row 17: a relapse keeps the acknowledgement", rule: change{keepFiring(rules.Minute), remind(rules.Minute)}, script: "b ack g b*5", want: rules.Firing, told: []string{"0s first phone sent"}},
	{
		name: "row 18: an episode that starts during a snooze is born acknowledged", script: "b snooze:5m g b*3", want: rules.Firing,
		told: []string{"0s first phone sent", "30s resolved phone sent"}, silent: true,
	},
	{
		name: "row 18: still firing at the end of the snooze is told once", script: "b snooze:2m b*9", want: rules.Firing,
		told: []string{"0s first phone sent", "2m reminder phone sent"}, silent: true,
	},
	{
		name: "row 18: born acknowledged and firing at the end is told once", script: "b snooze:2m g b*9", want: rules.Firing,
		told: []string{"0s first phone sent", "30s resolved phone sent", "2m first phone sent"}, silent: true,
	},
	{
		name: "row 18: an episode after the end of the snooze is told", script: "b snooze:1m g g b", want: rules.Firing,
		told: []string{"0s first phone sent", "30s resolved phone sent", "1m30s first phone sent"},
	},
	{
		name: "row 18: the escalation clock restarts at the end of the snooze", rule: change{escalate(2 * rules.Minute)}, script: "b snooze:1m b*6", want: rules.Firing,
		told: []string{"0s first phone sent", "1m reminder phone sent", "3m escalation boss sent"},
	},
	{
		name: "row 19: worsening breaks an acknowledgement", rule: change{remind(rules.Minute)}, script: "b ack b c b b", want: rules.Firing,
		told: []string{"0s first phone sent", "1m worsened pager sent", "1m worsened phone sent", "2m reminder phone sent"},
	},
	{
		name: "row 19: worsening breaks an acknowledgement from birth", rule: change{escalate(rules.Minute)}, script: "b snooze:1h g b c b b", want: rules.Firing,
		told: []string{
			"0s first phone sent", "30s resolved phone sent", "1m30s worsened pager sent", "1m30s worsened phone sent", "2m30s escalation boss sent",
		},
	},
	{
		name: "row 19: worsening takes the place of a first that waits", rule: change{cooldown(5 * rules.Minute)}, script: "b g b ack c", want: rules.Firing,
		told: []string{
			"0s first phone sent", "30s resolved phone sent", "1m first phone cancelled due 5m", "1m30s worsened pager sent", "1m30s worsened phone sent",
		},
	},
	{name: "row 19: an acknowledged milder level stays acknowledged", script: "c ack b c", want: rules.Firing, told: []string{"0s first pager sent", "0s first phone sent"}},
	{
		name: "row 20: taken back, the reminder comes after the first gap", rule: change{remind(rules.Minute, rules.Hour)}, script: "b b b ack b*4 unack b b", want: rules.Firing,
		told: []string{"0s first phone sent", "1m reminder phone sent", "4m reminder phone sent"},
	},
	{
		name: "row 20: taken back from birth, the first is told", script: "b snooze:1h g b unack b", want: rules.Firing,
		told: []string{"0s first phone sent", "30s resolved phone sent", "1m first phone sent"}, silent: true,
	},
	{
		name: "row 20: taken back while the first waits, it goes on waiting", rule: change{cooldown(2 * rules.Minute)}, script: "b g b ack unack b b", want: rules.Firing,
		told: []string{"0s first phone sent", "30s resolved phone sent", "1m first phone sent due 2m"},
	},
	{
		name: "row 21: an acknowledged alert that ends is told to all announced", rule: change{escalate(rules.Minute)}, script: "b b b ack g", want: rules.OK,
		told: []string{"0s first phone sent", "1m escalation boss sent", "1m30s resolved boss sent", "1m30s resolved phone sent"},
	},
	{name: "row 22: a silence holds the first", script: "silence:1h b", want: rules.Firing, told: []string{"0s first phone held by silence:1"}},
	{name: "row 22: a silence holds the first for good where it resolves inside", script: "silence:1h b g", want: rules.OK, told: []string{"0s first phone cancelled"}},
	{name: "row 22: no reminder and no escalation in a silence", rule: change{remind(rules.Minute), escalate(rules.Minute)}, script: "b silence:1h b*9", want: rules.Firing, told: []string{"0s first phone sent"}, silent: true},
	{name: "row 22: a silence holds the resolve", script: "b silence:1h g", want: rules.OK, told: []string{"0s first phone sent", "30s resolved phone held by silence:1"}},
	{name: "row 22: a silence holds what is not sent", script: "deaf:on b silence:1h deaf:off b", want: rules.Firing, told: []string{"0s first phone held by silence:1"}},
	{name: "row 22: a silence holds a resolve that is not sent", script: "b deaf:on g silence:1h deaf:off g", want: rules.OK, told: []string{"0s first phone sent", "30s resolved phone held by silence:1"}},
	{
		name: "row 22: no cooldown starts in a silence", rule: change{cooldown(rules.Hour)}, script: "silence:1m b g g g b", want: rules.Firing,
		told: []string{"0s first phone cancelled", "2m first phone sent"},
	},
	{
		name: "row 22: of two silences the one that holds already keeps it", script: "silence:1h b another b", want: rules.Firing, silent: true,
		acts: map[string]func(*play){"another": func(p *play) {
			p.silences = append([]rules.Silence{{ID: "0", From: p.now, Until: p.now.Add(time.Hour)}}, p.silences...)
		}},
		told: []string{"0s first phone held by silence:1"},
	},
	{
		name: "row 22: a silence holds a worsening", script: "b silence:1h c", want: rules.Firing,
		told: []string{"0s first phone sent", "30s worsened pager held by silence:1", "30s worsened phone held by silence:1"},
	},
	{name: "row 23: firing and never told, the first is told", script: "silence:1m b*4", want: rules.Firing, told: []string{"0s first phone cancelled", "30s first phone sent"}, silent: true},
	{
		name: "row 23: firing and told, one message, timers from now", rule: change{remind(rules.Minute, 5*rules.Minute), escalate(2 * rules.Minute)}, script: "b silence:3m b*6 b b b b", want: rules.Firing,
		told: []string{"0s first phone sent", "3m reminder phone sent", "4m reminder phone sent", "5m escalation boss sent"},
	},
	{
		name: "row 23: a worsening in the silence is that one message", script: "b silence:1m c c", want: rules.Firing,
		told: []string{
			"0s first phone sent", "30s worsened pager cancelled", "30s worsened phone cancelled", "1m reminder pager sent", "1m reminder phone sent",
		},
	},
	{name: "row 23: the end is told with its true time", script: "b silence:1m g g", want: rules.OK, told: []string{"0s first phone sent", "30s resolved phone sent due 1m"}},
	{name: "row 23: begun and ended inside, nothing", script: "silence:2m b g g g g g", want: rules.OK, told: []string{"0s first phone cancelled"}},
	{name: "row 23: acknowledged, nothing", rule: change{remind(rules.Minute)}, script: "b silence:1m b ack b*9", want: rules.Firing, told: []string{"0s first phone sent"}, silent: true},
	{name: "row 23: of two silences the last end counts", script: "silence:1m silence:2m b*3", want: rules.Firing, told: []string{"0s first phone held by silence:2"}},
	{name: "row 23: a silence inside another ends for nobody", script: "silence:5m b silence:1m b*4", want: rules.Firing, told: []string{"0s first phone held by silence:1"}, silent: true},
	{
		name: "row 23: good for the moment, the message waits for the relapse", rule: change{keepFiring(rules.Hour)}, script: "silence:1m b g g g b", want: rules.Firing,
		told: []string{"0s first phone cancelled", "2m first phone sent"},
	},
	{
		name: "row 23: after the silence the cooldown counts on", rule: change{cooldown(5 * rules.Minute)}, script: "b g silence:1m b b b", want: rules.Firing,
		told: []string{"0s first phone sent", "30s resolved phone sent", "1m first phone cancelled", "1m30s first phone held by cooldown due 5m"},
	},
	{name: "row 24: a parent that is wrong holds the first", rule: change{child}, script: "parent:alert:p b", want: rules.Firing, told: []string{"0s first phone held by alert:p"}},
	{name: "row 24: nobody else has a parent", script: "parent:alert:p b", want: rules.Firing, told: []string{"0s first phone sent"}},
	{
		name: "row 24: when the parent is ok, what is still wrong is told", rule: change{child}, script: "parent:alert:p b b parent: b b", want: rules.Firing,
		told: []string{"0s first phone cancelled", "1m first phone sent"}, silent: true,
	},
	{name: "row 24: over before the parent is, nothing", rule: change{child}, script: "parent:alert:p b g parent: g", want: rules.OK, told: []string{"0s first phone cancelled"}, silent: true},
	{
		name: "row 24: a resolve waits for the parent", rule: change{child}, script: "b parent:alert:p g g parent: g", want: rules.OK,
		told: []string{"0s first phone sent", "30s resolved phone sent due 1m30s"},
	},
	{name: "row 24: from a silence to a parent, still held", rule: change{child}, script: "silence:1m parent:alert:p b b b", want: rules.Firing, told: []string{"0s first phone held by alert:p"}, silent: true},
	{name: "row 25: pending becomes ok when active ends", rule: change{wait(rules.Hour), daytime("07:00-12:01")}, script: "b b b", want: rules.OK},
	{name: "row 25: pending becomes ok although nobody looks", rule: change{wait(rules.Hour), daytime("07:00-12:01")}, script: "b b .", want: rules.OK},
	{name: "row 25: nothing fires outside active", rule: change{daytime("07:00-11:00")}, script: "b b b", want: rules.OK, silent: true},
	{name: "row 25: firing stays and is not told outside active", rule: change{remind(rules.Minute), escalate(rules.Minute), daytime("07:00-12:01")}, script: "b b*9", want: rules.Firing, told: []string{"0s first phone sent"}, silent: true},
	{name: "row 25: nor while nobody looks", rule: change{remind(rules.Minute), daytime("07:00-12:01")}, script: "b .*9", want: rules.Firing, told: []string{"0s first phone sent"}, silent: true},
	{name: "row 25: it does not end outside active", rule: change{daytime("07:00-12:01")}, script: "b b g g", want: rules.Firing, told: []string{"0s first phone sent"}, silent: true},
	{name: "row 25: still bad when active begins, one reminder", rule: change{daytime("12:02-12:01")}, script: "b*8", want: rules.Firing, told: []string{"0s first phone sent", "2m reminder phone sent"}, silent: true},
	{name: "row 25: not past recover is still bad", rule: change{daytime("12:02-12:01")}, script: "b*4 l*3", want: rules.Firing, told: []string{"0s first phone sent", "2m reminder phone sent"}},
	{name: "row 25: good when active begins, resolved", rule: change{daytime("12:02-12:01")}, script: "b*4 g", want: rules.OK, told: []string{"0s first phone sent", "2m resolved phone sent"}},
	{name: "row 25: good when active begins, but not for long enough", rule: change{daytime("12:02-12:01"), keepFiring(rules.Minute)}, script: "b*4 g g g", want: rules.OK, told: []string{"0s first phone sent", "3m resolved phone sent"}},
	{name: "row 25: acknowledged, nothing when active begins", rule: change{daytime("12:02-12:01")}, script: "b ack b*8", want: rules.Firing, told: []string{"0s first phone sent"}, silent: true},
	{name: "row 25: a silence outlasts the begin of active", rule: change{daytime("12:02-12:01")}, script: "b silence:3m b*6", want: rules.Firing, told: []string{"0s first phone sent", "3m reminder phone sent"}},
	{
		name: "row 26: texts change nothing", script: "b edit b", want: rules.Firing, silent: true,
		acts: map[string]func(*play){"edit": edit(func(r *rules.Rule) { r.Title, r.Summary = "Hot", "{{.value}}" })},
		told: []string{"0s first phone sent"},
	},
	{
		name: "row 26: a raised severity breaks an acknowledgement", script: "b ack edit b", want: rules.Firing,
		acts: map[string]func(*play){"edit": edit(func(r *rules.Rule) { r.Severity = rules.Critical })},
		told: []string{"0s first phone sent", "0s worsened phone sent"},
	},
	{
		name: "row 26: a lowered severity is silent", script: "b ack edit b", want: rules.Firing, silent: true,
		acts: map[string]func(*play){"edit": edit(func(r *rules.Rule) { r.Severity = rules.Low })},
		told: []string{"0s first phone sent"},
	},
	{
		name: "row 26: a new channel counts from the next message, a removed one gets the end", rule: change{remind(rules.Minute)}, script: "b edit b b g", want: rules.OK,
		acts: map[string]func(*play){"edit": edit(func(r *rules.Rule) { r.Channels = []string{"mail"} })},
		told: []string{"0s first phone sent", "1m reminder mail sent", "1m30s resolved mail sent", "1m30s resolved phone sent"},
	},
	{
		name: "row 26: reminders that are added count from now", script: "b b b edit b b", want: rules.Firing,
		acts: map[string]func(*play){"edit": edit(func(r *rules.Rule) { r.Remind = []rules.Duration{rules.Minute} })},
		told: []string{"0s first phone sent", "2m reminder phone sent"},
	},
	{
		name: "row 26: shorter gaps count from the last message", rule: change{remind(rules.Hour)}, script: "b b b edit b b", want: rules.Firing,
		acts: map[string]func(*play){"edit": edit(func(r *rules.Rule) { r.Remind = []rules.Duration{2 * rules.Minute} })},
		told: []string{"0s first phone sent", "2m reminder phone sent"},
	},
	{
		name: "row 26: reminders that are taken away stop", rule: change{remind(rules.Minute)}, script: "b edit b*9", want: rules.Firing, silent: true,
		acts: map[string]func(*play){"edit": edit(func(r *rules.Rule) { r.Remind = nil })},
		told: []string{"0s first phone sent"},
	},
	{
		name: "row 27: a changed threshold ends the wait", rule: change{wait(rules.Hour)}, script: "b edit", want: rules.OK,
		acts: map[string]func(*play){"edit": edit(func(r *rules.Rule) { r.Condition.Value = rules.Num(28) })},
	},
	{
		name: "row 27: good by the changed rule resolves at once", rule: change{keepFiring(rules.Hour)}, script: "b edit g", want: rules.OK,
		acts: map[string]func(*play){"edit": edit(func(r *rules.Rule) { r.Condition.Value = rules.Num(50) })},
		told: []string{"0s first phone sent", "30s resolved phone sent"},
	},
	{
		name: "row 27: bad by the changed rule goes on as before", rule: change{keepFiring(rules.Hour)}, script: "b edit b g", want: rules.Recovering,
		acts: map[string]func(*play){"edit": edit(func(r *rules.Rule) { r.For = rules.Hour })},
		told: []string{"0s first phone sent"},
	},
	{
		name: "row 27: not past recover by the changed rule goes on too", rule: change{keepFiring(rules.Hour)}, script: "b edit l g", want: rules.Recovering,
		acts: map[string]func(*play){"edit": edit(func(r *rules.Rule) { r.For = rules.Hour })},
		told: []string{"0s first phone sent"},
	},
	{
		name: "row 28: another measurement ends everything", script: "b edit", want: rules.OK,
		acts: map[string]func(*play){"edit": edit(func(r *rules.Rule) { r.Field = "kelvin" })},
		told: []string{"0s first phone sent", "0s resolved phone owed"},
	},
	{
		name: "row 28: the same where and group_by written otherwise end nothing", rule: change{func(r *rules.Rule) { r.GroupBy = []string{"room", "host"} }}, script: "b edit b", want: rules.Firing, silent: true,
		acts: map[string]func(*play){"edit": edit(func(r *rules.Rule) { r.GroupBy, r.Where = []string{"host", "room"}, rules.Filter{} })},
		told: []string{"0s first phone sent"},
	},
	{
		name: "row 29: disabled, what was told is told to be over", script: "b disable . .", want: rules.OK,
		acts: map[string]func(*play){"disable": edit(func(r *rules.Rule) { r.Enabled = false })},
		told: []string{"0s first phone sent", "0s resolved phone sent"}, silent: true,
	},
	{
		name: "row 29: disabled in a silence, it is told at its end", script: "b silence:1m disable . .", want: rules.OK,
		acts: map[string]func(*play){"disable": edit(func(r *rules.Rule) { r.Enabled = false })},
		told: []string{"0s first phone sent", "0s resolved phone sent due 1m"},
	},
	{
		name: "row 29: disabled and never told, nothing", script: "silence:1h b disable .", want: rules.OK,
		acts: map[string]func(*play){"disable": edit(func(r *rules.Rule) { r.Enabled = false })},
		told: []string{"0s first phone cancelled"}, silent: true,
	},
	{
		name: "row 29: a parent does not hold the end of a rule", rule: change{child}, script: "b parent:alert:p delete .", want: rules.OK,
		acts: map[string]func(*play){"delete": func(p *play) { p.l.Delete(p.setting(), ann) }},
		told: []string{"0s first phone sent", "0s resolved phone sent"},
	},
	{
		name: "row 29: enabled again it starts at ok", rule: change{wait(rules.Minute)}, script: "b b disable enable b", want: rules.Pending,
		acts: map[string]func(*play){
			"disable": edit(func(r *rules.Rule) { r.Enabled = false }),
			"enable":  edit(func(r *rules.Rule) { r.Enabled = true }),
		},
	},
	{
		name: "row 31: a retired series ends as such", rule: change{noData(rules.AlertOn)}, script: "g n skip:719h59m n", want: rules.OK,
		told: []string{"30s first phone sent", "30d resolved phone sent"},
	},
	{
		name: "row 31: a forgotten series ends as such", script: "b forget", want: rules.OK,
		acts: map[string]func(*play){"forget": func(p *play) { p.do(p.l.Forget(p.setting(), p.series)) }},
		told: []string{"0s first phone sent", "0s resolved phone owed"},
	},
}

func TestStateTable(t *testing.T) {
	for _, tt := range stateTable {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlay(t, fever(tt.rule...))
			p.acts = tt.acts
			p.run(tt.script)
			p.want(tt.want, tt.told...)
			if tt.silent && p.stored {
				t.Error("the last word stored something")
			}
		})
	}
}

// Every row once more, with a daemon that restarts after every tick.
func TestStateTableSurvivesRestarts(t *testing.T) {
	for _, tt := range stateTable {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlay(t, fever(tt.rule...))
			p.acts, p.restarts = tt.acts, true
			p.run(tt.script)
			p.want(tt.want, tt.told...)
		})
	}
}

func TestWhatAnEpisodeRecords(t *testing.T) {
	p := newPlay(t, fever(wait(rules.Minute), keepFiring(rules.Minute)))
	p.run("b")
	if in := p.disk.instances[p.series]; in == nil || in.State != rules.Pending || !in.Since.Equal(noon) {
		t.Fatalf("row 2: stored %+v, want pending since noon", in)
	}
	p.run("b b")
	a := p.disk.alerts[p.alert().ID]
	if a == nil || !a.Since.Equal(noon) || !a.StartedAt.Equal(noon.Add(time.Minute)) || a.RuleVersion != 1 || a.Severity != rules.High {
		t.Fatalf("row 4: stored %+v", a)
	}
	if got := len(a.Evidence.Values); got != 3 {
		t.Errorf("row 4: evidence holds %d values, want the 3 that were seen", got)
	}
	p.run("c b g")
	in := p.disk.instances[p.series]
	if in.State != rules.Recovering || !in.QuietSince.Equal(noon.Add(150*time.Second)) {
		t.Errorf("row 8: stored %+v, want quiet since 12:02:30", in)
	}
	p.run("l")
	if in := p.disk.instances[p.series]; in.State != rules.Firing || !in.QuietSince.IsZero() {
		t.Errorf("row 9: stored %+v, want firing and no quiet time", in)
	}
	p.run("g g g")
	a = p.disk.alerts[a.ID]
	if !a.ResolvedAt.Equal(p.now) || a.Reason != rules.WhyRecovered || a.Peak != 95 || a.Status() != rules.StatusResolved {
		t.Errorf("row 10: stored resolved %s (%s), peak %v", since(a.ResolvedAt), a.Reason, a.Peak)
	}
	if p.disk.instances[p.series] != nil {
		t.Error("row 7: an ok series without a roster has a row still")
	}
}

func TestEvidenceIsAskedOnlyWhenItFires(t *testing.T) {
	l := rules.NewLedger(fever(), ann, noon)
	asked := 0
	evidence := func(o rules.Observation) rules.Evidence {
		asked++
		return rules.Evidence{Query: "SELECT", Clock: "sure"}
	}
	for i := range 5 {
		l.Observe(rules.Setting{Now: noon.Add(time.Duration(i) * step)}, []rules.Observation{
			{Series: "room=a", Verdict: rules.Bad, Value: 30}, {Series: "room=b", Verdict: rules.Good, Value: 3},
		}, evidence)
	}
	if in := l.Instance("room=a"); asked != 1 || in.Alert.Evidence.Query != "SELECT" || in.Alert.Evidence.Clock != "sure" {
		t.Errorf("asked %d times, evidence %+v", asked, in.Alert.Evidence)
	}
}

func TestAcknowledging(t *testing.T) {
	p := newPlay(t, fever()).run("b ack:first ack:second")
	a := p.disk.alerts[p.alert().ID]
	if a.Ack == nil || a.Ack.Note != "second" || a.Ack.By != ann || !a.Ack.At.Equal(p.now) || a.Status() != rules.StatusAcknowledged {
		t.Fatalf("row 17: stored %+v", a.Ack)
	}
	p.run("ack")
	if got := p.alert().Ack.Note; got != "second" {
		t.Errorf("row 17: an empty note replaced %q by %q", "second", got)
	}
	p.run("b c")
	a = p.disk.alerts[a.ID]
	if a.Ack != nil || len(a.PastAcks) != 1 || a.PastAcks[0].Ended != "worsened" || !a.PastAcks[0].EndedAt.Equal(p.now) {
		t.Errorf("row 19: ack %+v, history %+v", a.Ack, a.PastAcks)
	}
	p.run("ack unack")
	if got := p.disk.alerts[a.ID].PastAcks[1]; got.Ended != "withdrawn by ann (cli)" || !got.EndedAt.Equal(p.now) {
		t.Errorf("row 20: history %+v", got)
	}
	p.run("snooze:1m b b b")
	if got := p.disk.alerts[a.ID].PastAcks[2]; got.Ended != "over" || !got.Until.Equal(noon.Add(2*time.Minute)) {
		t.Errorf("row 18: history %+v", got)
	}
	p.run("ack g")
	if got := p.disk.alerts[a.ID].Ack; got == nil || got.Ended != "resolved" {
		t.Errorf("row 21: ack %+v", got)
	}
}

func TestAcknowledgingIsRefused(t *testing.T) {
	p := newPlay(t, fever()).run("b")
	alert := p.alert().ID
	for _, tt := range []struct {
		name string
		act  func() error
		code rules.Code
		text string
	}{
		{"for an end that is over", func() error {
			return p.l.Acknowledge(p.setting(), alert, rules.Acknowledgement{By: ann, Until: p.now})
		}, rules.Invalid, "until: must be in the future; got 2026-03-02T12:00:00Z"},
		{
			"to be taken back where there is none", func() error { return p.l.Unacknowledge(p.setting(), alert, ann) },
			rules.Conflict, "alert " + alert + " is not acknowledged",
		},
		{"for what is resolved", func() error {
			p.run("g")
			return p.l.Acknowledge(p.setting(), alert, rules.Acknowledgement{By: ann})
		}, rules.Conflict, "alert " + alert + " is resolved; only a firing alert can be acknowledged, snoozed or taken back"},
		{
			"to be taken back for what is resolved", func() error { return p.l.Unacknowledge(p.setting(), alert, ann) },
			rules.Conflict, "alert " + alert + " is resolved; only a firing alert can be acknowledged, snoozed or taken back",
		},
		{
			"to forget what nobody knows", func() error { return p.l.Forget(p.setting(), "room=z") },
			rules.NotFound, `rule "fever" knows no series "room=z"`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.act(); rules.CodeOf(err) != tt.code || err.Error() != tt.text {
				t.Errorf("got %s %q, want %s %q", rules.CodeOf(err), err, tt.code, tt.text)
			}
		})
	}
}

func TestTheNextTextNamesTheEpisodesNotTold(t *testing.T) {
	p := newPlay(t, fever(cooldown(4*rules.Minute))).run("b g b g b g b*5")
	var last *rules.Notification
	for _, n := range p.log {
		if n.Reason == rules.FirstNews && n.State == rules.Sent && (last == nil || n.BookedAt.After(last.BookedAt)) {
			last = n
		}
	}
	if last.Facts.Untold != 2 || p.instance().Untold != 0 {
		t.Errorf("row 14: the text says %d not told, %d are left; want 2 and 0", last.Facts.Untold, p.instance().Untold)
	}
	silenced := newPlay(t, fever()).run("silence:2m b g")
	if silenced.run("g g g b"); silenced.owedOrSent().Facts.Untold != 0 {
		t.Error("an episode that a silence kept back is counted as one that the cooldown did")
	}
}

// owedOrSent is the one message that was not cancelled.
func (p *play) owedOrSent() *rules.Notification {
	p.t.Helper()
	for _, n := range p.log {
		if n.State != rules.Cancelled {
			return n
		}
	}
	p.t.Fatal("there is no message")
	return nil
}

// TestATextSaysWhyItComesNow names what held a message back, or whom it
// overrules.
func TestATextSaysWhyItComesNow(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		reason       rules.Reason
		after        rules.After
		by           string
	}{
		{"a first that nothing held", "b", rules.FirstNews, "", ""},
		{"a reminder of its own accord", "b b b b", rules.Reminder, "", ""},
		{"the end of a snooze", "b snooze:1m b b b", rules.Reminder, rules.AfterSnooze, "ann"},
		{"worse than what was acknowledged", "b ack b c", rules.Worsened, rules.AfterAck, "ann"},
		{"worse than what nobody acknowledged", "b c", rules.Worsened, "", ""},
		{"the end of a silence, told before", "b silence:1m b b b", rules.Reminder, rules.AfterSilence, ""},
		{"the end of a silence, never told", "silence:1m b b b", rules.FirstNews, rules.AfterSilence, ""},
		{"what it depends on is well again", "parent:alert:x b b parent: b", rules.FirstNews, rules.AfterParent, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlay(t, fever(remind(rules.Minute), child)).run(tt.script)
			var last *rules.Notification
			for _, n := range p.log {
				if n.State == rules.Sent && (last == nil || n.BookedAt.After(last.BookedAt)) {
					last = n
				}
			}
			if last == nil || last.Reason != tt.reason || last.Facts.After != tt.after || last.Facts.AfterBy != tt.by {
				t.Errorf("the last message is %+v", last)
			}
		})
	}
}

// TestATextSaysHowSevereItWas when the severity has dropped since.
func TestATextSaysHowSevereItWas(t *testing.T) {
	p := newPlay(t, fever()).run("b")
	if got := p.l.Worst(p.alert()); got != rules.High {
		t.Errorf("worst = %s", got)
	}
	p.run("c b")
	if got := p.l.Worst(p.alert()); got != rules.Critical || p.alert().Worst() != got || p.alert().Severity != rules.High {
		t.Errorf("worst = %s, to the alert %s, now %s", got, p.alert().Worst(), p.alert().Severity)
	}
	p.run("g g")
	for _, n := range p.log {
		want := rules.Severity("")
		if n.Reason == rules.Resolved {
			want = rules.Critical
		}
		if n.Facts.Worst != want {
			t.Errorf("%s: worst = %q, want %q", n.Reason, n.Facts.Worst, want)
		}
	}
	silent := newPlay(t, fever()).run("silence:10m b c b") // nobody was told, and the peak knows
	if got := silent.l.Worst(silent.alert()); got != rules.Critical {
		t.Errorf("worst under a silence = %s", got)
	}
}

func TestFactsOfNoData(t *testing.T) {
	p := newPlay(t, fever(noData(rules.AlertOn))).run("g n")
	for _, n := range p.log {
		if !n.Facts.NoDataSince.Equal(noon) || n.Facts.Value != nil {
			t.Errorf("row 11: no data since %v, value %v; want since noon", n.Facts.NoDataSince, n.Facts.Value)
		}
	}
	if f := newPlay(t, fever()).run("b").owedOrSent().Facts; f.Silent || f.Known != 0 || f.GroupBy != nil {
		t.Errorf("a value is told as none: %+v", f)
	}
	absent := fever(func(r *rules.Rule) {
		r.Levels, r.Condition = nil, rules.Condition{Type: rules.Absence, Window: 10 * rules.Minute, ForgetAfter: rules.Hour}
	})
	if f := newPlay(t, absent).run("g n").owedOrSent().Facts; !f.Silent || !f.NoDataSince.Equal(noon) || f.Known != 1 || !slices.Equal(f.GroupBy, []string{"room"}) {
		t.Errorf("the text of an absence says %+v", f)
	}
}

func TestAnAlertShowsTheLastValue(t *testing.T) {
	p := newPlay(t, fever(keepFiring(rules.Hour)))
	for _, tt := range []struct {
		look string
		want float64
	}{{"b", 30}, {"c", 95}, {"g", 10}, {"n", 10}, {"u", 10}} {
		if p.run(tt.look); p.alert().Value != tt.want {
			t.Errorf("after %s it shows %v, want %v", tt.look, p.alert().Value, tt.want)
		}
	}
}

// TestALedgerIsMatchedOnceASeriesHadAValue, which silence is not, in whatever
// form it comes.
func TestALedgerIsMatchedOnceASeriesHadAValue(t *testing.T) {
	absence := rules.Condition{Type: rules.Absence, Window: 10 * rules.Minute}
	count := rules.Condition{Type: rules.Threshold, Aggregation: rules.Count, Window: 10 * rules.Minute, Operator: rules.Below, Value: rules.Num(5)}
	for _, tt := range []struct {
		name      string
		condition rules.Condition
		verdict   rules.Verdict
		value     float64
		want      bool
	}{
		{"a good value", fever().Condition, rules.Good, 10, true},
		{"a bad value", fever().Condition, rules.Bad, 30, true},
		{"none", fever().Condition, rules.None, math.NaN(), false},
		{"nobody knows", fever().Condition, rules.Unknown, math.NaN(), false},
		{"an expected series is missed", absence, rules.Bad, math.NaN(), false},
		{"few points", count, rules.Bad, 3, true},
		{"no points", count, rules.Bad, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := rules.NewLedger(fever(func(r *rules.Rule) { r.Condition, r.Levels = tt.condition, nil }), ann, noon)
			l.Observe(rules.Setting{Now: noon}, []rules.Observation{{Series: "room=a", Verdict: tt.verdict, Value: tt.value}}, nil)
			if l.Matched != tt.want {
				t.Errorf("matched = %v, want %v", l.Matched, tt.want)
			}
		})
	}
}

// TestSilenceIsToldWhereItMakesAnAlert, or where one fires already.
func TestSilenceIsToldWhereItMakesAnAlert(t *testing.T) {
	absence := func(r *rules.Rule) {
		r.Levels, r.Condition = nil, rules.Condition{Type: rules.Absence, Window: 10 * rules.Minute, ForgetAfter: rules.Hour}
	}
	count := func(r *rules.Rule) { r.Condition.Aggregation = rules.Count }
	for _, tt := range []struct {
		name, script string
		rule         change
		after        time.Duration // the last look
		want         bool
	}{
		{"a value that stays away means nothing", "g", nil, step, false},
		{"but while it fires", "b", nil, step, true},
		{"and while it is good before it is over", "b g", change{keepFiring(rules.Hour)}, step, true},
		{"not of a count, which is 0 then", "b", change{count}, step, false},
		{"no_data makes an alert of it", "g", change{noData(rules.AlertOn)}, step, true},
		{"no_data makes it good", "g", change{noData(rules.OKPolicy)}, step, false},
		{"it is absent", "g", change{absence}, step, true},
		{"not outside active", "g", change{absence, daytime("07:00-11:00")}, step, false},
		{"not before for begins", "g", change{absence, wait(rules.Minute)}, time.Hour, false},
		{"not before for is over", "g n", change{absence, wait(rules.Minute)}, step, false},
		{"when for is over", "g n n", change{absence, wait(rules.Minute)}, step, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlay(t, fever(tt.rule...)).run(tt.script)
			if got := p.l.TellsSilence(p.instance(), p.now.Add(tt.after)); got != tt.want {
				t.Errorf("told: %v, want %v", got, tt.want)
			}
		})
	}
}

func TestALedgerIsBusyWhileTimersMayHaveSomethingToDo(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		rule         change
		want         bool
	}{
		{"nothing is known", "", change{daytime("07:00-22:00")}, false},
		{"what is good may be waiting for active to begin", "g", change{daytime("07:00-22:00")}, true},
		{"what is good always", "g", nil, false},
		{"what fires", "b", nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if p := newPlay(t, fever(tt.rule...)).run(tt.script); p.l.Busy() != tt.want {
				t.Errorf("busy = %v, want %v", p.l.Busy(), tt.want)
			}
		})
	}
}

// TestWhatEndsInTheMiddleOfAReplayIsHeldByIt: what began within the gap may be
// over before its end, and nobody is told before that is known.
func TestWhatEndsInTheMiddleOfAReplayIsHeldByIt(t *testing.T) {
	for _, tt := range []struct {
		name   string
		missed time.Time
		want   []string
	}{
		{"began in the gap", noon, []string{"0s first phone held by replay"}},
		{"began before it", noon.Add(step), []string{"0s first phone cancelled", "1m first phone owed"}},
		{"of a gap that nobody knows", time.Time{}, []string{"0s first phone cancelled", "1m first phone owed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlay(t, fever()).run("silence:1m b")
			p.now = p.now.Add(time.Minute)
			s := p.setting()
			s.Behind, s.Down, s.Missed = true, true, tt.missed
			p.l.RunTimers(s)
			p.save()
			p.told(tt.want...)
		})
	}
	t.Run("what was told is not", func(t *testing.T) {
		p := newPlay(t, fever()).run("b silence:1m .")
		p.now = p.now.Add(time.Minute)
		s := p.setting()
		s.Behind, s.Down, s.Missed = true, true, noon
		p.l.RunTimers(s)
		p.save()
		p.told("0s first phone sent", "1m30s reminder phone owed")
	})
}

func TestAbsence(t *testing.T) {
	absent := fever(func(r *rules.Rule) {
		r.Levels = nil
		r.Condition = rules.Condition{Type: rules.Absence, Window: 10 * rules.Minute, ForgetAfter: rules.Hour}
	})
	t.Run("a series that was seen is missed when nobody names it", func(t *testing.T) {
		newPlay(t, absent).run("g n").want(rules.Firing, "30s first phone sent")
	})
	t.Run("its roster outlives a restart", func(t *testing.T) {
		p := newPlay(t, absent)
		p.restarts = true
		p.run("g n").want(rules.Firing, "30s first phone sent")
	})
	t.Run("silence proves nothing while blind", func(t *testing.T) {
		newPlay(t, absent).run("g blind:on n n").want(rules.OK)
	})
	t.Run("it is retired after forget_after", func(t *testing.T) {
		p := newPlay(t, absent).run("g n skip:59m n")
		p.want(rules.OK, "30s first phone sent", "1h resolved phone sent")
		if a := p.disk.alerts; len(a) != 1 || p.l.Size() != 0 || p.disk.instances[p.series] != nil {
			t.Errorf("row 31: %d alerts, %d series, stored %+v", len(a), p.l.Size(), p.disk.instances[p.series])
		}
	})
	t.Run("nobody is retired while blind", func(t *testing.T) {
		newPlay(t, absent).run("g n blind:on skip:2h n").want(rules.Firing, "30s first phone sent")
	})
	t.Run("one that is expected is missed before it was seen", func(t *testing.T) {
		newPlay(t, absent).run("b").want(rules.Firing, "0s first phone sent")
	})
	t.Run("those that were never seen count too", func(t *testing.T) {
		r := absent
		r.Condition.Expect = []rules.Labels{{"room": "a"}, {"room": "b"}, {"room": "c"}, {"room": "c"}}
		p := newPlay(t, r)
		p.run("g n")
		if got := p.owedOrSent().Facts; got.Known != 3 {
			t.Errorf("%d series are known, want 3", got.Known)
		}
	})
	t.Run("one that is expected is never retired", func(t *testing.T) {
		r := absent
		r.Condition.Expect = []rules.Labels{{"room": "a"}}
		newPlay(t, r).run("g n skip:2h n").want(rules.Firing, "30s first phone sent")
	})
}

func TestCountOfNothingIsZero(t *testing.T) {
	counted := fever(func(r *rules.Rule) {
		r.Levels = nil
		r.Condition.Aggregation, r.Condition.Operator, r.Condition.Value, r.Condition.Recover = rules.Count, rules.Below, rules.Num(1), rules.Value{}
	})
	p := newPlay(t, counted)
	p.l.Observe(p.setting(), []rules.Observation{{Series: p.series, Verdict: rules.Good, Value: 5}}, nil)
	p.now = p.now.Add(step)
	p.l.Observe(p.setting(), nil, nil)
	if in := p.instance(); in.State != rules.Firing || in.Value != 0 || !in.Seen.Equal(p.now.Add(-step)) {
		t.Errorf("a known series without points: %s, value %v, seen %s", in.State, in.Value, since(in.Seen))
	}
	p.now = p.now.Add(rules.DefaultForgetAfter.Std())
	p.l.Observe(p.setting(), nil, nil)
	if p.l.Size() != 0 {
		t.Error("a series that counted nothing for forget_after is still known")
	}
}

func TestTooManySeriesAreTurnedAway(t *testing.T) {
	l := rules.NewLedger(fever(func(r *rules.Rule) { r.MaxSeries = 2 }), ann, noon)
	obs := []rules.Observation{
		{Series: "room=a", Verdict: rules.Good},
		{Series: "room=b", Verdict: rules.Good},
		{Series: "room=c", Verdict: rules.Bad},
		{Series: "room=d", Verdict: rules.None},
	}
	for i := range 3 {
		l.Observe(rules.Setting{Now: noon.Add(time.Duration(i) * step)}, obs, nil)
	}
	slices.Reverse(obs) // a new order of the source changes nothing
	for i := range 3 {
		l.Observe(rules.Setting{Now: noon.Add(time.Duration(3+i) * step)}, obs, nil)
	}
	if l.Size() != 2 || l.Refused != 1 || l.Busy() {
		t.Errorf("%d series, %d refused, busy %v; want 2, 1, false", l.Size(), l.Refused, l.Busy())
	}
}

func TestSeriesOfOneRuleAreApart(t *testing.T) {
	l := rules.NewLedger(fever(wait(rules.Minute)), ann, noon)
	for i, verdicts := range [][2]rules.Verdict{{rules.Bad, rules.Good}, {rules.Bad, rules.Bad}, {rules.Bad, rules.Good}} {
		l.Observe(rules.Setting{Now: noon.Add(time.Duration(i) * step)}, []rules.Observation{
			{Series: "room=a", Verdict: verdicts[0], Value: 30},
			{Series: "room=b", Verdict: verdicts[1], Value: 30},
			{Series: "room=b", Verdict: rules.Bad, Value: 99}, // named twice: the first counts
		}, nil)
	}
	if a, b := l.Instance("room=a"), l.Instance("room=b"); a.State != rules.Firing || b.State != rules.OK || b.Value != 30 {
		t.Errorf("a is %s, b is %s with %v; want firing, ok with 30", a.State, b.State, b.Value)
	}
	for i := range 4 { // in whatever order they come
		obs := []rules.Observation{{Series: "room=a", Verdict: rules.Bad, Value: 31}, {Series: "room=b", Verdict: rules.Good, Value: 5}}
		if i%2 == 0 {
			slices.Reverse(obs)
		}
		l.Observe(rules.Setting{Now: noon.Add(time.Duration(3+i) * step)}, obs, nil)
		if a, b := l.Instance("room=a"), l.Instance("room=b"); a.State != rules.Firing || a.Value != 31 || b.State != rules.OK || b.Value != 5 {
			t.Errorf("a is %s with %v, b is %s with %v; want firing with 31, ok with 5", a.State, a.Value, b.State, b.Value)
		}
	}
}

func TestOneRetiredSeriesDoesNotHideAnother(t *testing.T) {
	l := rules.NewLedger(fever(noData(rules.AlertOn)), ann, noon)
	l.Observe(rules.Setting{Now: noon}, []rules.Observation{{Series: "room=a", Verdict: rules.Good}, {Series: "room=b", Verdict: rules.Good}}, nil)
	day := noon.Add(20 * 24 * time.Hour)
	l.Observe(rules.Setting{Now: day}, []rules.Observation{{Series: "room=a", Verdict: rules.Good}, {Series: "room=b", Verdict: rules.Good}}, nil)
	day = day.Add(29 * 24 * time.Hour)
	l.Observe(rules.Setting{Now: day}, []rules.Observation{{Series: "room=a", Verdict: rules.Good}}, nil)
	day = day.Add(2 * 24 * time.Hour)
	l.Observe(rules.Setting{Now: day}, []rules.Observation{{Series: "room=b", Verdict: rules.None}}, nil)
	if l.Instance("room=b") != nil || l.Instance("room=a").State != rules.Firing {
		t.Errorf("b is known: %v, a is %s; want b retired and a missed", l.Instance("room=b") != nil, l.Instance("room=a").State)
	}
}

func TestQuietSeriesWithoutRosterAreLetGo(t *testing.T) {
	p := newPlay(t, fever()).run("g skip:59m30s n")
	if p.l.Size() != 1 {
		t.Error("gone after an hour")
	}
	p.run("n")
	if p.l.Size() != 0 || p.stored {
		t.Errorf("after more than an hour %d series are known, stored %v; want none and nothing stored", p.l.Size(), p.stored)
	}
}

func TestCoverNamesTheParent(t *testing.T) {
	kid := &rules.Rule{GroupBy: []string{"host", "room"}}
	p := newPlay(t, fever(wait(rules.Minute)))
	cover := func(series rules.Series) string { return p.l.Cover(kid, series, step, p.now) }
	for _, tt := range []struct{ name, script, want string }{
		{"ok", "g", ""},
		{"pending", "b", "rule:r1"},
		{"firing", "b b", "alert:"},
		{"ok for less than one every of the child", "g", "rule:r1"},
		{"ok for one every of the child", "g", ""},
	} {
		t.Run("a parent that is "+tt.name, func(t *testing.T) {
			p.run(tt.script)
			want := tt.want
			if want == "alert:" {
				want += p.alert().ID
			}
			if got := cover("host=h,room=a"); got != want {
				t.Errorf("cover = %q, want %q", got, want)
			}
			if got := cover("host=h,room=b"); got != "" {
				t.Errorf("another room is covered by %q", got)
			}
		})
	}
	p.run("b b b")
	if got := p.l.Cover(&rules.Rule{}, "", step, p.now); got != "alert:"+p.alert().ID {
		t.Errorf("without shared labels cover = %q, want the alert", got)
	}
	p.l.ShiftTimers(-time.Hour)
	p.now = p.now.Add(-time.Hour)
	p.run("g g g")
	if got := cover("host=h,room=a"); got != "" {
		t.Errorf("after the clock went back cover = %q, want none", got)
	}
}

func TestCoverOfSeveralIsAlwaysTheSame(t *testing.T) {
	l := rules.NewLedger(fever(), ann, noon)
	var obs []rules.Observation
	for _, room := range []string{"a", "b", "c", "d", "e"} {
		obs = append(obs, rules.Observation{Series: rules.SeriesOf(rules.Labels{"room": room}), Verdict: rules.Bad, Value: 30})
	}
	l.Observe(rules.Setting{Now: noon}, obs, nil)
	want := l.Cover(&rules.Rule{}, "", step, noon)
	for range 50 {
		if got := l.Cover(&rules.Rule{}, "", step, noon); got != want || want == "" {
			t.Fatalf("cover = %q, then %q", want, got)
		}
	}
}

func TestAJumpOfTheClock(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for _, d := range []time.Duration{year, -year, time.Hour, -time.Hour} {
		t.Run("fires nothing and skips nothing by "+rules.Duration(d).String(), func(t *testing.T) {
			p := newPlay(t, fever(wait(rules.Minute), keepFiring(rules.Minute), cooldown(5*rules.Minute), remind(2*rules.Minute), escalate(3*rules.Minute)))
			p.acts = map[string]func(*play){"jump": func(p *play) { p.l.ShiftTimers(d); p.now = p.now.Add(d) }}
			p.run("b jump b").want(rules.Pending)
			p.run("b").want(rules.Firing, since(noon.Add(d+time.Minute))+" first phone sent")
			p.run("b jump b b")
			if len(p.log) != 1 {
				t.Errorf("told %v", p.messages())
			}
			p.run("b")
			if len(p.log) != 2 {
				t.Errorf("the reminder after two minutes is missing: %v", p.messages())
			}
			p.run("b b")
			if len(p.log) != 3 {
				t.Errorf("the escalation after three minutes is missing: %v", p.messages())
			}
			p.run("g jump g").want(rules.Recovering, p.messages()...)
			p.run("g").want(rules.OK, p.messages()...)
			if p.alertsLive() != 0 {
				t.Error("the alert is not resolved")
			}
		})
	}
	t.Run("is written of a series that waits", func(t *testing.T) {
		p := newPlay(t, fever(wait(rules.Minute)))
		p.acts = map[string]func(*play){"jump": func(p *play) { p.l.ShiftTimers(time.Hour) }}
		p.run("b jump")
		if in := p.disk.instances[p.series]; !in.Since.Equal(noon.Add(time.Hour)) {
			t.Errorf("stored as pending since %s, want 1h", since(in.Since))
		}
	})
	t.Run("leaves the times that people gave", func(t *testing.T) {
		p := newPlay(t, fever()).run("b snooze:1h")
		until := p.alert().Ack.Until
		p.l.ShiftTimers(time.Hour)
		if got := p.alert().Ack.Until; !got.Equal(until) || !p.instance().Snooze.Until.Equal(until) {
			t.Errorf("the snooze moved from %s to %s", since(until), since(got))
		}
	})
}

func (p *play) alertsLive() (n int) {
	p.l.Alerts(func(a *rules.Alert) bool {
		if a.ResolvedAt.IsZero() {
			n++
		}
		return true
	})
	return n
}

func TestAStartInTheFutureBecomesNow(t *testing.T) {
	p := newPlay(t, fever(wait(rules.Minute), cooldown(15*rules.Minute))).run("b b b g b")
	p.now = p.now.Add(-365 * 24 * time.Hour)
	p.restart()
	in := p.instance()
	if !in.Since.Equal(p.now) || !in.CooldownUntil.Equal(p.now.Add(15*time.Minute)) || !p.l.Judged.Equal(p.now) {
		t.Errorf("since %s, cooldown until %s, judged %s; now is %s", since(in.Since), since(in.CooldownUntil), since(p.l.Judged), since(p.now))
	}
	if p.run("b b"); p.state() != rules.Firing {
		t.Errorf("a minute later it is %s, want firing", p.state())
	}
	for _, gaps := range [][]rules.Duration{nil, {10 * rules.Minute}} {
		p := newPlay(t, fever(remind(gaps...))).run("b b")
		p.now = p.now.Add(-time.Hour)
		p.restart()
		a := p.disk.alerts[p.alert().ID]
		if !a.DueAt.Equal(p.now) || gaps != nil && !a.RemindAt.Equal(p.now.Add(10*time.Minute)) || gaps == nil && !a.RemindAt.IsZero() {
			t.Errorf("with reminders after %v it is stored as due %s, the next reminder %s; now is %s", gaps, since(a.DueAt), since(a.RemindAt), since(p.now))
		}
	}
}

func TestFlushWritesWhatLivesInMemory(t *testing.T) {
	p := newPlay(t, fever()).run("b c b b")
	a := p.alert()
	a.Peak = 97 // as a tick that stored nothing would
	p.run("b")
	p.l.Flush()
	p.save()
	if !p.stored || p.disk.alerts[a.ID].Peak != 97 || p.disk.instances[p.series].Value != 30 {
		t.Errorf("stored %v, peak %v", p.stored, p.disk.alerts[a.ID].Peak)
	}
	p.l.Flush()
	p.save()
	if p.stored {
		t.Error("a second Flush wrote again")
	}
	quiet := newPlay(t, fever()).run("g g")
	quiet.l.Flush()
	if quiet.l.Changed() {
		t.Error("Flush writes an ok series that no roster needs")
	}
}

func TestARosterIsStoredOnce(t *testing.T) {
	p := newPlay(t, fever(noData(rules.AlertOn))).run("g")
	if !p.stored || p.disk.instances[p.series] == nil {
		t.Error("a new series of a roster is not stored")
	}
	if p.run("g"); p.stored {
		t.Error("a known series is stored again")
	}
	p.acts = map[string]func(*play){
		"off": edit(func(r *rules.Rule) { r.NoData = rules.Keep }),
		"on":  edit(func(r *rules.Rule) { r.NoData = rules.AlertOn }),
	}
	if p.run("off"); p.disk.instances[p.series] != nil {
		t.Error("a roster that nobody keeps any more is stored still")
	}
	if p.run("on"); p.disk.instances[p.series] == nil {
		t.Error("a roster that begins with known series is not stored")
	}
}

func TestNothingIsWrittenForWhatComesAndGoesBeforeASave(t *testing.T) {
	l := rules.NewLedger(fever(wait(rules.Minute)), ann, noon)
	l.Saved(1)
	for i, v := range []rules.Verdict{rules.Bad, rules.Good} {
		l.Observe(rules.Setting{Now: noon.Add(time.Duration(i) * step)}, []rules.Observation{{Series: "room=a", Verdict: v}}, nil)
	}
	if c := l.Changes(); l.Changed() || len(c.Gone)+len(c.Instances) != 0 {
		t.Errorf("changed %v: %+v", l.Changed(), c)
	}
}

// decideAgain is what a store's Save makes of a tick when another process came
// first.
func TestAnActOfAnotherProcessIsNotOverwritten(t *testing.T) {
	p := newPlay(t, fever(wait(2*rules.Minute), remind(rules.Minute))).run("b n b b b b b")
	p.want(rules.Firing, "2m30s first phone sent")
	other := rules.OpenLedger(p.disk.read())
	p.do(other.Acknowledge(p.setting(), p.alert().ID, rules.Acknowledgement{By: ann}))
	p.disk.write(other, other.Changes())

	p.now = p.now.Add(step)
	obs := []rules.Observation{{Series: p.series, Verdict: rules.Bad, Value: 31}}
	tick := func(l *rules.Ledger) {
		l.Observe(p.setting(), obs, nil)
		l.RunTimers(p.setting())
	}
	tick(p.l) // decided, and refused by the store
	fresh := rules.OpenLedger(p.disk.read())
	fresh.Remember(p.l)
	if !fresh.Judged.Equal(p.now.Add(-step)) {
		t.Errorf("judged at %s, want at the tick before the refused one", since(fresh.Judged))
	}
	tick(fresh)
	p.l = fresh
	p.save()
	p.run("b b b b").want(rules.Firing, "2m30s first phone sent")
	if got := p.alert().Status(); got != rules.StatusAcknowledged {
		t.Errorf("the alert is %s", got)
	}
	recent := p.instance().Recent()
	for i := 1; i < len(recent); i++ {
		if !recent[i].At.After(recent[i-1].At) {
			t.Errorf("a tick that was decided twice is remembered twice: %v", recent)
		}
	}
}

func TestRememberKeepsTheClocksThatStoodStill(t *testing.T) {
	p := newPlay(t, fever(wait(time2m))).run("b n n n")
	fresh := rules.OpenLedger(p.disk.read())
	fresh.Remember(p.l)
	p.l = fresh
	p.run("b b").want(rules.Pending)
	p.run("b b").want(rules.Firing, "3m30s first phone sent")
}

const time2m = 2 * rules.Minute

func TestATickThatIsDecidedTwiceStopsAClockOnce(t *testing.T) {
	p := newPlay(t, fever(wait(rules.Minute))).run("b n")
	p.now = p.now.Add(step)
	obs := []rules.Observation{{Series: "room=b", Verdict: rules.Bad, Value: 30}} // room=a is missed
	p.l.Observe(p.setting(), obs, nil)
	fresh := rules.OpenLedger(p.disk.read())
	fresh.Remember(p.l)
	fresh.Observe(p.setting(), obs, nil)
	if got := fresh.Instance(p.series).Stood; got != 2*step {
		t.Errorf("the clock stood still for %s, want 1m", got)
	}
}

func TestRememberBringsBackNothingOfAnotherMeasurement(t *testing.T) {
	p := newPlay(t, fever()).run("g")
	changed := rules.OpenLedger(p.disk.read())
	next := changed.Rule
	next.Field, next.NoData = "kelvin", rules.AlertOn
	changed.Edit(p.setting(), next, ann)
	p.disk.write(changed, changed.Changes())
	fresh := rules.OpenLedger(p.disk.read())
	fresh.Remember(p.l)
	p.l = fresh
	p.run("n").want(rules.OK)
}

func TestRememberKeepsQuietSeriesAndJudgesThoseThatAreMissed(t *testing.T) {
	p := newPlay(t, fever(noData(rules.OKPolicy), keepFiring(rules.Minute))).run("b")
	p.now = p.now.Add(step)
	p.l.Observe(p.setting(), []rules.Observation{
		{Series: "room=b", Verdict: rules.Good, Value: 1}, {Series: "room=c", Verdict: rules.Bad, Value: 30},
	}, nil) // decided and refused
	fresh := rules.OpenLedger(p.disk.read())
	fresh.Remember(p.l)
	if fresh.Instance("room=b") == nil || fresh.Instance("room=c") != nil {
		t.Error("a quiet series is forgotten, or what was refused is taken over")
	}
	fresh.Observe(p.setting(), []rules.Observation{{Series: "room=b", Verdict: rules.Good, Value: 1}}, nil)
	if got := fresh.Instance(p.series).State; got != rules.Recovering || fresh.Size() != 2 {
		t.Errorf("the missed series is %s, %d are known; want recovering of 2", got, fresh.Size())
	}
}

func TestRememberTakesOverTheValuesOfTheSameEpisodeOnly(t *testing.T) {
	see := func(p *play, x float64) {
		p.now = p.now.Add(step)
		p.l.Observe(p.setting(), []rules.Observation{{Series: p.series, Verdict: rules.Bad, Value: x}}, nil)
	}
	reread := func(p *play) *rules.Alert {
		fresh := rules.OpenLedger(p.disk.read())
		fresh.Remember(p.l)
		return fresh.Instance(p.series).Alert
	}
	p := newPlay(t, fever()).run("b")
	see(p, 60)
	see(p, 40)
	if a := reread(p); a.Value != 40 || a.Peak != 60 {
		t.Errorf("value %v, peak %v; want 40 and 60", a.Value, a.Peak)
	}
	resolved := newPlay(t, fever()).run("b")
	resolved.l.Observe(resolved.setting(), []rules.Observation{{Series: p.series, Verdict: rules.Good, Value: 1}}, nil) // not saved
	if a := reread(resolved); a.Value != 30 || a.Peak != 30 {
		t.Errorf("of what was resolved meanwhile: value %v, peak %v; want 30 twice", a.Value, a.Peak)
	}
	again := newPlay(t, fever()).run("b")
	again.l.Observe(again.setting(), []rules.Observation{{Series: p.series, Verdict: rules.Good, Value: 1}}, nil)
	see(again, 70) // another episode, not saved either
	if a := reread(again); a.Value != 30 || a.Peak != 30 {
		t.Errorf("of another episode: value %v, peak %v; want 30 twice", a.Value, a.Peak)
	}
}

func TestRecallPutsBackWhatRecentReturned(t *testing.T) {
	p := newPlay(t, fever()).run("g b l n u")
	want := p.instance().Recent()
	var back rules.Instance
	back.Recall(want)
	if got := back.Recent(); !reflect.DeepEqual(got, want) || len(got) != 5 || got[1].Verdict != "bad" {
		t.Errorf("recalled %v, want %v", got, want)
	}
}

func TestRestartCountsWhatWasInFlightAsUnknown(t *testing.T) {
	flying := func(t *testing.T) *play {
		p := newPlay(t, fever()).run("deaf:on b")
		if n := p.owed()[0]; !p.l.Claim(n.ID, "m") || p.l.Claim(n.ID, "m") {
			t.Fatal("Claim must succeed once")
		}
		p.save()
		return p
	}
	t.Run("row 30: and tries it again after each restart", func(t *testing.T) {
		p := flying(t)
		p.restart()
		p.told("0s first phone owed")
		p.l.Claim(p.owed()[0].ID, "m")
		p.restart()
		p.told("0s first phone owed")
	})
	t.Run("row 30: and the end goes where it may have arrived, also when it is not tried again", func(t *testing.T) {
		p := flying(t)
		p.restart()
		n := p.owed()[0]
		if !n.Unknown || n.Message != "m" {
			t.Errorf("after the restart unknown = %v, in message %q", n.Unknown, n.Message)
		}
		p.l.Record(n.ID, rules.Outcome{State: rules.Dead, Class: "restart"}, p.now, p.now)
		p.deaf = false
		p.run("g").want(rules.OK, "0s first phone dead", "30s resolved phone sent")
	})
	t.Run("row 30: but not in a silence", func(t *testing.T) {
		p := flying(t).run("silence:1h b")
		p.restart()
		p.told("0s first phone held by silence:1 due 30s")
	})
}

func TestDelivery(t *testing.T) {
	refused := rules.Outcome{State: rules.Dead, Class: "refused"}
	busy := rules.Outcome{State: rules.Owed, Class: "server"}
	take := func(p *play) *rules.Notification {
		n := p.owed()[0]
		p.l.Claim(n.ID, "m")
		return n
	}
	t.Run("a message that failed is due again", func(t *testing.T) {
		p := newPlay(t, fever()).run("deaf:on b")
		n := take(p)
		p.l.Record(n.ID, busy, p.now.Add(time.Minute), p.now)
		p.told("0s first phone owed due 1m")
		if n.Attempts != 1 || n.Error != "server" {
			t.Errorf("attempts %d, error %q", n.Attempts, n.Error)
		}
	})
	t.Run("resolved while the first is on its way: it waits for the same retry", func(t *testing.T) {
		p := newPlay(t, fever()).run("deaf:on b")
		n := take(p)
		p.run("g")
		p.l.Record(n.ID, busy, p.now.Add(time.Minute), p.now)
		p.save()
		p.told("0s first phone owed due 1m30s", "30s resolved phone owed due 1m30s")
	})
	t.Run("resolved while the first failed: it waits for the same retry", func(t *testing.T) {
		p := newPlay(t, fever()).run("deaf:on b")
		n := take(p)
		p.l.Record(n.ID, busy, p.now.Add(time.Minute), p.now)
		p.run("g").told("0s first phone owed due 1m", "30s resolved phone owed due 1m")
	})
	t.Run("what failed before a silence is told after it, over before", func(t *testing.T) {
		p := newPlay(t, fever()).run("deaf:on b")
		p.l.Record(take(p).ID, busy, p.now, p.now)
		p.run("g silence:1m g").told("0s first phone held by silence:1 due 30s", "30s resolved phone held by silence:1")
		p.run("deaf:off g g g").told("0s first phone sent due 1m30s", "30s resolved phone sent due 1m30s")
	})
	t.Run("what failed before a silence is told after it, over within", func(t *testing.T) {
		p := newPlay(t, fever()).run("deaf:on b")
		p.l.Record(take(p).ID, busy, p.now, p.now)
		p.run("silence:2m b g").told("0s first phone held by silence:1", "1m resolved phone held by silence:1")
		p.run("deaf:off g g g").told("0s first phone sent due 2m", "1m resolved phone sent due 2m")
	})
	t.Run("what failed before a silence is told after it, over at its end", func(t *testing.T) {
		p := newPlay(t, fever()).run("deaf:on b")
		p.l.Record(take(p).ID, busy, p.now, p.now)
		p.run("silence:1m b g").told("0s first phone owed due 1m", "1m resolved phone owed")
	})
	t.Run("what was not tried before a silence is not told after it", func(t *testing.T) {
		p := newPlay(t, fever()).run("deaf:on b silence:1m b g deaf:off g g g")
		p.told("0s first phone cancelled")
	})
	t.Run("resolved while the first is on its way, and it may have arrived", func(t *testing.T) {
		p := newPlay(t, fever()).run("deaf:on b")
		n := take(p)
		p.run("g")
		p.l.Record(n.ID, rules.Outcome{State: rules.Owed, Unknown: true}, p.now, p.now)
		p.save()
		p.told("0s first phone owed due 30s", "30s resolved phone owed")
		p.run("deaf:off g").told("0s first phone sent due 30s", "30s resolved phone sent")
	})
	t.Run("what may have arrived is announced, though it is a dead letter", func(t *testing.T) {
		p := newPlay(t, fever()).run("deaf:on b")
		n := take(p)
		p.l.Record(n.ID, rules.Outcome{State: rules.Owed, Unknown: true}, p.now, p.now)
		p.l.Claim(n.ID, "m")
		p.l.Record(n.ID, rules.Outcome{State: rules.Dead, Class: "rejected"}, p.now, p.now)
		if got := p.l.Announced(n.AlertID); len(got) != 1 || got[0].Channel != "phone" {
			t.Errorf("announced on %v", got)
		}
		p.run("deaf:off g").told("0s first phone dead", "30s resolved phone sent")
	})
	t.Run("what arrived in the end is not unknown any more", func(t *testing.T) {
		p := newPlay(t, fever()).run("deaf:on b")
		n := take(p)
		p.l.Record(n.ID, rules.Outcome{State: rules.Owed, Unknown: true}, p.now, p.now)
		p.l.Claim(n.ID, "m")
		p.l.Record(n.ID, rules.Outcome{State: rules.Sent}, p.now, p.now)
		if p.log[n.ID].Unknown {
			t.Error("it is unknown still")
		}
		p.save()
	})
	t.Run("never announced, never resolved", func(t *testing.T) {
		p := newPlay(t, fever()).run("deaf:on b")
		n := take(p)
		p.run("g")
		p.l.Record(n.ID, refused, p.now, p.now)
		p.save()
		p.told("0s first phone dead", "30s resolved phone cancelled")
		if p.l.Busy() {
			t.Error("the alert is kept although nothing is owed")
		}
	})
	t.Run("the resolve goes where it was announced and nowhere else", func(t *testing.T) {
		p := newPlay(t, fever()).run("deaf:on c")
		for _, n := range p.owed() {
			outcome := refused
			if n.Channel == "phone" {
				outcome = rules.Outcome{State: rules.Sent}
			}
			p.l.Claim(n.ID, "m")
			p.l.Record(n.ID, outcome, p.now, p.now)
		}
		p.run("deaf:off g")
		for _, n := range p.log {
			if n.Reason == rules.Resolved && n.Channel != "phone" {
				t.Errorf("resolved was told on %s", n.Channel)
			}
		}
		if got := p.l.Announced("nobody"); len(got) != 0 {
			t.Errorf("an unknown alert was announced on %v", got)
		}
	})
	t.Run("a reminder that comes back after the acknowledgement is not tried again", func(t *testing.T) {
		p := newPlay(t, fever(remind(rules.Minute))).run("b b deaf:on b")
		n := take(p)
		p.run("ack")
		p.l.Record(n.ID, busy, p.now.Add(time.Minute), p.now)
		p.told("0s first phone sent", "1m reminder phone cancelled due 2m")
	})
	t.Run("a reminder that comes back after the end is not tried again", func(t *testing.T) {
		p := newPlay(t, fever(remind(rules.Minute))).run("b b deaf:on b")
		n := take(p)
		p.run("g")
		p.l.Record(n.ID, busy, p.now.Add(time.Minute), p.now)
		p.told("0s first phone sent", "1m reminder phone cancelled due 2m30s", "1m30s resolved phone owed")
	})
	t.Run("reminders that pile up on a dead channel end as one with the resolve", func(t *testing.T) {
		p := newPlay(t, fever(remind(rules.Minute))).run("deaf:on b*5 g")
		p.told("0s first phone owed due 2m30s", "1m reminder phone cancelled", "2m reminder phone cancelled", "2m30s resolved phone owed")
	})
	t.Run("what is final stays so", func(t *testing.T) {
		p := newPlay(t, fever()).run("b")
		for id := range p.log {
			p.l.Record(id, refused, p.now, p.now)
			if p.l.Claim(id, "m") {
				t.Error("a sent message was taken")
			}
		}
		p.told("0s first phone sent")
		p.l.Record("nobody", refused, p.now, p.now)
	})
}

func TestMessagesOfNoAlert(t *testing.T) {
	l := rules.OpenLedger(rules.Snapshot{})
	a := l.Book("phone", rules.Test, rules.Facts{Text: "hello"}, noon)
	b := l.Book("mail", rules.Operational, rules.Facts{Text: "disk"}, noon)
	if a.ID == b.ID || a.State != rules.Owed || a.AlertID != "" || !l.Changed() {
		t.Fatalf("booked %+v and %+v", a, b)
	}
	l.Claim(a.ID, "m")
	l.Record(a.ID, rules.Outcome{State: rules.Sent}, noon, noon)
	l.Saved(1)
	var left []string
	l.Notifications(func(n *rules.Notification) bool {
		left = append(left, n.Channel)
		return true
	})
	if len(left) != 1 || left[0] != "mail" {
		t.Errorf("the ledger keeps %v, want what is owed: mail", left)
	}
}

func TestVersions(t *testing.T) {
	p := newPlay(t, fever())
	act := func(f func()) {
		f()
		p.save()
	}
	warm := p.l.Rule
	warm.Title, warm.ID, warm.Owner = "Warmer", "another", "bob"
	act(func() { p.l.Edit(p.setting(), warm, ann) })
	off := p.l.Rule
	off.Enabled = false
	act(func() { p.l.Edit(p.setting(), off, ann) })
	on := p.l.Rule
	on.Enabled = true
	act(func() { p.l.Edit(p.setting(), on, ann) })
	act(func() { p.l.Restore(p.setting(), p.disk.versions[0], ann) })
	act(func() { p.l.Delete(p.setting(), ann) })
	act(func() { p.l.Restore(p.setting(), p.disk.versions[1], ann) })

	acts := []string{"created", "updated", "disabled", "enabled", "restored", "deleted", "restored"}
	if len(p.disk.versions) != len(acts) {
		t.Fatalf("%d versions, want %d", len(p.disk.versions), len(acts))
	}
	for i, v := range p.disk.versions {
		if v.Act != acts[i] || v.Version != i+1 || v.By != ann || v.RuleID != "r1" || v.Rule.Version != i+1 {
			t.Errorf("version %d: %s %d of %s by %v", i+1, v.Act, v.Version, v.RuleID, v.By)
		}
	}
	if r := p.l.Rule; r.Title != "Warmer" || r.ID != "r1" || r.Owner != "" || !p.l.Watched() || p.l.Deleted {
		t.Errorf("restored %q as %s of %q, watched %v", r.Title, r.ID, r.Owner, p.l.Watched())
	}
}

func TestRestoringAVersionJudgesAsAnEditDoes(t *testing.T) {
	p := newPlay(t, fever(keepFiring(rules.Hour)))
	p.acts = map[string]func(*play){
		"edit":    edit(func(r *rules.Rule) { r.Condition.Value = rules.Num(20) }),
		"restore": func(p *play) { p.l.Restore(p.setting(), p.disk.versions[0], ann) },
	}
	p.run("edit b restore g").want(rules.OK, "0s first phone sent", "30s resolved phone sent")
}

func TestQueryAndExpressionMeasureOtherThingsByTheirTexts(t *testing.T) {
	query := rules.Condition{Type: rules.Query, Language: "influxql", Text: "SELECT a", Column: "v", Operator: rules.Above, Value: rules.Num(3)}
	expression := rules.Condition{Type: rules.Expression, Expr: "cpu > 8", Inputs: map[string]rules.Input{"cpu": {Measurement: "cpu", Field: "usage"}}}
	for _, tt := range []struct {
		name string
		have rules.Condition
		edit func(*rules.Condition)
		want rules.State
	}{
		{"another text ends the episode", query, func(c *rules.Condition) { c.Text = "SELECT b" }, rules.OK},
		{"another value does not", query, func(c *rules.Condition) { c.Value = rules.Num(4) }, rules.Firing},
		{"another input ends the episode", expression, func(c *rules.Condition) {
			c.Inputs = map[string]rules.Input{"cpu": {Measurement: "cpu", Field: "idle"}}
		}, rules.OK},
		{"another expression does not", expression, func(c *rules.Condition) { c.Expr = "cpu > 9" }, rules.Firing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlay(t, fever(func(r *rules.Rule) { r.Condition, r.Levels = tt.have, nil }))
			p.acts = map[string]func(*play){"edit": edit(func(r *rules.Rule) { tt.edit(&r.Condition) })}
			if p.run("b edit"); p.state() != tt.want {
				t.Errorf("state = %s, want %s", p.state(), tt.want)
			}
		})
	}
}

func TestPeakIsTheWorstValue(t *testing.T) {
	for _, tt := range []struct {
		operator rules.Operator
		value    rules.Value
		seen     []float64
		want     float64
	}{
		{rules.Above, rules.Num(25), []float64{30, 40, 35}, 40},
		{rules.Below, rules.Num(5), []float64{3, -2, 1}, -2},
		{rules.Outside, rules.Value{Kind: rules.Range, Low: 0, High: 10}, []float64{12, -4, 13}, -4},
		{rules.Between, rules.Value{Kind: rules.Range, Low: 0, High: 10}, []float64{9, 4, 1}, 4},
	} {
		t.Run(string(tt.operator), func(t *testing.T) {
			p := newPlay(t, fever(func(r *rules.Rule) { r.Condition.Operator, r.Condition.Value = tt.operator, tt.value }))
			for _, x := range tt.seen {
				p.now = p.now.Add(step)
				p.l.Observe(p.setting(), []rules.Observation{{Series: p.series, Verdict: rules.Bad, Value: x}}, nil)
			}
			if got := p.alert().Peak; got != tt.want {
				t.Errorf("peak = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestWhatIsDoneWithIsNotDecidedAgain(t *testing.T) {
	for _, tt := range []struct {
		name string
		act  func(*play)
	}{
		{"after a quiet tick", func(*play) {}},
		{"after an act between two ticks", func(p *play) {
			p.do(p.l.Acknowledge(p.setting(), p.alert().ID, rules.Acknowledgement{By: ann}))
		}},
		{"after a message is handed to its channel", func(p *play) { p.l.Claim(p.owed()[0].ID, "m") }},
		{"after a timer between two ticks of the rule", func(p *play) {
			p.now = p.now.Add(step)
			p.l.RunTimers(p.setting())
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlay(t, fever(remind(rules.Minute))).run("deaf:on b b")
			judged := p.now
			tt.act(p)
			fresh := rules.OpenLedger(p.disk.read())
			fresh.Remember(p.l)
			if !fresh.Judged.Equal(judged) {
				t.Errorf("judged at %s, want %s", since(fresh.Judged), since(judged))
			}
		})
	}
}
