package schedule_test

import (
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator/schedule"
	"github.com/9bikes/tocsin/rules"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	got, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestScheduleRuns holds what each schedule means around the changes of the
// clock in Berlin: 2026-03-29 skips 02:00 to 03:00, 2026-10-25 repeats it.
func TestScheduleRuns(t *testing.T) {
	for _, tt := range []struct {
		name, every, zone, after string
		want                     []string
	}{
		{
			"a duration ticks at its multiples since the epoch", "30s", "", "2026-11-23T10:00:07Z",
			[]string{"2026-11-23T10:00:30Z", "2026-11-23T10:01:00Z"},
		},
		{"an odd duration too", "7m", "", "1970-01-01T00:00:01Z", []string{"1970-01-01T00:07:00Z", "1970-01-01T00:14:00Z"}},
		{"a tick is not its own next one", "1m", "", "2026-11-23T10:00:00Z", []string{"2026-11-23T10:01:00Z"}},
		{
			"a daily time follows the zone", "30 7 * * *", "Europe/Berlin", "2026-11-23T10:00:00Z",
			[]string{"2026-11-24T06:30:00Z", "2026-11-25T06:30:00Z"},
		},
		{
			"a time in the gap runs at its end, once", "30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z",
			[]string{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"},
		},
		{
			"a time in the repeated hour runs at its first, once", "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
			[]string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
		},
		{
			"started in the second of the repeated hours it waits for the next day", "30 2 * * *", "Europe/Berlin",
			"2026-10-25T01:10:00Z",
			[]string{"2026-10-26T01:30:00Z"},
		},
		{
			"every hour follows real time through the repeated hour", "0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z",
			[]string{"2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"},
		},
		{
			"every hour follows real time through the gap", "0 * * * *", "Europe/Berlin", "2026-03-28T23:30:00Z",
			[]string{"2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"},
		},
		{
			"a half-hour change of Lord Howe", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z",
			[]string{"2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"},
		},
		{"7 is Sunday", "0 7 * * 7", "", "2026-11-23T10:00:00Z", []string{"2026-11-29T07:00:00Z", "2026-12-06T07:00:00Z"}},
		{
			"a range to 7", "0 7 * * 6-7", "", "2026-11-23T10:00:00Z",
			[]string{"2026-11-28T07:00:00Z", "2026-11-29T07:00:00Z", "2026-12-05T07:00:00Z"},
		},
		{
			"days over the end of the week", "0 7 * * SAT-sun", "", "2026-11-23T10:00:00Z",
			[]string{"2026-11-28T07:00:00Z", "2026-11-29T07:00:00Z", "2026-12-05T07:00:00Z"},
		},
		{
			"days over the end of the week, and one more", "0 7 * * Fri-Mon,wed", "", "2026-11-23T10:00:00Z",
			[]string{
				"2026-11-25T07:00:00Z", "2026-11-27T07:00:00Z", "2026-11-28T07:00:00Z", "2026-11-29T07:00:00Z",
				"2026-11-30T07:00:00Z", "2026-12-02T07:00:00Z",
			},
		},
		{
			"all days, Sunday at both ends", "0 7 * * 0-7", "", "2026-11-23T10:00:00Z",
			[]string{"2026-11-24T07:00:00Z", "2026-11-25T07:00:00Z"},
		},
		{
			"hours over midnight", "0 22-1 * * *", "", "2026-11-23T21:00:00Z",
			[]string{"2026-11-23T22:00:00Z", "2026-11-23T23:00:00Z", "2026-11-24T00:00:00Z", "2026-11-24T01:00:00Z"},
		},
		{
			"hours over midnight, every second", "0 22-3/2 * * *", "", "2026-11-23T21:00:00Z",
			[]string{"2026-11-23T22:00:00Z", "2026-11-24T00:00:00Z", "2026-11-24T02:00:00Z", "2026-11-24T22:00:00Z"},
		},
		{
			"months over the new year", "0 0 1 DEC-jan *", "", "2026-11-23T21:00:00Z",
			[]string{"2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z", "2027-12-01T00:00:00Z"},
		},
		{
			"a leap day", "0 0 29 2 *", "", "2026-11-23T21:00:00Z", []string{"2028-02-29T00:00:00Z"},
		},
		{"from a minute on", "50/5 * * * *", "", "2026-11-23T10:00:00Z", []string{"2026-11-23T10:50:00Z", "2026-11-23T10:55:00Z"}},
		{"a weekday", "0 7 * * mon", "Europe/Berlin", "2026-11-23T10:00:00Z", []string{"2026-11-30T06:00:00Z"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := schedule.Parse(tt.every, tt.zone, 30*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			now := at(t, tt.after)
			for _, want := range tt.want {
				now = s.Next(now)
				if !now.Equal(at(t, want)) {
					t.Fatalf("next = %s, want %s", now.Format(time.RFC3339), want)
				}
			}
		})
	}
}

// TestWallClockRunsOncePerDay walks a year in zones with odd changes.
func TestWallClockRunsOncePerDay(t *testing.T) {
	for _, zone := range []string{
		"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca",
		"Asia/Kolkata", "America/Santiago",
	} {
		for _, spec := range []string{"30 2 * * *", "0 0 * * *", "59 23 * * *", "15 1 * * *", "0 3 * * *"} {
			s, err := schedule.Parse(spec, zone, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			loc, err := time.LoadLocation(zone)
			if err != nil {
				t.Fatal(err)
			}
			runs := map[string]int{}
			end := time.Date(2027, 1, 1, 12, 0, 0, 0, loc)
			for now := s.Next(time.Date(2025, 12, 31, 12, 0, 0, 0, loc)); now.Before(end); now = s.Next(now) {
				runs[now.In(loc).Format(time.DateOnly)]++
			}
			for day := time.Date(2026, 1, 1, 12, 0, 0, 0, loc); day.Year() == 2026; day = day.AddDate(0, 0, 1) {
				if n := runs[day.Format(time.DateOnly)]; n != 1 {
					t.Errorf("%s %q on %s: ran %d times, want once", zone, spec, day.Format(time.DateOnly), n)
				}
			}
		}
	}
}

func TestScheduleRefusesWithAnExample(t *testing.T) {
	for _, tt := range []struct{ every, zone, want string }{
		{
			"every day", "",
			`every: is neither a duration nor a cron spec: expected exactly 5 fields, found 2: [every day]; for example 30s or "0 7 * * mon"`,
		},
		{"0 7 * * *", "Mars/Olympus", `zone: "Mars/Olympus" is no IANA time zone; for example Europe/Berlin`},
		{
			"0 0 31 2 *", "",
			`every: "0 0 31 2 *" names a day that no year has, so it is never due; for example "0 7 1 * *"`,
		},
		{
			"0 0 30-31 feb *", "Europe/Berlin",
			`every: "0 0 30-31 feb *" names a day that no year has, so it is never due; for example "0 7 1 * *"`,
		},
		{
			"0 7 * * mon-", "",
			`every: is neither a duration nor a cron spec: the day of the week "mon-" is none; it takes 0 to 7, both of them Sunday, or sun to sat; for example 30s or "0 7 * * mon"`,
		},
		{
			"61 7 * * *", "",
			`every: is neither a duration nor a cron spec: the minute "61" is none; it takes 0 to 59; for example 30s or "0 7 * * mon"`,
		},
		{
			"0 7 * * 8", "",
			`every: is neither a duration nor a cron spec: the day of the week "8" is none; it takes 0 to 7, both of them Sunday, or sun to sat; for example 30s or "0 7 * * mon"`,
		},
		{
			"TZ=Europe/Berlin 0 7 * * *", "",
			`every: must be a duration or five cron fields; put a time zone into zone; for example 30s or "0 7 * * mon"`,
		},
	} {
		_, err := schedule.Parse(tt.every, tt.zone, time.Minute)
		if err == nil || err.Error() != tt.want || rules.CodeOf(err) != rules.Invalid {
			t.Errorf("Parse(%q, %q) = %v, want %s", tt.every, tt.zone, err, tt.want)
		}
	}
}
