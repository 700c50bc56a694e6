package web

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/rules"
)

// The most lines of a page.
const pageLines = 50

// nowView is the first page.
type nowView struct {
	Status  app.Status
	Firing  []app.AlertView // what is wrong out there, the worst first
	Cared   []app.AlertView // acknowledged
	Pending []app.RuleView
	Quiet   *time.Time // since when nothing is wrong; nil if never
	Most    int        // alerts that the page shows at most
	Total   int
}

// Ails is what tocsin itself suffers from.
func (v nowView) Ails() []string {
	out := slices.Clone(v.Status.Problems)
	for _, source := range v.Status.Sources {
		if !source.OK {
			out = append(out, "source "+source.Name+" does not answer: "+source.Error)
		}
	}
	return out
}

func (s *site) now(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	v := nowView{Status: s.app.Status(ctx), Most: pageLines}
	var err, err2, err3 error
	v.Firing, v.Total, err = s.app.Alerts(ctx, app.AlertFilter{Status: rules.StatusFiring, Limit: pageLines})
	v.Cared, _, err2 = s.app.Alerts(ctx, app.AlertFilter{Status: rules.StatusAcknowledged, Limit: pageLines})
	v.Pending, err3 = s.pending(r)
	if err := cmp.Or(err, err2, err3); err != nil {
		s.fail(w, r, err)
		return
	}
	slices.SortStableFunc(v.Firing, func(a, b app.AlertView) int { return b.Severity.Rank() - a.Severity.Rank() })
	if len(v.Firing)+len(v.Cared) == 0 {
		if last, _, err := s.app.Alerts(ctx, app.AlertFilter{Limit: 1}); err == nil && len(last) == 1 {
			v.Quiet = last[0].ResolvedAt
		}
	}
	s.show(w, r, http.StatusOK, "now", "Now", v)
}

// pending are the rules with a series that waits for its for.
func (s *site) pending(r *http.Request) (out []app.RuleView, err error) {
	on := true
	list, _, err := s.app.ListRules(r.Context(), app.RuleFilter{Enabled: &on})
	for _, rule := range list {
		if rule.Pending > 0 && len(out) < pageLines {
			out = append(out, rule)
		}
	}
	return out, err
}

// alertsView is a page of alerts.
type alertsView struct {
	Alerts []app.AlertView
	Total  int
	Filter map[string]string
	Next   string // the address of the page that follows
}

func (s *site) alerts(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f := app.AlertFilter{
		Limit: pageLines, RuleID: q.Get("rule"), Status: rules.Status(q.Get("status")),
		Severity: rules.Severity(q.Get("severity")), BeforeID: q.Get("id"),
	}
	if before, err := time.Parse(time.RFC3339Nano, q.Get("before")); err == nil {
		f.Before = before
	}
	list, total, err := s.app.Alerts(r.Context(), f)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	v := alertsView{Alerts: list, Total: total, Filter: map[string]string{
		"rule": q.Get("rule"), "status": q.Get("status"), "severity": q.Get("severity"),
	}}
	if len(list) == pageLines {
		last := list[len(list)-1]
		v.Next = query("alerts", "rule", q.Get("rule"), "status", q.Get("status"), "severity", q.Get("severity"),
			"before", last.StartedAt.Format(time.RFC3339Nano), "id", last.ID)
	}
	s.show(w, r, http.StatusOK, "alerts", "Alerts", v)
}

// alertView is one alert and why it is as it is.
type alertView struct {
	Alert   app.AlertView
	Explain insight.Explanation
	Snooze  []string
}

func (s *site) alert(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("id")
	a, err := s.app.Alert(r.Context(), id)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	v := alertView{Alert: a, Snooze: []string{"30m", "2h", "8h", "1d"}}
	if v.Explain, err = s.analyst.Explain(r.Context(), insight.ExplainRequest{Alert: id}); err != nil {
		v.Explain = insight.Explanation{Trouble: dialect.Sentence(err)}
	}
	s.show(w, r, http.StatusOK, "alert", a.Title, v)
}

func (s *site) actOnAlert(r *http.Request, by rules.Actor) (string, error) {
	id := r.PostFormValue("id")
	req := app.AckRequest{Note: r.PostFormValue("note"), Undo: r.PostFormValue("act") == "undo"}
	if snooze := r.PostFormValue("for"); r.PostFormValue("act") == "snooze" {
		d, err := rules.ParseDuration(snooze)
		if err != nil || d <= 0 {
			return "", rules.FieldErrorf("for", "must be a duration such as 2h; got %q", snooze)
		}
		req.Until = s.app.Time().Add(d.Std())
	}
	_, _, err := s.app.Acknowledge(r.Context(), by, id, req)
	if r.PostFormValue("to") == "now" {
		return ".", err
	}
	return query("alert", "id", id), err
}
