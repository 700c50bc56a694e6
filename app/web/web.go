// Package web is the door for browsers, probes and whatever speaks HTTP: who
// may come in is decided here once for the whole listener, what is told comes
// from app. What a page means and what it may change does not belong here, nor
// does what models say at /mcp, which is app/mcp's, or points at /write, which
// are the live source's.
package web

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"slices"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// Options are what a Handler may be told; the zero value serves nobody but
// /health and /ready.
type Options struct {
	// Token is that of the config: who sends it may do everything. The tokens
	// of the database are good beside it.
	Token rules.Secret
	// Loopback says that the listener is bound to a loopback address.
	Loopback bool
	// Hosts are further names that the listener answers to. Where there are any
	// there is a proxy, which looks like this machine: all need a token.
	Hosts []string
	// Write takes points as InfluxDB does; nil where no live source is.
	Write http.Handler
	// MCP answers at /mcp whoever was let in: by the name of their token, or
	// "config token", or "local" for who needed none on this machine and may
	// only read. The tools look at the scope themselves. Nil: there is no such
	// door.
	MCP func(w http.ResponseWriter, r *http.Request, name string, scope app.Scope)
	// Draw makes a picture (PNG) of a chart; nil where there is none.
	Draw func(insight.Chart) ([]byte, error)
	// Log gets what is nobody's answer; nil discards it.
	Log *slog.Logger
}

// Handler answers everything that the listener of the daemon is asked.
type Handler struct {
	app     *app.App
	options Options
	token   [sha256.Size]byte
	meter   *meter
	mux     *http.ServeMux

	doorkeeper *app.Doorkeeper
}

// New returns the handler of one session of the daemon.
func New(a *app.App, o Options) *Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := &Handler{
		app: a, options: o, token: sha256.Sum256([]byte(o.Token.Reveal())), mux: http.NewServeMux(),
		doorkeeper: app.NewDoorkeeper(a),
	}
	h.meter = newMeter(a, o.Log)
	for _, r := range h.Routes() {
		h.mux.HandleFunc(r.Pattern, r.answer)
	}
	return h
}

// Route is a pattern of requests that the listener answers.
type Route struct {
	Pattern string // as http.ServeMux reads it
	Meaning string // what the answer is, for a reference
	answer  http.HandlerFunc
}

// Routes lists everything that is answered; admit says to whom.
func (h *Handler) Routes() []Route {
	signed := newLinks(h)
	return append(newSite(h).routes(), []Route{
		{"GET /health", "200 while the process serves", h.serveHealth},
		{
			"GET /ready",
			"200 while the database answers and ticks are young, else 503; with `degraded` where a source is down " +
				"or enabled rules are not judged, which a restart would not mend", h.serveReady,
		},
		{"GET /status", "everything, as `tocsin status --json`", h.serveStatus},
		{"GET /metrics", "numbers for [Prometheus](metrics.md)", h.meter.handler.ServeHTTP},
		{"GET " + linkPath + "{token}", "what a signed link in a message would do, with a button", signed.show},
		{"POST " + linkPath + "{token}", "does it: acknowledge, snooze, or take back", signed.act},
		{
			mcpPath, "the [tools for models](mcp.md), over streamable HTTP; each looks at the scope of the token itself",
			h.serveMCP,
		},
		{"/write", "takes points in line protocol, as InfluxDB 1 does", h.serveWrite},
		{"/api/v2/write", "takes points in line protocol, as InfluxDB 2 does", h.serveWrite},
		{
			"/query", "answers what writers ask before they write, such as CREATE DATABASE and SHOW DATABASES; data is not " +
				"told here", h.serveWrite,
		},
		{"/ping", "204: points are taken here", h.serveWrite},
	}...)
}

// writePaths are InfluxDB's own.
func writePaths() []string { return []string{"/write", "/api/v2/write", "/query", "/ping"} }

// ServeHTTP answers a request, if it may be asked.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Content-Security-Policy",
		"default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	if who, ok := h.admit(w, r); ok {
		h.mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, who)))
	}
}

// callerKey is where a request has who sends it.
type callerKey struct{}

const mcpPath = "/mcp"

// serveMCP hands a request of the protocol on with who sends it.
func (h *Handler) serveMCP(w http.ResponseWriter, r *http.Request) {
	who, _ := r.Context().Value(callerKey{}).(caller)
	switch {
	case h.options.MCP == nil:
		h.refuse(w, r, http.StatusNotFound,
			"there is no MCP at this address; `tocsin mcp` speaks it over standard input and output")
	case !slices.Contains([]string{http.MethodGet, http.MethodPost, http.MethodDelete}, r.Method):
		w.Header().Set("Allow", "GET, POST, DELETE")
		h.refuse(w, r, http.StatusMethodNotAllowed,
			"MCP is spoken with POST, GET and DELETE; point an MCP client at this address")
	default:
		h.options.MCP(w, r, who.name, who.scope)
	}
}

// Delivered counts a delivery that was tried.
func (h *Handler) Delivered(channel string, _ notify.Message, o rules.Outcome) {
	h.meter.delivered(channel, o)
}

func (h *Handler) serveWrite(w http.ResponseWriter, r *http.Request) {
	if h.options.Write == nil {
		h.refuse(w, r, http.StatusNotFound, "no source takes points: add one of kind live under sources: in the config")
		return
	}
	h.options.Write.ServeHTTP(w, r)
}
