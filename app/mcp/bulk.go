package mcp

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/bulk"
	"github.com/9bikes/tocsin/rules"
)

// What several rules or alerts are called by: their names, or what is true of
// them.
var (
	ruleRefs = texts("rule", "name or id, or a list")
	match    = object("match", "instead of rule: all that", text("measurement", "that they look at"),
		object("where", "tag: value"), texts("severity", "list or: below high"), text("text", "in name or title"))
)

// namedRule is one of several rules that an act is about.
type namedRule struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Enabled bool   `json:"enabled"`
	Firing  int    `json:"firing"`
}

func nameOf(v app.RuleView) namedRule { return namedRule{v.ID, v.Name, v.Enabled, v.Firing} }

// bulkAnswer is an act on several rules.
type bulkAnswer struct {
	Rules    []namedRule `json:"rules,omitempty"`
	Undo     string      `json:"undo,omitempty"`
	Confirm  string      `json:"confirm,omitempty"`
	Warnings []string    `json:"warnings"`
	Summary  string      `json:"summary"`
}

// pick reads which rules are meant.
func (a *arguments) pick() (p bulk.RulePick) {
	p.Names = a.texts("rule")
	doc, ok := a.take("match").(map[string]any)
	if !ok {
		return p
	}
	inner := &arguments{given: doc}
	p.Measurement, p.Where, p.Text = inner.text("measurement"), inner.filter("where"), inner.text("text")
	p.Severities = inner.severities("severity")
	for name := range inner.given {
		inner.wrong("match."+cleaned(name, 60), "no such key; known: measurement, where, severity, text")
	}
	a.errs = append(a.errs, inner.errs...)
	return p
}

// several does an act on more than one rule, after one question.
type several struct {
	tool, would, did string // "would be deleted", "Deleted"
	list             []app.RuleView
	asks             bool
	effect           string
	act              func() ([]app.RuleAnswer, error)
}

func (s *Server) actOnSeveral(ctx context.Context, a *arguments, token string, dry bool, x several) (any, error) {
	out := bulkAnswer{Warnings: s.app.Warnings()}
	var names, versions []string
	for _, v := range x.list {
		out.Rules = append(out.Rules, nameOf(v))
		names, versions = append(names, v.Name), append(versions, v.ID+"@"+strconv.Itoa(v.Version))
	}
	would := fmt.Sprintf("%d rules %s: %s.", len(names), x.would, cappedText(strings.Join(names, ", "), noteSize))
	if dry {
		out.Summary = "Nothing was changed. " + would
		return out, nil
	}
	var err error
	if x.asks {
		token, err = s.ask(ctx, a, token, question{
			tool: x.tool, text: would + " Do it?", subject: strings.Join(names, " "), state: strings.Join(versions, " "),
			effect: x.effect,
		})
		if err != nil {
			return nil, err
		}
		if token != "" {
			out.Confirm, out.Summary = token, unconfirmed(would, token)
			return out, nil
		}
	}
	done, err := x.act()
	var undo []string
	for i, answer := range done {
		out.Rules[i] = nameOf(answer.Rule)
		undo = append(undo, app.Handle(answer.Rule.ID, answer.Rule.Version))
	}
	if len(done) == 0 {
		return nil, err
	}
	a.did(strings.Join(names, " "), nil)
	out.Rules, out.Undo = out.Rules[:len(done)], strings.Join(undo, ",")
	out.Summary = fmt.Sprintf("%s %s: %s. One call takes it back: undo_change {\"undo\":%q}.", x.did,
		plural(len(done), "rule"), cappedText(strings.Join(names[:len(done)], ", "), noteSize), out.Undo)
	for _, e := range rules.Joined(err) {
		out.Warnings = append(out.Warnings, "not done: "+sentence(e))
	}
	return out, nil
}

// undoSeveral takes back several changes that were one act.
func (s *Server) undoSeveral(ctx context.Context, a *arguments, token string, handles string, dry bool) (any, error) {
	would, err := bulk.UndoAll(ctx, s.app, s.by(ctx), handles, app.SaveOptions{DryRun: true})
	if err != nil {
		return nil, err
	}
	x := several{tool: "undo_change", would: "would be as they were", did: "Took back the change of", effect: handles}
	for _, one := range would {
		x.list, x.asks = append(x.list, one.Rule), x.asks || one.AsksFirst()
	}
	x.act = func() (out []app.RuleAnswer, err error) {
		done, err := bulk.UndoAll(ctx, s.app, s.by(ctx), handles, app.SaveOptions{})
		for _, one := range done {
			out = append(out, app.RuleAnswer{Rule: one.Rule, Warnings: one.Warnings})
		}
		return out, err
	}
	return s.actOnSeveral(ctx, a, token, dry, x)
}

// acknowledgeSeveral acknowledges several alerts.
func (s *Server) acknowledgeSeveral(ctx context.Context, a *arguments, list []app.AlertView, req app.AckRequest) (any,
	error,
) {
	out := alertsAnswer{Alerts: []shortAlert{}, Note: dataNote, Warnings: s.app.Warnings()}
	var errs []error
	for _, v := range list {
		done, _, err := s.app.Acknowledge(ctx, s.by(ctx), v.ID, req)
		if errs = append(errs, err); err == nil {
			out.Alerts = append(out.Alerts, s.alert(done, false))
		}
	}
	err := errors.Join(errs...)
	if len(out.Alerts) == 0 {
		return nil, err
	}
	a.did("several alerts", nil)
	for _, e := range rules.Joined(err) {
		out.Warnings = append(out.Warnings, "not done: "+sentence(e))
	}
	out.Total = len(out.Alerts)
	out.Summary = fmt.Sprintf("%s acknowledged: no reminders and no escalation until each resolves, which is told.",
		plural(out.Total, "alert"))
	return out, nil
}
