package rules_test

import (
	"slices"
	"testing"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// TestAGap: what begins and ends in ticks that are judged afterwards is named
// by the message about the gap, and told by itself in no other way; what lasts
// is told when the present is reached, and not before.
func TestAGap(t *testing.T) {
	for _, tt := range []struct {
		name   string
		rule   change
		script string
		want   rules.State
		told   []string
		named  []string
	}{
		{
			name: "began and ended", script: "g gap b g now g reach", want: rules.OK,
			told: []string{"30s first phone cancelled"}, named: []string{"30s to 1m"},
		},
		{
			name: "ends at the present tick", script: "g gap b now g reach", want: rules.OK,
			told: []string{"30s first phone cancelled"}, named: []string{"30s to 1m"},
		},
		{
			name: "two episodes", script: "g gap b g b now g reach", want: rules.OK,
			told:  []string{"30s first phone cancelled", "1m30s first phone cancelled"},
			named: []string{"30s to 1m", "1m30s to 2m"},
		},
		{
			name: "lasts", script: "g gap b now b reach", want: rules.Firing,
			told: []string{"30s first phone cancelled", "1m first phone owed"},
		},
		{
			name: "waits while other ticks come", script: "g gap b now . . .", want: rules.Firing,
			told: []string{"30s first phone held by replay"},
		},
		{
			name: "ended, and waits to be named", script: "g gap b g now . . .", want: rules.OK,
			told: []string{"30s first phone held by replay"},
		},
		{
			name: "may come back", rule: change{keepFiring(rules.Minute)}, script: "g gap b g now g reach",
			want: rules.Recovering,
			told: []string{"30s first phone held by replay"}, named: []string{"30s to 1m"},
		},
		{
			name: "may come back, and does not", rule: change{keepFiring(rules.Minute)}, script: "g gap b g now g reach g g",
			want: rules.OK,
			told: []string{"30s first phone cancelled"}, named: []string{"30s to 1m"},
		},
		{
			name: "comes back", rule: change{keepFiring(rules.Minute)}, script: "g gap b g now g reach b", want: rules.Firing,
			told: []string{"30s first phone cancelled", "2m first phone sent"}, named: []string{"30s to 1m"},
		},
		{
			name: "was told before", script: "b gap g now g reach", want: rules.OK,
			told: []string{"0s first phone sent", "30s resolved phone owed due 1m"},
		},
		{
			name: "silenced", script: "g silence:1h gap b g now g reach", want: rules.OK,
			told: []string{"30s first phone cancelled"},
		},
		{
			name: "the rule is switched off meanwhile", script: "g gap b now off reach", want: rules.OK,
			told: []string{"30s first phone cancelled"},
		},
		{
			name: "a restart in between", script: "g gap b g restart now g reach", want: rules.OK,
			told: []string{"30s first phone cancelled"}, named: []string{"30s to 1m"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlay(t, fever(tt.rule...))
			var named []string
			p.acts = map[string]func(*play){
				"gap":     func(p *play) { p.replay = true },
				"now":     func(p *play) { p.replay, p.behind = false, true },
				"off":     edit(func(r *rules.Rule) { r.Enabled = false }),
				"restart": (*play).restart,
				"reach": func(p *play) {
					p.behind = false
					p.l.Ended(p.now, func(a *rules.Alert, over time.Time) {
						named = append(named, since(a.StartedAt)+" to "+since(over))
					})
					p.l.RunTimers(p.setting())
				},
			}
			p.run(tt.script).want(tt.want, tt.told...)
			if slices.Sort(named); !slices.Equal(named, slices.Sorted(slices.Values(tt.named))) {
				t.Errorf("named %q, want %q", named, tt.named)
			}
		})
	}
}

// TestNothingIsSaidOfWhatMayBeOver: while missed ticks are still to be judged,
// nobody knows whether it still fires, and no timer says that it does. Once people
// know that the source is down, what was so before is all there is to tell.
func TestNothingIsSaidOfWhatMayBeOver(t *testing.T) {
	for _, tt := range []struct {
		name string
		rule func(*rules.Rule)
		from string // until the ticks are missed
	}{
		{"row 14, a cooldown ends", cooldown(2 * rules.Minute), "b g b"},
		{"row 15, a reminder is due", remind(rules.Minute), "b"},
		{"row 16, an escalation is due", escalate(rules.Minute), "b"},
		{"row 18, a snooze ends", wait(0), "b snooze:45s"},
		{"row 23, a silence ends", wait(0), "silence:1m b"},
		{"row 24, a parent is well", child, "parent:alert:a1 b parent:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlay(t, fever(tt.rule))
			p.run(tt.from)
			before := p.messages()
			p.behind = true
			p.run(". . . .")
			p.told(before...)
			p.down = true
			p.run(".")
			if slices.Equal(p.messages(), before) {
				t.Errorf("told nothing more, though the source is known to be down: %q", before)
			}
		})
	}
}

// TestTrust: a ledger that was judged and had nothing to save counts as judged
// until then, with its clocks running.
func TestTrust(t *testing.T) {
	p := newPlay(t, fever(wait(2*rules.Minute))).run("b")
	p.l.Trust(noon.Add(time.Minute))
	if p.l.Trust(noon); !p.l.Judged.Equal(noon.Add(time.Minute)) {
		t.Errorf("judged until %s, want a minute after noon", since(p.l.Judged))
	}
	p.now = noon.Add(90 * time.Second)
	p.run("b").want(rules.Firing, "2m first phone sent")
}

// TestDate: when a silent series had its last point is corrected, and stays so
// when the ledger is read anew.
func TestDate(t *testing.T) {
	p := newPlay(t, fever(noData(rules.AlertOn))).run("g")
	in := p.instance()
	if in.Dated() || !in.Seen.Equal(noon) {
		t.Fatalf("dated: %t, seen %s after noon; want the tick", in.Dated(), since(in.Seen))
	}
	last := noon.Add(-20 * time.Second)
	in.Date(last)
	old := p.l
	p.l = rules.OpenLedger(p.disk.read())
	p.l.Remember(old)
	if in = p.instance(); !in.Dated() || !in.Seen.Equal(last) {
		t.Errorf("dated: %t, seen %s after noon; want -20s", in.Dated(), since(in.Seen))
	}
	p.run("n")
	if n := p.l.Announced(p.alert().ID); len(n) == 0 {
		t.Fatal("nobody was told")
	}
	for _, n := range p.log {
		if !n.Facts.NoDataSince.Equal(last) {
			t.Errorf("no data since %s, want -20s", since(n.Facts.NoDataSince))
		}
	}
	p.run("g")
	if in.Dated() {
		t.Error("a tick with data is not a point's time")
	}
}

// TestProgress of one source among several.
func TestProgress(t *testing.T) {
	p := rules.Progress{Sources: []rules.SourceProgress{
		{Name: "a", Judged: noon},
		{Name: "b", Gap: rules.Gap{Failed: noon}},
	}}
	if a, ok := p.Of("a"); !ok || !a.Judged.Equal(noon) || a.Gap.Down() {
		t.Errorf("a is %+v, %t", a, ok)
	}
	b, ok := p.Of("b")
	if !ok || !b.Gap.Down() {
		t.Errorf("b is %+v, %t; want it down", b, ok)
	}
	if b.Gap.Back = noon; b.Gap.Down() {
		t.Error("b is back, and yet down")
	}
	if _, ok := p.Of("c"); ok {
		t.Error("c is known")
	}
}
