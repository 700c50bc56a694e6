// Package mcp is the door for models: the tools of the Model Context Protocol
// over the use cases of package app. It checks arguments, calls app and words
// the answers; it decides nothing. It never holds or shows a credential.
package mcp

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/app/sessions"
	"github.com/9bikes/tocsin/rules"
)

// Options are what a Server may be told; the zero value is right.
type Options struct {
	// Log gets the causes of internal errors; nil logs nothing. It must not
	// write to the output that carries the protocol.
	Log *slog.Logger
	// Version is the program's; empty takes the app's.
	Version string
	// User is who speaks through this server; empty is the user of the
	// operating system.
	User string
	// Scope is what that user may do; empty is app.ScopeWrite, which every tool
	// is content with. app.ScopeRead makes the server read-only.
	Scope app.Scope
	// Draw makes a picture (PNG) of a chart; nil where there is none.
	Draw func(insight.Chart) ([]byte, error)
	// Open gives the app when the first request over HTTP or standard input
	// needs it; until then the one that New is given needs no more than its
	// Config. An error answers that request, and the next one tries again. nil
	// takes what New is given.
	Open func(context.Context) (*app.App, error)
}

// Server answers the calls of a model. One process serves at most one standard
// input at a time.
type Server struct {
	app         *app.App
	log         *slog.Logger
	user        string
	scope       app.Scope
	draw        func(insight.Chart) ([]byte, error)
	secrets     app.Redactor
	zone        *time.Location
	protocol    *server.MCPServer
	opening     sync.Mutex
	open        func(context.Context) (*app.App, error) // nil once app is open
	subscribers sessions.Subscribers
	news        sync.Mutex
	soon        *time.Timer // news that is about to be told
	closed      bool
}

// instructions is what a model reads before any tool, and often the only thing.
//
//go:embed instructions.txt
var instructions string

// New returns a Server for what a can do.
func New(a *app.App, o Options) *Server {
	s := &Server{
		app: a, log: cmp.Or(o.Log, slog.New(slog.DiscardHandler)), user: cmp.Or(o.User, osUser()),
		scope: cmp.Or(o.Scope, app.ScopeWrite),
		draw:  o.Draw, secrets: app.NewRedactor(a.Config), zone: a.Config.Location(), open: o.Open,
	}
	s.protocol = server.NewMCPServer("tocsin", cmp.Or(o.Version, a.Version, "unknown"),
		server.WithTitle("tocsin alerts"), server.WithInstructions(strings.TrimSpace(instructions)),
		server.WithToolCapabilities(false),
		server.WithResourceCapabilities(true, true), server.WithPromptCapabilities(false), server.WithCompletions(),
		server.WithPromptCompletionProvider(completer{s}), server.WithResourceCompletionProvider(completer{s}),
		server.WithHooks(s.hooks()))
	for _, t := range tools {
		s.protocol.AddTool(t.definition(), s.handler(t))
	}
	s.addResources()
	s.addPrompts()
	return s
}

// hooks narrow what the protocol server tells to what the caller may do, and
// follow who wants to hear of changes.
func (s *Server) hooks() *server.Hooks {
	h := &server.Hooks{}
	h.AddAfterInitialize(func(ctx context.Context, _ any, _ *mcp.InitializeRequest, result *mcp.InitializeResult) {
		result.Instructions = s.forCaller(ctx, result.Instructions) + s.limits(ctx)
	})
	h.AddAfterDiscover(func(ctx context.Context, _ any, _ *mcp.DiscoverRequest, result *mcp.DiscoverResult) {
		result.Instructions = s.forCaller(ctx, result.Instructions) + s.limits(ctx)
	})
	h.AddAfterListTools(func(ctx context.Context, _ any, _ *mcp.ListToolsRequest, result *mcp.ListToolsResult) {
		result.Tools = s.permitted(ctx, result.Tools)
	})
	s.followResources(h)
	return h
}

// forCaller leaves out the sentences of a text that name a tool which the caller
// may not use.
func (s *Server) forCaller(ctx context.Context, text string) string {
	scope := s.caller(ctx).Scope
	var lines []string
	for line := range strings.Lines(text) {
		var kept []string
		for sentence := range strings.SplitSeq(line, ". ") {
			if !slices.ContainsFunc(tools, func(t tool) bool {
				return !scope.Allows(t.scope) && strings.Contains(sentence, t.name)
			}) {
				kept = append(kept, strings.TrimRight(sentence, ".\n"))
			}
		}
		if len(kept) > 0 {
			lines = append(lines, endOf(strings.Join(kept, ". ")))
		}
	}
	return strings.Join(lines, "\n")
}

// endOf gives a line of sentences back its end.
func endOf(line string) string {
	if line == "" || strings.HasSuffix(line, ":") {
		return line
	}
	return line + "."
}

// limits is what the instructions add for a caller who may not do everything.
func (s *Server) limits(ctx context.Context) string {
	switch scope := s.caller(ctx).Scope; {
	case scope.Allows(app.ScopeWrite):
		return ""
	case scope.Allows(app.ScopeAck):
		return "\nThis connection may only read and acknowledge: say what you would change, and let the user do it."
	}
	return "\nThis connection is read-only: say what you would change, and let the user do it."
}

