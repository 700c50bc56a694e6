package mcp

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

// The addresses of what can be read.
const (
	rulesURI     = "tocsin://rules"
	alertsURI    = "tocsin://alerts"
	alertURI     = "tocsin://alerts/" // and the id
	referenceURI = "tocsin://reference"
)

// The most that one resource holds, and that the list names of open alerts. The
// tools page through the rest.
const (
	readSize = 100
	listSize = 50
)

const jsonType = "application/json"

func (s *Server) addResources() {
	s.protocol.AddResource(mcp.NewResource(rulesURI, "rules", mcp.WithResourceTitle("Alert rules"),
		mcp.WithMIMEType(jsonType),
		mcp.WithResourceDescription("The rules, in short; list_alert_rules has the details.")), s.reader(s.readRules))
	s.protocol.AddResource(mcp.NewResource(alertsURI, "alerts", mcp.WithResourceTitle("Open alerts"),
		mcp.WithMIMEType(jsonType),
		mcp.WithResourceDescription("What is wrong now, the newest first.")), s.reader(s.readAlerts))
	s.protocol.AddResource(mcp.NewResource(referenceURI, "reference", mcp.WithResourceTitle("Rule reference"),
		mcp.WithMIMEType("text/markdown"),
		mcp.WithResourceDescription("Every key of a rule with its meaning and an example.")), s.reader(readReference))
	s.protocol.AddResourceTemplate(mcp.NewResourceTemplate(alertURI+"{id}", "alert", mcp.WithTemplateTitle("One alert"),
		mcp.WithTemplateMIMEType(jsonType),
		mcp.WithTemplateDescription("An alert with its evidence and deliveries.")),
		server.ResourceTemplateHandlerFunc(s.reader(s.readAlert)))
}

// reader wraps what reads a resource: nothing but a text or a worded error
// leaves it.
func (s *Server) reader(read func(ctx context.Context, uri string) (kind, body string,
	err error),
) server.ResourceHandlerFunc {
	return func(ctx context.Context, request mcp.ReadResourceRequest) (_ []mcp.ResourceContents, err error) {
		uri, began := request.Params.URI, time.Now()
		defer func() {
			if cause := recover(); cause != nil {
				err = s.unreadable(uri, fmt.Errorf("panic: %v", cause))
			}
			s.log.Info("mcp read", "uri", cleaned(uri, dataSize), "by", s.caller(ctx).Name, "client",
				cleaned(clientName(ctx), 40), "ok", err == nil, "took", time.Since(began).Round(time.Millisecond))
		}()
		if !s.caller(ctx).Scope.Allows(app.ScopeRead) {
			return nil, rules.Errorf(rules.Forbidden, "reading needs scope %q", app.ScopeRead)
		}
		kind, body, err := read(ctx, uri)
		if err != nil {
			return nil, s.unreadable(uri, err)
		}
		return []mcp.ResourceContents{mcp.TextResourceContents{URI: uri, MIMEType: kind, Text: s.secrets.Clean(body)}}, nil
	}
}

// unreadable is an error as the client may see it.
func (s *Server) unreadable(uri string, err error) error {
	if code := rules.CodeOf(err); code != rules.Internal {
		return rules.Errorf(code, "reading %s was refused (%s): %s", cleaned(uri, dataSize), code,
			s.secrets.Clean(cleaned(sentence(err), errorSize)))
	}
	return rules.Errorf(rules.Internal, "%s",
		s.mishap(tool{name: "reading " + cleaned(uri, dataSize), effect: effect{reads: true}}, err))
}

func (s *Server) readRules(ctx context.Context, _ string) (kind, body string, err error) {
	list, total, err := s.app.ListRules(ctx, app.RuleFilter{Limit: readSize})
	if err != nil {
		return "", "", err
	}
	out := rulesAnswer{
		Rules: []shownRule{}, Total: total, Warnings: s.app.Warnings(),
		Summary: paged(len(list), total, "rule", ""),
	}
	for _, v := range list {
		out.Rules = append(out.Rules, short(v))
	}
	if len(list) < total {
		out.Summary = fmt.Sprintf("The first %d of %d rules; list_alert_rules has all.", len(list), total)
	}
	return jsonType, quoted(out), nil
}

func (s *Server) readAlerts(ctx context.Context, _ string) (kind, body string, err error) {
	list, total, err := s.app.Alerts(ctx, app.AlertFilter{Status: rules.StatusOpen, Limit: readSize})
	if err != nil {
		return "", "", err
	}
	out := alertsAnswer{
		Alerts: []shortAlert{}, Total: total, Note: dataNote, Warnings: s.app.Warnings(),
		Summary: paged(len(list), total, "open alert", "") + tally(list),
	}
	for _, v := range list {
		out.Alerts = append(out.Alerts, s.alert(v, false))
	}
	if len(list) < total {
		out.Summary = fmt.Sprintf("The newest %d of %d open alerts; list_alerts has all.", len(list), total)
	}
	return jsonType, quoted(out), nil
}

