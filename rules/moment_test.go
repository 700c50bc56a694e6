package rules_test

import (
	"testing"
	"time"

	"github.com/9bikes/tocsin/rules"
)

func TestClockLeavesOutTheDateOfTheDay(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	ref := time.Date(2026, 3, 2, 22, 30, 0, 0, time.UTC)
	for _, tt := range []struct {
		at   time.Time
		zone *time.Location
		want string
	}{
		{ref.Add(-time.Hour), time.UTC, "21:30:00"},
		{ref.Add(time.Hour), berlin, "2026-03-03 00:30:00"},
		{ref.Add(time.Hour), time.UTC, "23:30:00"},
		{ref.Add(-24 * time.Hour), time.UTC, "2026-03-01 22:30:00"},
		{ref.AddDate(-1, 0, 0), time.UTC, "2025-03-02 22:30:00"},
	} {
		if got := rules.Clock(tt.at, ref.In(tt.zone)); got != tt.want {
			t.Errorf("%s in %s is %q, want %q", tt.at, tt.zone, got, tt.want)
		}
	}
}

func TestTheEarlierAndTheLaterOfTwoTimes(t *testing.T) {
	a, b := noon, noon.Add(time.Second)
	for _, pair := range [][2]time.Time{{a, b}, {b, a}} {
		if got := rules.Earlier(pair[0], pair[1]); !got.Equal(a) {
			t.Errorf("earlier is %s", got)
		}
		if got := rules.Later(pair[0], pair[1]); !got.Equal(b) {
			t.Errorf("later is %s", got)
		}
	}
}