// Protocol returns the protocol server, to be served over another transport.
func (s *Server) Protocol() *server.MCPServer { return s.protocol }

// by is the author of an act: who runs this process, through which client.
func (s *Server) by(ctx context.Context) rules.Actor {
	name := s.caller(ctx).Name
	if client := cleaned(clientName(ctx), 40); client != "" {
		name += " via " + client
	}
	return rules.Actor{Name: name, Door: "mcp"}
}

// permitted leaves the tools that the caller may use.
func (s *Server) permitted(ctx context.Context, all []mcp.Tool) []mcp.Tool {
	scope := s.caller(ctx).Scope
	var out []mcp.Tool
	for _, listed := range all {
		i := slices.IndexFunc(tools, func(own tool) bool { return own.name == listed.Name })
		if i < 0 || !scope.Allows(tools[i].scope) {
			continue
		}
		if len(tools[i].writes) > 0 && !scope.Allows(app.ScopeWrite) { // what is left of it reads
			listed.Annotations.ReadOnlyHint, listed.Annotations.DestructiveHint = new(true), new(false)
		}
		out = append(out, listed)
	}
	return out
}

// allowed refuses a call that the caller may not make. A tool that is not
// listed is called all the same, by a model that knows it from elsewhere, and
// then should tell what is in the way.
func (s *Server) allowed(ctx context.Context, name string, scope app.Scope) error {
	who := s.caller(ctx)
	if who.Scope.Allows(scope) {
		return nil
	}
	return rules.Errorf(rules.Forbidden,
		"this connection may %s, and %s needs scope %q. Tell the user what you would have done; they can do it themselves, "+
			"or connect without --read-only, through `tocsin mcp` on the machine of tocsin, or with a token of that scope "+
			"(`tocsin tokens add NAME --scope %s`)", may(who.Scope), name, scope, scope)
}

func may(s app.Scope) string {
	switch s {
	case app.ScopeRead:
		return "only read"
	case app.ScopeAck:
		return "only read and acknowledge"
	}
	return "not do that"
}

// clientName is what the client calls itself: in each request of the newer
// protocol, in the handshake of the older one.
func clientName(ctx context.Context) string {
	if info := server.RequestProtocolInfoFromContext(ctx); info != nil && info.ClientInfo != nil {
		return info.ClientInfo.Name
	}
	if session, ok := server.ClientSessionFromContext(ctx).(server.SessionWithClientInfo); ok {
		return session.GetClientInfo().Name
	}
	return ""
}

func osUser() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return cmp.Or(os.Getenv("USER"), "unknown")
}

// now is the clock that the answers and the acts share.
func (s *Server) now() time.Time { return s.app.Now() }

// handler wraps a tool: nothing but an answer or a worded refusal leaves it, and
// what it did is on record.
func (s *Server) handler(t tool) server.ToolHandlerFunc {
	return func(ctx context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		began := time.Now()
		result, done := s.perform(ctx, t, request)
		s.audit(ctx, t, request.Params.Arguments, done, time.Since(began), summaryOf(result))
		return result, nil
	}
}

func (s *Server) perform(ctx context.Context, t tool, request mcp.CallToolRequest) (result *mcp.CallToolResult,
	done deed,
) {
	defer func() {
		if cause := recover(); cause != nil {
			result, done.outcome = refusal(s.secrets, s.mishap(t, fmt.Errorf("panic: %v", cause))), t.failed()
		}
	}()
	if err := s.allowed(ctx, t.name, t.scope); err != nil {
		return refusal(s.secrets, s.worded(t, err, nil)), deed{outcome: app.ActRefused}
	}
	args, err := t.read(request.Params.Arguments)
	if err == nil {
		if err := s.allowed(ctx, t.name, t.needs(args.given)); err != nil {
			return refusal(s.secrets, s.worded(t, err, nil)), deed{outcome: app.ActRefused}
		}
	}
	if err == nil && s.secrets.Holds(request.Params.Arguments) {
		err = credential("arguments")
	}
	given, _ := asObject(request.Params.Arguments)
	if err != nil {
		if s.secrets.Holds(request.Params.Arguments) || t.refuseCredentials(given) != nil {
			given = nil // not even to be repeated
		}
		return refusal(s.secrets, s.worded(t, err, given)), deed{}
	}
	args.round = request.Params.MultiRoundTripParams
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // what a call has begun ends with it
	answer, err := t.call(s, withProgress(ctx, request), args)
	if err == nil {
		err = args.err()
	}
	var asked *unanswered
	switch {
	case errors.As(err, &asked):
		return asked.result, args.deed
	case err != nil && rules.CodeOf(err) == rules.Internal && args.outcome == "":
		args.outcome = t.failed()
	}
	if err != nil {
		return refusal(s.secrets, s.worded(t, err, given)), args.deed
	}
	return s.answer(t, answer), args.deed
}

// failed is the outcome of a call that broke: what it may have done, if it does
// anything, is worth a record.
func (t *tool) failed() string {
	if t.effect.reads {
		return ""
	}
	return app.ActFailed
}