func (s *Server) readAlert(ctx context.Context, uri string) (kind, body string, err error) {
	v, err := s.app.Alert(ctx, strings.TrimPrefix(uri, alertURI))
	if err != nil {
		return "", "", err
	}
	return jsonType, quoted(alertAnswer{
		Alert: s.alert(v, true), Note: dataNote, Warnings: s.app.Warnings(),
		Summary: fmt.Sprintf("Alert %s is %s.", v.ID, v.Status),
	}), nil
}

// readReference writes down the tables that rules are read with.
func readReference(context.Context, string) (kind, body string, err error) {
	var b strings.Builder
	b.WriteString("# The keys of a rule\n\nDurations are written 30s, 5m, 2h, 1d. A key that is left out has its " +
		"default.\n\n")
	ruledoc.Each(ruledoc.Keys(), func(k ruledoc.Key) {
		fmt.Fprintf(&b, "- `%s`: %s", k.Path, k.Meaning)
		if len(k.Types) > 0 {
			fmt.Fprintf(&b, " (%s)", strings.Join(typeNames(k.Types), ", "))
		}
		fmt.Fprintf(&b, ". Value: %s. Default: %s. Example: `%s`\n", k.Written(), k.Default, k.Example)
	})
	return "text/markdown", b.String(), nil
}

// openResources lists the newest open alerts as resources of their own.
func (s *Server) openResources(ctx context.Context) ([]mcp.Resource, error) {
	list, _, err := s.app.Alerts(ctx, app.AlertFilter{Status: rules.StatusOpen, Limit: listSize})
	if err != nil {
		return nil, err
	}
	var out []mcp.Resource
	for _, v := range list {
		title := v.Title
		if len(v.Series) > 0 {
			title += " (" + string(rules.SeriesOf(v.Series)) + ")"
		}
		title = s.secrets.Clean(cleaned(title, dataSize))
		out = append(out, mcp.NewResource(alertURI+v.ID, title, mcp.WithResourceTitle(title),
			mcp.WithResourceDescription(s.secrets.Clean(s.inALine(v))),
			mcp.WithMIMEType(jsonType), mcp.WithLastModified(v.StartedAt.UTC().Format(time.RFC3339))))
	}
	return out, nil
}

// inALine is what of an alert lets a person choose.
func (s *Server) inALine(v app.AlertView) string {
	text := fmt.Sprintf("%s, %s since %s", capitalised(string(v.Severity)), v.Status, s.when(v.StartedAt))
	if v.Value != nil {
		text += ", value " + rules.FormatNumber(*v.Value)
	}
	if v.AcknowledgedBy != "" {
		text += ", " + cleaned(v.AcknowledgedBy, 60) + " takes care"
	}
	return text
}

func capitalised(word string) string { return strings.ToUpper(word[:1]) + word[1:] }

// listOpen adds the open alerts to the list of resources. They are not
// registered with the protocol server, which would tell every client of each.
func (s *Server) listOpen(ctx context.Context, result *mcp.ListResourcesResult) {
	open, err := s.openResources(ctx)
	if err != nil {
		s.log.Error("open alerts not listed as resources", "error", s.secrets.Clean(err.Error()))
		return
	}
	result.Resources = slices.Concat(result.Resources, open)
}

// findRead sees to it that what does not exist is answered with the code that
// the protocol has for that: its handlers cannot choose one. A read of an
// address that nobody serves does, so the address is made one.
func (s *Server) findRead(ctx context.Context, request *mcp.ReadResourceRequest) {
	uri := request.Params.URI
	if slices.Contains([]string{rulesURI, alertsURI, referenceURI}, uri) {
		return
	}
	id, isAlert := strings.CutPrefix(uri, alertURI)
	if isAlert && id != "" && s.caller(ctx).Scope.Allows(app.ScopeRead) {
		if _, err := s.app.Alert(ctx, id); rules.CodeOf(err) == rules.NotFound {
			request.Params.URI = cleaned(uri, dataSize) + " (there is no such alert; " + alertsURI +
				" has the open ones, list_alerts all)"
		}
		return
	}
	request.Params.URI = cleaned(uri, dataSize) + " (known: " +
		strings.Join([]string{rulesURI, alertsURI, alertURI + "{id}", referenceURI}, ", ") + ")"
}
