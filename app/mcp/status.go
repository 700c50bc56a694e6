package mcp

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

var statusTools = []tool{{
	name: "get_status", title: "Get status",
	description: "What is wrong now, the worst first; then how tocsin is doing: daemon, sources, channels, problems.",
	input:       []property{detail},
	aliases:     map[string]string{"verbose": "detail", "level": "detail"},
	output:      reflect.TypeFor[statusAnswer](),
	effect:      effect{reads: true, repeatable: true}, example: `{}`,
	scope: app.ScopeRead, call: (*Server).status,
}}

// statusAnswer has what is wrong out there before how tocsin is.
type statusAnswer struct {
	Open        []string             `json:"open_alerts" jsonschema:"not resolved, the worst and oldest first"`
	Status      string               `json:"status"`
	Version     string               `json:"version"`
	Daemon      shownDaemon          `json:"daemon"`
	Database    string               `json:"database"`
	Rules       app.RuleCounts       `json:"rules"`
	Alerts      shownAlertCounts     `json:"alerts"`
	Sources     []shownSource        `json:"sources"`
	Channels    []shownChannelHealth `json:"channels"`
	Undelivered int                  `json:"undelivered"`
	Dead        int                  `json:"dead_letters"`
	Clock       string               `json:"clock,omitempty"`
	Engine      *shownEngine         `json:"engine,omitempty"`
	Problems    []string             `json:"problems"`
	Warnings    []string             `json:"warnings"`
	Summary     string               `json:"summary"`
}

type shownDaemon struct {
	Running  bool   `json:"running"`
	Since    string `json:"since,omitempty"`
	LastTick string `json:"last_tick,omitempty"`
}

type shownAlertCounts struct {
	Firing       int `json:"firing"`
	Acknowledged int `json:"acknowledged"`
}

type shownSource struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	OK      bool   `json:"ok"`
	Version string `json:"version,omitempty"`
	Error   string `json:"error,omitempty"`
	LastOK  string `json:"last_ok,omitempty"`
}

type shownChannelHealth struct {
	Name        string `json:"name"`
	Kind        string `json:"kind,omitempty"`
	Health      string `json:"health"`
	LastError   string `json:"last_error,omitempty"`
	LastSuccess string `json:"last_success,omitempty"`
}

// shownEngine is what the daemon has done since it started.
type shownEngine struct {
	Ticks        int `json:"ticks"`
	Missed       int `json:"missed_ticks"`
	Rules        int `json:"rules_last_tick"`
	Queries      int `json:"queries_last_tick"`
	Observations int `json:"observations_total"`
	Failures     int `json:"failures_total"`
}

// problemsShort is how many problems a short answer names.
const problemsShort = 10

func (s *Server) status(ctx context.Context, a *arguments) (any, error) {
	full := a.choice("detail", "short", "full") == "full"
	if err := a.err(); err != nil {
		return nil, err
	}
	v := s.app.AskedStatus(ctx)
	out := statusAnswer{
		Status: v.Status, Version: v.Version, Daemon: shownDaemon{Running: v.Daemon.Running, Since: s.when(v.Daemon.Since)},
		Database: v.Database, Rules: v.Rules,
		Alerts:  shownAlertCounts{v.Alerts["firing"], v.Alerts["acknowledged"]},
		Sources: []shownSource{}, Channels: []shownChannelHealth{}, Undelivered: v.Outbox, Dead: v.Dead, Clock: v.Clock,
		Problems: []string{}, Warnings: []string{}, Open: []string{},
	}
	for _, alert := range v.Open[:min(len(v.Open), map[bool]int{false: problemsShort, true: len(v.Open)}[full])] {
		out.Open = append(out.Open, s.openLine(alert))
	}
	v.Problems = slices.Concat(v.Problems, v.Advice)
	for _, source := range v.Sources {
		one := shownSource{
			Name: source.Name, Kind: source.Kind, OK: source.OK, Version: source.Version,
			Error: cleaned(source.Error, noteSize),
		}
		if h := source.Health; h != nil && (full || !h.OK) {
			one.LastOK = s.when(h.LastOK)
		}
		out.Sources = append(out.Sources, one)
	}
	for _, c := range v.Channels {
		one := shownChannelHealth{
			Name: c.Name, Kind: c.Kind, Health: c.Health,
			LastError: cleaned(app.TroubleOf(c), noteSize),
		}
		if full || c.LastError != "" {
			one.LastSuccess = s.when(c.LastSuccess)
		}
		out.Channels = append(out.Channels, one)
	}
	if e := v.Engine; e != nil {
		out.Daemon.LastTick = s.when(e.LastTick)
		if full {
			out.Engine = &shownEngine{e.Ticks, e.Missed, e.Rules, e.Queries, e.Observations, e.Failures}
		}
	}
	most := len(v.Problems)
	if !full {
		most = min(most, problemsShort)
	}
	for _, problem := range v.Problems[:most] {
		out.Problems = append(out.Problems, cleaned(problem, noteSize))
	}
	out.Summary = s.health(v, most)
	return out, nil
}

// openLine is an alert that is not resolved, in a line.
func (s *Server) openLine(v app.AlertView) string {
	text := fmt.Sprintf("%s: %s", v.Severity, cleaned(v.Title, dataSize))
	if len(v.Series) > 0 {
		text += " (" + cleaned(string(rules.SeriesOf(v.Series)), dataSize) + ")"
	}
	if v.Value != nil {
		text += ", " + rules.FormatNumber(*v.Value)
	}
	text += ", since " + s.when(v.StartedAt)
	if v.AcknowledgedBy != "" {
		text += ", " + cleaned(v.AcknowledgedBy, 60) + " takes care"
	}
	return text + " [" + v.ID + "]"
}

// health says how it is in a sentence or two.
func (s *Server) health(v app.Status, shown int) string {
	text := "Nothing is wrong out there"
	if n := v.Alerts["firing"] + v.Alerts["acknowledged"]; n > 0 {
		text = fmt.Sprintf("%s not resolved, the worst first: %s", plural(n, "alert"), s.openLine(v.Open[0]))
		if n > 1 {
			text += fmt.Sprintf(", and %d more", n-1)
		}
	}
	switch {
	case v.Status != "ok":
		text += ". tocsin itself is " + v.Status
	case len(v.Problems) > 0:
		text += ". tocsin itself works"
	default:
		text += ". tocsin itself is well"
	}
	text += fmt.Sprintf(": %d of %d rules are on.", v.Rules.Enabled, v.Rules.Total)
	if slices.ContainsFunc(v.Sources, func(source app.SourceView) bool { return !source.OK }) {
		text += " A source does not answer, so its rules are not judged."
	}
	if n := len(v.Problems); n > 0 {
		text += fmt.Sprintf(" Problems: %d, tell the user.", n)
		if shown < n {
			text += fmt.Sprintf(` The first %d are here; "detail": "full" lists all.`, shown)
		}
	}
	return strings.TrimSpace(text)
}
