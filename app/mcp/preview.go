package mcp

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

var previewTool = tool{
	name: "preview_alert_rule", title: "Preview alert rule",
	description: "Would it have fired? Tries keys of create_alert_rule, which explains them, on the past, or a saved " +
		"rule with keys over it; saves nothing.",
	input: slices.Concat([]property{text("rule", "saved one")}, otherKeys(ruledoc.Measure, ruledoc.Judge), []property{
		text("since", "default 7d"), until, flag("chart", "add a picture, for a look at the shape"), detail,
	}),
	accepted: slices.Concat(ruledoc.OldNames(), ruledoc.Names(), []string{"allow_unknown", "dry_run"}),
	aliases: map[string]string{
		"rule_id": "rule", "id": "rule", "from": "since", "start": "since", "period": "since",
		"range": "since", "to": "until", "end": "until", "image": "chart", "plot": "chart",
	},
	output: reflect.TypeFor[previewAnswer](),
	effect: effect{reads: true, repeatable: true},
	example: `{"measurement":"temperature","field":"celsius","group_by":["sensor"],` +
		`"condition":{"type":"threshold","operator":">","value":-15},"for":"10m","since":"7d"}`,
	scope: app.ScopeRead, call: (*Server).previewRule,
}

// previewAnswer is what a rule would have done. Its figures come first: they
// answer the question.
type previewAnswer struct {
	Count     int            `json:"count"`
	PerWeek   *float64       `json:"per_week,omitempty"`
	Longest   string         `json:"longest,omitempty"`
	Now       *float64       `json:"now,omitempty"`
	QuietWith *float64       `json:"quiet_with,omitempty"`
	From      string         `json:"from"`
	To        string         `json:"to"`
	Ticks     int            `json:"ticks"`
	Series    int            `json:"series"`
	Episodes  []shownEpisode `json:"episodes"`
	Watches   string         `json:"watches"`
	Channels  []string       `json:"channels"`
	Note      string         `json:"note"`
	Warnings  []string       `json:"warnings"`
	Summary   string         `json:"summary"`
	picture
}

type shownEpisode struct {
	Series    rules.Labels   `json:"series"`
	StartedAt string         `json:"started_at"`
	Lasted    string         `json:"lasted"`
	Firing    bool           `json:"still_firing,omitempty"`
	Severity  rules.Severity `json:"severity"`
	Peak      *float64       `json:"peak,omitempty"`
}

// How many of the last episodes a preview shows, in short and full.
const episodesShort, episodesFull = 5, 100

// weighty is how long a time must be for a number per week to mean something.
const weighty = 2 * 24 * time.Hour

func (s *Server) previewRule(ctx context.Context, a *arguments) (any, error) {
	shown := episodesShort
	if a.choice("detail", "short", "full") == "full" {
		shown = episodesFull
	}
	for _, name := range []string{"allow_unknown", "dry_run"} {
		a.take(name) // nothing is saved anyway
	}
	req := insight.PreviewRequest{
		Rule: a.text("rule"), From: a.moment("since", s.now(), -1, s.zone), To: a.moment("until", s.now(), -1, s.zone),
		Chart: a.on("chart"), Progress: s.progress(ctx, "trying the rule on the past"),
	}
	if err := a.err(); err != nil {
		return nil, err
	}
	if req.Doc = a.given; req.Rule == "" && len(req.Doc) == 0 {
		return nil, rules.FieldErrorf("condition",
			"is missing; give the keys of a rule, or rule with the name of a saved one")
	}
	p, err := insight.New(s.app).Preview(ctx, req)
	if err != nil {
		return nil, err
	}
	out := previewAnswer{
		Count: p.Count, Now: shortened(p.Last), QuietWith: p.Quiet, From: s.when(p.From), To: s.when(p.To), Ticks: p.Ticks,
		Series:   p.Series,
		Episodes: []shownEpisode{}, Watches: watches(p.Rule), Channels: p.Channels, Note: measuredNote,
		Warnings: append(notNull(p.Warnings), s.app.Warnings()...), Summary: p.Summary,
	}
	if p.Count > 0 {
		out.Longest = p.Longest.String()
	}
	if p.To.Sub(p.From) >= weighty {
		out.PerWeek = &p.PerWeek
	}
	for _, e := range p.Episodes[max(0, len(p.Episodes)-shown):] {
		out.Episodes = append(out.Episodes,
			shownEpisode{
				cleanLabels(e.Series), s.when(e.StartedAt), e.Lasted.String(), e.ResolvedAt == nil, e.Severity,
				shortened(e.Peak),
			})
	}
	out.Summary += previewed(p, len(out.Episodes), req.Rule)
	out.draw(s, p.Chart, req.Chart, &out.Warnings)
	return out, nil
}

// previewed says what is left out, and what to do next.
func previewed(p insight.Preview, shown int, saved string) (text string) {
	if shown < p.Count {
		text = fmt.Sprintf(` Episodes has the last %d; "detail": "full" shows more, up to %d.`, shown, episodesFull)
	}
	if len(p.Channels) == 0 {
		text += " It would tell nobody: there is no channel."
	}
	if saved == "" {
		return text + " Nothing is saved; create_alert_rule takes the same keys."
	}
	return text + " Nothing is saved; update_alert_rule takes the same keys."
}
