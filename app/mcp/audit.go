package mcp

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

// deed is what a call did, for the audit.
type deed struct {
	outcome string // "" while nothing was done
	subject string
	changes []rules.KeyChange
	token   string // that the answer holds, and the record must not
}

// did notes that the call changed something.
func (d *deed) did(subject string, changes []rules.KeyChange) {
	d.outcome, d.subject, d.changes = app.ActDone, subject, changes
}

// Acts are stored; every call is logged. A model that looks every minute must
// not write to an SD card, so what changed nothing is in the log alone, as are
// calls that were refused because they were badly made.

// audit records a call that took so long and was answered with text.
func (s *Server) audit(ctx context.Context, t tool, sent any, d deed, took time.Duration, text string) {
	who, client := s.caller(ctx).Name, cleaned(clientName(ctx), 40)
	arguments := s.audited(t, sent)
	outcome := d.outcome
	if outcome == "" {
		outcome = "nothing changed"
	}
	s.log.Info("mcp call", "tool", t.name, "by", who, "client", client, "outcome", outcome, "about", d.subject, "took",
		took.Round(time.Millisecond), "arguments", string(arguments))
	if d.outcome == "" {
		return
	}
	if d.token != "" {
		text = strings.ReplaceAll(text, d.token, "…")
	}
	err := s.app.Record(context.WithoutCancel(ctx), app.AuditEntry{
		By: rules.Actor{Name: who, Door: "mcp"}, Client: client, Tool: t.name, About: d.subject, Outcome: d.outcome,
		Text: cleaned(s.secrets.Clean(text), noteSize), Arguments: arguments, Changes: notNull(d.changes),
	})
	if err != nil {
		s.log.Error("act not recorded", "tool", t.name, "error", s.secrets.Clean(err.Error()))
	}
}

// audited is the arguments of a call as they may be kept: none when something
// among them looked like a credential, no token, and nothing long.
func (s *Server) audited(t tool, sent any) json.RawMessage {
	given, err := asObject(sent)
	if err != nil || t.refuseCredentials(given) != nil {
		return json.RawMessage(`"withheld"`)
	}
	kept := map[string]any{}
	for name, v := range maps.All(given) {
		text := quoted(v)
		switch {
		case name == confirm.name:
			kept[name] = true
		case len(text) > dataSize:
			kept[cleaned(name, 60)] = cappedText(text, dataSize)
		default:
			kept[cleaned(name, 60)] = v
		}
		if len(kept) == 50 {
			break
		}
	}
	return json.RawMessage(s.secrets.Clean(quoted(kept)))
}

// summaryOf is what an answer says of itself.
func summaryOf(result *mcp.CallToolResult) string {
	if result.IsError && len(result.Content) > 0 {
		if c, ok := result.Content[0].(mcp.TextContent); ok {
			return c.Text
		}
	}
	var answer struct {
		Summary string `json:"summary"`
	}
	if body, ok := result.StructuredContent.(json.RawMessage); ok && json.Unmarshal(body, &answer) == nil {
		return answer.Summary
	}
	return ""
}
