package insight

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

// AlertFold is all alerts of a series in a line.
type AlertFold struct {
	RuleID   string         `json:"rule_id"`
	Title    string         `json:"title"`
	Series   rules.Labels   `json:"series"`
	Severity rules.Severity `json:"severity"` // the highest
	Count    int            `json:"count"`
	Open     int            `json:"open"`
	Longest  rules.Duration `json:"longest"` // so far, of one that is open
	First    time.Time      `json:"first"`   // when the earliest started
	Last     app.AlertView  `json:"last"`
	Told     []string       `json:"told"` // channels that a message arrived on
}

// mostFolded is how many of the newest alerts are folded.
const mostFolded = 2000

// FoldAlerts counts the alerts that a filter picks by rule and series, the worst
// and of those the newest first, with how many alerts that were; told, when it
// is given, leaves only those that arrived on that channel.
func (a *Analyst) FoldAlerts(ctx context.Context, f app.AlertFilter, told string) ([]AlertFold, int, error) {
	f.Limit, f.Before, f.BeforeID = mostFolded, time.Time{}, ""
	list, err := a.alertsTold(ctx, f, told)
	folds := map[string]*AlertFold{}
	for _, v := range list { // the newest first
		key := v.RuleID + "\n" + string(rules.SeriesOf(v.Series))
		one := folds[key]
		if one == nil {
			one = &AlertFold{
				RuleID: v.RuleID, Title: v.Title, Series: v.Series, Severity: v.Severity, Last: v, Told: []string{},
			}
			folds[key] = one
		}
		one.add(v, a.app.Time())
	}
	out := make([]AlertFold, 0, len(folds))
	for _, one := range folds {
		slices.Sort(one.Told)
		one.Told = slices.Compact(one.Told)
		out = append(out, *one)
	}
	slices.SortFunc(out, func(x, y AlertFold) int {
		return cmp.Or(y.Severity.Rank()-x.Severity.Rank(), y.Last.StartedAt.Compare(x.Last.StartedAt),
			strings.Compare(x.Last.ID, y.Last.ID))
	})
	return out, len(list), err
}

func (f *AlertFold) add(v app.AlertView, now time.Time) {
	end := now
	if v.ResolvedAt != nil {
		end = *v.ResolvedAt
	} else {
		f.Open++
	}
	f.Count++
	f.First = v.StartedAt
	f.Longest = max(f.Longest, rules.Duration(end.Sub(v.StartedAt).Round(time.Second)))
	if v.Severity.Rank() > f.Severity.Rank() {
		f.Severity = v.Severity
	}
	f.Told = append(f.Told, v.Told...)
}

// AlertsTold lists the alerts that a filter picks of which a message arrived on a
// channel, as Alerts does.
func (a *Analyst) AlertsTold(ctx context.Context, f app.AlertFilter, channel string) ([]app.AlertView, int, error) {
	if channel == "" {
		return a.app.Alerts(ctx, f)
	}
	if err := a.app.KnownChannel(ctx, channel); err != nil {
		return nil, 0, err
	}
	all := f
	all.Limit, all.Before, all.BeforeID = 0, time.Time{}, ""
	list, err := a.alertsTold(ctx, all, channel)
	total := len(list)
	if f.BeforeID != "" {
		i := slices.IndexFunc(list, func(v app.AlertView) bool { return v.ID == f.BeforeID })
		list = list[i+1:]
	}
	if f.Limit > 0 {
		list = list[:min(len(list), f.Limit)]
	}
	return list, total, err
}

func (a *Analyst) alertsTold(ctx context.Context, f app.AlertFilter, channel string) ([]app.AlertView, error) {
	list, _, err := a.app.Alerts(ctx, f)
	if channel != "" {
		list = slices.DeleteFunc(list, func(v app.AlertView) bool { return !slices.Contains(v.Told, channel) })
	}
	return list, err
}

// Flooded reports whether a page of alerts is better folded: one rule has most
// of it.
func Flooded(page []app.AlertView) bool {
	counts := map[string]int{}
	for _, v := range page {
		counts[v.RuleID]++
	}
	for _, n := range counts {
		if n > 5 && 2*n > len(page) {
			return true
		}
	}
	return false
}
