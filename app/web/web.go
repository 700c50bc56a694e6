// Package web is the door for browsers, probes and whatever speaks HTTP: who
// may come in is decided here once for the whole listener, what is told comes
// from app.
package web

import (
	"crypto/sha256"
	"html/template"
	"log/slog"
	"net/http"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// Options are what a Handler may be told; the zero value serves nobody but
// /health and /ready.
type Options struct {
	// Token opens everything to those who do not come over loopback; without
	// one they are refused.
	Token rules.Secret
	// Loopback says that the listener is bound to a loopback address.
	Loopback bool
	// Hosts are further names that the listener answers to.
	Hosts []string
	// Write takes points as InfluxDB does; nil where no live source is.
	Write http.Handler
	// Live answers, by its name, for each live source to the other processes of
	// this machine.
	Live map[string]http.Handler
	// Log gets what is nobody's answer; nil discards it.
	Log *slog.Logger
}

// Handler answers everything that the listener of the daemon is asked.
type Handler struct {
	app     *app.App
	options Options
	token   [sha256.Size]byte
	meter   *meter
	page    *template.Template
	mux     *http.ServeMux
}

// New returns the handler of one session of the daemon.
func New(a *app.App, o Options) *Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := &Handler{app: a, options: o, token: sha256.Sum256([]byte(o.Token.Reveal())), mux: http.NewServeMux()}
	h.meter = newMeter(a, o.Log)
	h.page = template.Must(template.ParseFS(pages, "page.html"))
	h.mux.HandleFunc("GET /health", h.serveHealth)
	h.mux.HandleFunc("GET /ready", h.serveReady)
	h.mux.HandleFunc("GET /status", h.serveStatus)
	h.mux.Handle("GET /metrics", h.meter.handler)
	h.mux.HandleFunc("GET /{$}", h.servePage)
	h.mux.HandleFunc("POST /live/{name}", h.serveLive)
	signed := newLinks(h)
	h.mux.HandleFunc("GET "+linkPath+"{token}", signed.show)
	h.mux.HandleFunc("POST "+linkPath+"{token}", signed.act)
	for _, path := range writePaths() {
		h.mux.HandleFunc(path, h.serveWrite)
	}
	return h
}

// writePaths are InfluxDB's own.
func writePaths() []string { return []string{"/write", "/api/v2/write", "/query", "/ping"} }

// ServeHTTP answers a request, if it may be asked.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	if !h.admit(w, r) {
		return
	}
	h.mux.ServeHTTP(w, r)
}

// Delivered counts a delivery that was tried.
func (h *Handler) Delivered(channel string, _ notify.Message, o rules.Outcome) {
	h.meter.delivered(channel, o.State)
}

func (h *Handler) serveWrite(w http.ResponseWriter, r *http.Request) {
	if h.options.Write == nil {
		h.refuse(w, r, http.StatusNotFound, "no source takes points: add one of kind live under sources: in the config")
		return
	}
	h.options.Write.ServeHTTP(w, r)
}

func (h *Handler) serveLive(w http.ResponseWriter, r *http.Request) {
	source := h.options.Live[r.PathValue("name")]
	if source == nil {
		h.refuse(w, r, http.StatusNotFound, "there is no live source of this name; tocsin status lists the sources")
		return
	}
	source.ServeHTTP(w, r)
}
