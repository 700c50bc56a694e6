package daemon

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/chart"
	"github.com/9bikes/tocsin/app/cli"
	"github.com/9bikes/tocsin/app/config"
	"github.com/9bikes/tocsin/app/local"
	"github.com/9bikes/tocsin/app/mcp"
	"github.com/9bikes/tocsin/app/stdio"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// MCP is the side that Claude starts. It takes each message to the daemon
// if that answers, and otherwise to a server in this process, which opens no
// key and no channel.
func (p Program) MCP(ctx context.Context, o cli.MCPOptions) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	options := stdio.Options{Log: log, Reads: mcp.Reads}
	if o.Connect != "" {
		target, err := remoteTarget(o, log)
		if err != nil {
			return err
		}
		return stdio.NewBridge([]stdio.Target{target}, options).Run(ctx, os.Stdin, os.Stdout)
	}
	c, err := loadConfig(o.Config, false)
	if err != nil {
		c = config.Find(o.Config, os.Environ())
		if there, _ := placeOf(c).Find(ctx); there == nil {
			return err
		}
	}
	late := &lateApp{program: p, path: o.Config, config: c}
	here := mcp.New(app.New(app.App{Config: c, Version: p.Version}), mcp.Options{
		Log: log, Version: p.Version, Draw: chart.PNG, Scope: scopeOf(o), Open: late.open,
	})
	defer here.Close()
	targets := append(socketTargets(c, scopeHeader(o)),
		stdio.Target{Name: "this process", Connect: func() stdio.Session { return here.Connect() }})
	err = stdio.NewBridge(targets, options).Run(ctx, os.Stdin, os.Stdout)
	return errors.Join(err, late.close())
}

func scopeOf(o cli.MCPOptions) app.Scope {
	if o.ReadOnly {
		return app.ScopeRead
	}
	return app.ScopeWrite
}

func scopeHeader(o cli.MCPOptions) http.Header {
	h := http.Header{}
	if o.ReadOnly {
		h.Set(mcp.ScopeHeader, string(app.ScopeRead))
	}
	return h
}

// lateApp is an App that is opened when somebody needs it. Till then the config
// may be as little as it takes to find the daemon, which has the rest.
type lateApp struct {
	program Program
	path    string
	config  *app.Config
	closing func() error
}

// open is called by one at a time, until it gave an App.
func (l *lateApp) open(ctx context.Context) (*app.App, error) {
	c, err := loadConfig(l.path, false)
	if err != nil {
		return nil, withCure(ctx, err, l.config)
	}
	a, closing, err := l.program.open(ctx, c, false)
	if err != nil {
		return nil, withCure(ctx, err, c)
	}
	l.closing = closing
	return a, nil
}

func (l *lateApp) close() error {
	if l.closing == nil {
		return nil
	}
	return l.closing()
}

// withCure adds the cure to the error of a database that cannot be opened: the
// daemon can, and answers those who may use its socket.
func withCure(ctx context.Context, err error, c *app.Config) error {
	code := rules.CodeOf(err)
	if code == rules.Internal {
		return err
	}
	var barred *local.BarredError
	switch there, e := placeOf(c).Find(ctx); {
	case there != nil:
		return err
	case errors.As(e, &barred):
		return rules.Errorf(code, "%s. The daemon's socket %s may not be used either: have an administrator run %s, log in "+
			"again and restart this client", rules.Sentence(err), barred.Path, local.JoinGroup())
	case e != nil:
		return err // it runs, and is busy
	}
	if !errors.Is(err, sqlite.ErrGone) { // which a daemon would make
		return rules.Errorf(code, "%s. Or start the daemon (`tocsin serve`): while it runs it answers here", rules.Sentence(err))
	}
	return err
}

// socketTargets are the ways to the daemon of this machine.
func socketTargets(c *app.Config, header http.Header) (targets []stdio.Target) {
	if runtime.GOOS == "windows" {
		return nil // which does not say who would act
	}
	for _, s := range placeOf(c).Sockets() {
		maps.Copy(s.Header, header)
		targets = append(targets, socketTarget(s))
	}
	return targets
}

func socketTarget(s local.Socket) stdio.Target {
	return stdio.Target{
		Name: "unix:" + s.Path, URL: "http://tocsin/mcp", Header: s.Header, Dial: s.Dial,
		Cure: "is the daemon running (`tocsin serve`), and may this user use its socket (group " + local.Group + ")?",
	}
}

// remoteTarget is the daemon that --connect names. No config is read for it.
func remoteTarget(o cli.MCPOptions, log *slog.Logger) (stdio.Target, error) {
	header := scopeHeader(o)
	token, err := readToken(o.TokenFile)
	if err != nil {
		return stdio.Target{}, err
	}
	if !token.IsZero() {
		header.Set("Authorization", "Bearer "+token.Reveal())
	}
	if path, ok := strings.CutPrefix(o.Connect, "unix:"); ok {
		if rooted, ok := strings.CutPrefix(path, "//"); ok {
			path = rooted
		}
		if runtime.GOOS == "windows" {
			return stdio.Target{}, rules.FieldErrorf("--connect",
				"there is no local socket on this system; for example --connect http://127.0.0.1:8627")
		}
		return socketTarget(local.Socket{Path: path, Header: header}), nil
	}
	u, err := mcpURL(o.Connect)
	if err != nil {
		return stdio.Target{}, err
	}
	if u.Scheme == "http" && !token.IsZero() && !rules.Loopback(u.Hostname()) {
		log.Warn("the token goes over the network in clear; use https, or a tunnel", "url", u)
	}
	cure := "is the daemon running there, and does it listen beyond loopback (listen: in its config)?"
	if rules.Loopback(u.Hostname()) {
		cure = "is the daemon running (`tocsin serve`), and is this the address it listens on?"
	}
	return stdio.Target{Name: u.String(), URL: u.String(), Header: header, Cure: cure}, nil
}

// mcpURL is the endpoint of a daemon, whose path may be left out.
func mcpURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, rules.FieldErrorf("--connect",
			"must be the address of a daemon or of its socket; for example https://pi.local:8627 or unix:/run/tocsin/%s",
			local.SocketName)
	}
	if u.User != nil || u.RawQuery != "" {
		return nil, rules.FieldErrorf("--connect",
			"takes no credential, which others could read; put a token into TOCSIN_TOKEN or a file for --token-file")
	}
	if !strings.HasSuffix(u.Path, "/mcp") {
		u.Path = strings.TrimSuffix(u.Path, "/") + "/mcp"
	}
	return u, nil
}

// readToken is the token of the file, or of the environment.
func readToken(path string) (rules.Secret, error) {
	if path == "" {
		return rules.NewSecret(strings.TrimSpace(os.Getenv("TOCSIN_TOKEN"))), nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return rules.Secret{}, rules.FieldErrorf("--token-file", "cannot read %s: %v", path, rules.Cause(err))
	}
	if text, err = rules.PlainText(text); err != nil {
		return rules.Secret{}, rules.FieldErrorf("--token-file", "%s %v", path, err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return rules.Secret{}, rules.FieldErrorf("--token-file", "%s must hold one token and nothing else", path)
	}
	return rules.NewSecret(token), nil
}
