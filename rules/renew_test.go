package rules_test

import (
	"testing"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// TestALostLedgerIsWrittenWhole into a database that has nothing of it.
func TestALostLedgerIsWrittenWhole(t *testing.T) {
	p := newPlay(t, fever()).run("deaf:on b")
	p.l.Renew(nil, p.now)
	c := p.l.Changes()
	if !c.Rule || p.l.Revision != 0 || len(c.Instances) != 1 || len(c.Alerts) != 1 || len(c.Notifications) != 1 {
		t.Errorf("at revision %d it writes %+v", p.l.Revision, c)
	}
	own := rules.OpenLedger(rules.Snapshot{})
	own.Book("phone", rules.Operational, rules.Facts{Title: "disk full"}, noon)
	own.Renew(nil, noon)
	if c := own.Changes(); len(c.Versions) != 0 || len(c.Notifications) != 1 {
		t.Errorf("a ledger of no rule writes %+v", c)
	}
}

// TestALostVersionIsRecorded under a number that the store has not given away.
func TestALostVersionIsRecorded(t *testing.T) {
	ledger := func(version int, updated time.Time) *rules.Ledger {
		r := fever()
		r.Version, r.UpdatedAt = version, updated
		return rules.OpenLedger(rules.Snapshot{Rule: r, Revision: 7})
	}
	for _, tt := range []struct {
		name   string
		stored *rules.Ledger
		want   int // the version recorded, 0 for none
	}{
		{"nothing is stored", nil, 3},
		{"an older one is stored", ledger(2, noon.Add(-time.Hour)), 3},
		{"it is stored", ledger(3, noon), 0},
		{"another of its number is stored", ledger(3, noon.Add(time.Hour)), 4},
		{"a newer one is stored", ledger(5, noon.Add(time.Hour)), 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := ledger(3, noon)
			l.Renew(tt.stored, noon.Add(2*time.Hour))
			got, revision := l.Changes().Versions, int64(0)
			if tt.stored != nil {
				revision = tt.stored.Revision
			}
			if l.Revision != revision {
				t.Errorf("it would replace revision %d, want %d", l.Revision, revision)
			}
			if tt.want == 0 {
				if len(got) != 0 || l.Rule.Version != 3 {
					t.Errorf("it is recorded again: %+v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Version != tt.want || got[0].Act != "restored" || got[0].By.Name != "tocsin" ||
				!got[0].At.Equal(noon) || l.Rule.Version != tt.want {
				t.Errorf("recorded %+v, want version %d", got, tt.want)
			}
		})
	}
	t.Run("one that was not saved yet goes as it is", func(t *testing.T) {
		l := rules.NewLedger(fever(), ann, noon)
		l.Renew(nil, noon)
		if got := l.Changes().Versions; len(got) != 1 || got[0].Act != "created" || got[0].By != ann {
			t.Errorf("recorded %+v", got)
		}
	})
}

// TestWhatOnlyTheStoreHasIsOver: its end came after what is stored.
func TestWhatOnlyTheStoreHasIsOver(t *testing.T) {
	p := newPlay(t, fever(keepFiring(rules.Minute))).run("deaf:on b g b")
	stored := rules.OpenLedger(p.disk.read())
	both := rules.OpenLedger(p.disk.read())
	stored.Observe(p.setting(), []rules.Observation{{Series: "room=b", Verdict: rules.Bad, Value: 30}}, nil)
	lost := stored.Instance("room=b").Alert
	var sent, ended *rules.Notification
	stored.Notifications(func(n *rules.Notification) bool {
		if n.AlertID == lost.ID {
			ended = n
		}
		return true
	})
	sent = stored.Book("phone", rules.Operational, rules.Facts{Title: "disk full"}, noon)
	stored.Claim(sent.ID, "m")
	stored.Record(sent.ID, rules.Outcome{State: rules.Sent}, noon, noon)

	both.Renew(stored, p.now.Add(time.Hour))
	c := both.Changes()
	if len(c.Gone) != 1 || c.Gone[0] != "room=b" || len(c.Instances) != 1 {
		t.Errorf("gone are %q, kept %d; want room=b gone and room=a kept", c.Gone, len(c.Instances))
	}
	if !lost.ResolvedAt.Equal(p.now.Add(time.Hour)) || lost.Reason != rules.WhyUnknown || len(c.Alerts) != 2 {
		t.Errorf("what only the store has ended %s (%s), of %d that are written", since(lost.ResolvedAt), lost.Reason,
			len(c.Alerts))
	}
	if ended.State != rules.Cancelled || sent.State != rules.Sent || len(c.Notifications) != 2 {
		t.Errorf("its message is %s, one that was sent %s, %d are written", ended.State, sent.State, len(c.Notifications))
	}
	if a := both.Instance(p.series).Alert; !a.ResolvedAt.IsZero() {
		t.Error("what is held too is resolved")
	}

	resolved := newPlay(t, fever()).run("deaf:on b g")
	was := rules.OpenLedger(resolved.disk.read())
	empty := rules.OpenLedger(rules.Snapshot{Rule: was.Rule})
	empty.Renew(was, resolved.now.Add(time.Hour))
	if c := empty.Changes(); len(c.Alerts) != 0 || len(c.Notifications) != 2 {
		t.Errorf("of what was resolved already %d alerts and %d messages are written, want 0 and 2", len(c.Alerts),
			len(c.Notifications))
	}
}
