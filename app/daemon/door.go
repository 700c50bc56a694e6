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
		d.log.Warn("there is no local socket: commands do not find this daemon, and `tocsin mcp` works on the "+
			"database itself", "error", err)
		return nil
	}
	return d.serveHTTP(ctx, l, d.socket, connections)
}

// newSocket makes what answers over the socket.
func (d *daemon) newSocket(dataDir string) *local.Server {
	return local.NewServer(dataDir, d.version, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scope := app.ScopeWrite
		if r.RemoteAddr == local.Unknown {
			scope = app.ScopeRead // what is changed has an author
		}
		d.answerMCP(w, r, r.RemoteAddr, scope) // the address of a peer is its user
	}))
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
