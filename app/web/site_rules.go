package web

import (
	"net/http"
	"strconv"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/rules"
)

// rulesView is a page of rules.
type rulesView struct {
	Rules []app.RuleView
	Total int
	Text  string
	Next  string
}

func (s *site) rules(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	list, total, err := s.app.ListRules(r.Context(),
		app.RuleFilter{Text: q.Get("text"), After: q.Get("after"), Limit: pageLines})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	v := rulesView{Rules: list, Total: total, Text: q.Get("text")}
	if len(list) == pageLines {
		v.Next = query("rules", "text", v.Text, "after", list[len(list)-1].Name)
	}
	s.show(w, r, http.StatusOK, "rules", "Rules", v)
}

// ruleView is one rule, what it did and how it came to be.
type ruleView struct {
	Rule    app.RuleView
	Says    string // when it is wrong, in words
	Series  []app.KnownSeries
	Changes []app.ChangeView
	Alerts  []app.AlertView
	Span    string
	Spans   []string
}

// spans are the times that a chart can show.
var spans = map[string]time.Duration{"6h": 6 * time.Hour, "1d": 24 * time.Hour, "7d": 7 * 24 * time.Hour}

func (s *site) rule(w http.ResponseWriter, r *http.Request) {
	ctx, name := r.Context(), r.URL.Query().Get("name")
	rule, err := s.app.Rule(ctx, name)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	v := ruleView{Rule: rule, Says: rule.Condition.String(), Spans: []string{"6h", "1d", "7d"}}
	v.Span = r.URL.Query().Get("span")
	if spans[v.Span] == 0 {
		v.Span = "1d"
	}
	if v.Changes, _, err = s.app.Changes(ctx, app.ChangeFilter{Rule: name, Limit: 20}); err == nil {
		v.Alerts, _, err = s.app.Alerts(ctx, app.AlertFilter{RuleID: name, Limit: 10})
	}
	if err == nil {
		v.Series, err = s.app.RuleSeries(ctx, name)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	v.Series = v.Series[:min(len(v.Series), pageLines)]
	s.show(w, r, http.StatusOK, "rule", rule.Title, v)
}

// chart draws what a rule has seen.
func (s *site) chart(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	span := spans[q.Get("span")]
	if span == 0 || s.options.Draw == nil {
		http.NotFound(w, r)
		return
	}
	to := s.app.Time()
	p, err := s.analyst.Preview(r.Context(),
		insight.PreviewRequest{Rule: q.Get("name"), From: to.Add(-span), To: to, Chart: true})
	if err == nil && p.Chart != nil {
		var picture []byte
		if picture, err = s.options.Draw(*p.Chart); err == nil {
			w.Header().Set("Content-Type", "image/png")
			_, _ = w.Write(picture)
			return
		}
	}
	s.options.Log.Debug("chart not drawn", "error", err)
	http.NotFound(w, r)
}

func (s *site) actOnRule(r *http.Request, by rules.Actor) (string, error) {
	ctx, name := r.Context(), r.PostFormValue("name")
	switch act := r.PostFormValue("act"); act {
	case "enable", "disable":
		_, err := s.app.UpdateRule(ctx, by, name, rules.Doc{"enabled": act == "enable"}, app.SaveOptions{})
		return query("rule", "name", name), err
	case "restore":
		version, err := strconv.Atoi(r.PostFormValue("version"))
		if err != nil {
			return "", rules.FieldErrorf("version", "must be a number")
		}
		answer, err := s.app.Restore(ctx, by, name, version, app.SaveOptions{})
		return query("rule", "name", answer.Rule.Name), err
	case "delete":
		_, err := s.app.DeleteRule(ctx, by, name, app.SaveOptions{})
		return "rules", err
	}
	return "", rules.FieldErrorf("act", "must be enable, disable, restore or delete")
}
