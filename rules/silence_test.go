package rules_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/rules"
)

func TestASilenceWithoutAnEndRunsOn(t *testing.T) {
	r := fever()
	s := rules.Silence{From: noon, RuleID: r.ID}
	if !s.Covers(&r, "room=a", rules.Low, noon.AddDate(5, 0, 0)) || s.Over(noon.AddDate(5, 0, 0)) {
		t.Error("it is over after five years")
	}
	if s.Covers(&r, "room=a", rules.Low, noon.Add(-1)) {
		t.Error("it runs before it begins")
	}
}

func TestASilenceOfAnotherOwnerCoversNothing(t *testing.T) {
	r := fever()
	r.Owner = "bob"
	s := rules.Silence{From: noon, Owner: "ann"}
	if s.Covers(&r, "room=a", rules.Low, noon) {
		t.Error("ann's silence covers bob's rule")
	}
}

func TestASilenceIsTheSameAfterItWasStored(t *testing.T) {
	r := fever()
	for _, weekly := range []*rules.Active{
		nil,
		{Hours: "22:00-07:00", Zone: "Europe/Berlin"},
		{Days: "sat,sun"},
		{Hours: "nonsense"},
	} {
		s := rules.Silence{ID: "s1", From: noon, Until: noon.AddDate(1, 0, 0), Weekly: weekly}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var stored rules.Silence
		if err := json.Unmarshal(text, &stored); err != nil {
			t.Fatal(err)
		}
		for h := range 24 * 400 {
			at := noon.Add(time.Duration(h) * time.Hour)
			if got, want := stored.Covers(&r, "room=a", rules.Low, at), s.Covers(&r, "room=a", rules.Low, at); got != want {
				t.Fatalf("weekly %v at %s: covers = %v, want %v", weekly, at, got, want)
			}
		}
	}
}

// TestCoveringIsCheap: it is asked for each live alert at each tick.
func TestCoveringIsCheap(t *testing.T) {
	r := fever()
	var s rules.Silence
	if err := json.Unmarshal([]byte(`{"from":"2026-01-01T00:00:00Z","match":{"room":"a"},"weekly":{"days":"mon-fri","hours":"22:00-07:00","zone":"Europe/Berlin"}}`), &s); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { s.Covers(&r, "room=a", rules.Low, noon) }); n > 1 {
		t.Errorf("%v allocations, want none but for the label", n)
	}
}

func BenchmarkSilenceCovers(b *testing.B) {
	r := fever()
	var s rules.Silence
	if err := json.Unmarshal([]byte(`{"from":"2026-01-01T00:00:00Z","weekly":{"days":"mon-fri","hours":"22:00-07:00","zone":"Europe/Berlin"}}`), &s); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s.Covers(&r, "room=a", rules.Low, noon)
	}
}

func TestASilenceThatCannotWorkIsRefused(t *testing.T) {
	good := rules.Silence{RuleID: "r1", From: noon, Until: noon.Add(time.Hour)}
	for _, tt := range []struct {
		name       string
		change     func(*rules.Silence)
		everything bool
		want       string
	}{
		{"good", func(*rules.Silence) {}, false, ""},
		{"without an end", func(s *rules.Silence) { s.Until = time.Time{} }, false, ""},
		{"by labels", func(s *rules.Silence) { s.RuleID, s.Match = "", rules.Filter{"room": {"a"}} }, false, ""},
		{"of everything by mistake", func(s *rules.Silence) {
			s.RuleID = ""
		}, false, "rule: is missing, and there is no match and no severity, so this would silence every alert"},
		{"of everything on purpose", func(s *rules.Silence) { s.RuleID = "" }, true, ""},
		{"of everything and of a rule", func(*rules.Silence) {}, true, "everything: is for a silence of all alerts"},
		{"that ends before it begins", func(s *rules.Silence) {
			s.Until = noon
		}, false, "until: must be after the silence begins, 2026-03-02T12:00:00Z"},
		{
			"that is over already", func(s *rules.Silence) { s.From, s.Until = noon.Add(-2*time.Hour), noon.Add(-time.Hour) },
			false, "until: must be in the future",
		},
		{
			"of a label without a value", func(s *rules.Silence) { s.Match = rules.Filter{"room": {""}} }, false,
			"match: must be tags or labels with their values; for example room=kitchen",
		},
		{"weekly without times", func(s *rules.Silence) {
			s.Weekly = &rules.Active{Zone: "UTC"}
		}, false, "weekly: must have days, hours or both; for example sat,sun"},
		{"weekly on no day", func(s *rules.Silence) {
			s.Weekly = &rules.Active{Days: "someday"}
		}, false, "weekly.days: must be days such as mon-fri or sat,sun"},
		{"weekly at no hour", func(s *rules.Silence) {
			s.Weekly = &rules.Active{Hours: "7-22"}
		}, false, "weekly.hours: must be two times such as 07:00-22:00"},
		{
			"weekly nowhere", func(s *rules.Silence) { s.Weekly = &rules.Active{Days: "sun", Zone: "Mars"} }, false,
			"weekly.zone: must be an IANA time zone",
		},
		{"with a long comment", func(s *rules.Silence) { s.Comment = strings.Repeat("x", 500) }, false, ""},
		{"with a novel", func(s *rules.Silence) {
			s.Comment = strings.Repeat("x", 501)
		}, false, "comment: must be at most 500 bytes; got 501"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := good
			tt.change(&s)
			err := s.Check(tt.everything, noon)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)) {
				t.Errorf("Check returned %v, want %q", err, tt.want)
			}
		})
	}
}

