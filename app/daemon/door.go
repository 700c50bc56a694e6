package daemon

import (
	"context"
	"net/http"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/local"
	"github.com/9bikes/tocsin/app/mcp"
)

// serveSocket answers the other processes of this machine, whose users the
// operating system names. That it cannot is no reason not to run.
func (d *daemon) serveSocket(ctx context.Context, dataDir string, connections int) error {
	l, err := local.Listen(dataDir, d.log)
	if err != nil {
		d.log.Warn("there is no local socket; `tocsin mcp` works on the database itself", "error", err)
		return nil
	}
	return d.serveHTTP(ctx, l, d.local(dataDir), connections)
}

// local answers what comes over the socket.
func (d *daemon) local(dataDir string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/mcp", func(w http.ResponseWriter, r *http.Request) {
		scope := app.ScopeWrite
		if r.RemoteAddr == local.Unknown {
			scope = app.ScopeRead // what is changed has an author
		}
		d.answerMCP(w, r, r.RemoteAddr, scope) // the address of a peer is its user
	})
	mux.HandleFunc("/", d.answerLocal)
	return local.OnlyFor(dataDir, mux)
}

// answerLocal lets the present session answer a command.
func (d *daemon) answerLocal(w http.ResponseWriter, r *http.Request) {
	h := d.desk.Load()
	if h == nil {
		http.Error(w, "tocsin is starting", http.StatusServiceUnavailable)
		return
	}
	(*h).ServeHTTP(w, r)
}

// answerMCP lets the present session answer a model on behalf of who was let
// in.
func (d *daemon) answerMCP(w http.ResponseWriter, r *http.Request, name string, scope app.Scope) {
	h := d.door.Load()
	if h == nil {
		http.Error(w, "tocsin is starting", http.StatusServiceUnavailable)
		return
	}
	h.ServeHTTP(w, r.WithContext(mcp.WithCaller(r.Context(), mcp.Caller{Name: name, Scope: scope})))
}