func TestBookOnceOwesOneMessageWhateverItSays(t *testing.T) {
	l := rules.OpenLedger(rules.Snapshot{})
	first := l.BookOnce("silence s1 week 1", rules.Address{Channel: "phone"}, rules.Facts{Title: "4 alerts"}, noon)
	if first == nil || first.ID != rules.OnceID("silence s1 week 1", rules.Address{Channel: "phone"}) ||
		first.Reason != rules.Operational {
		t.Fatalf("booked %+v", first)
	}
	if again := l.BookOnce("silence s1 week 1", rules.Address{Channel: "phone"}, rules.Facts{Title: "5 alerts"},
		noon.Add(time.Hour)); again != nil {
		t.Errorf("booked again: %+v", again)
	}
	if other := l.BookOnce("silence s1 week 2", rules.Address{Channel: "phone"}, rules.Facts{}, noon); other == nil ||
		other.ID == first.ID {
		t.Errorf("another name booked %+v", other)
	}
	if other := l.BookOnce("silence s1 week 1", rules.Address{Channel: "mail"}, rules.Facts{}, noon); other == nil ||
		other.ID == first.ID {
		t.Errorf("another channel booked %+v", other)
	}
	me := l.BookOnce("silence s1 week 1", rules.Address{Channel: "phone", Target: "me"}, rules.Facts{}, noon)
	if you := l.BookOnce("silence s1 week 1", rules.Address{Channel: "phone", Target: "you"}, rules.Facts{},
		noon); me == nil || you == nil {
		t.Errorf("two targets were booked %+v and %+v", me, you)
	}
}

func TestASilenceSaysWhatItIsAbout(t *testing.T) {
	for want, s := range map[string]rules.Silence{
		"everything":                {},
		"rule fever":                {RuleID: "r1"},
		"room=a|b":                  {Match: rules.Filter{"room": {"a", "b"}}},
		"rule fever, host=c room=a": {RuleID: "r1", Match: rules.Filter{"room": {"a"}, "host": {"c"}}},
	} {
		var names []string
		if s.RuleID != "" {
			names = []string{"fever"}
		}
		if got := s.Scope(names...); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestWhatGetsWorseThanASilenceIsTold: a silence of some severities ends for an
// alert that leaves them, and begins for one that comes back to them.
func TestWhatGetsWorseThanASilenceIsTold(t *testing.T) {
	p := newPlay(t, fever())
	p.silences = []rules.Silence{{ID: "night", From: noon.Add(-step), Severities: []rules.Severity{rules.Low, rules.High}}}
	p.run("b b")
	p.run("c g")
	p.told("0s first phone cancelled", "1m first pager sent", "1m first phone sent", "1m30s resolved pager sent",
		"1m30s resolved phone sent")
}

func TestSeveritiesAreReadAsPeopleSayThem(t *testing.T) {
	for text, want := range map[string]string{
		"low": "[low]", "low,high": "[low high]", "below critical": "[low medium high]", "high and above": "[high critical]",
		"all but critical": "[low medium high]", "Under High": "[low medium]", "medium or below": "[low medium]",
	} {
		got, err := rules.ParseSeverities([]string{text})
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%q is %v, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"loud", "below low", "below", ""} {
		if got, err := rules.ParseSeverities([]string{text}); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestSilencesOfSeveralRulesAndSeverities(t *testing.T) {
	r, other := fever(), fever()
	other.ID = "r2"
	s := rules.Silence{From: noon, RuleIDs: []string{"r1", "r3"}, Severities: []rules.Severity{rules.High}}
	for _, tt := range []struct {
		r    rules.Rule
		bad  rules.Severity
		want bool
	}{{r, rules.High, true}, {r, rules.Critical, false}, {other, rules.High, false}} {
		if got := s.Covers(&tt.r, "room=a", tt.bad, noon); got != tt.want {
			t.Errorf("%s of %s is covered: %t", tt.bad, tt.r.ID, got)
		}
	}
	if text := s.Scope("a", "b"); text != "rules a, b, severity high" {
		t.Errorf("is about %q", text)
	}
}
