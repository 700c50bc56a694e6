package mcp

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"github.com/9bikes/tocsin/app/sessions"
)

// begunKey is where a request has the id of the session that it begins.
type begunKey struct{}

// resolver finds the sessions as the caller of a request sees them.
type resolver struct{ *sessions.Sessions }

// ResolveSessionIdManager returns those of the caller of r.
func (s resolver) ResolveSessionIdManager(r *http.Request) server.SessionIdManager {
	if r == nil {
		return owned{s.Sessions, "", ""}
	}
	begun, _ := r.Context().Value(begunKey{}).(string)
	return owned{s.Sessions, callerName(r), begun}
}

// owned are the sessions of one owner.
type owned struct {
	all   *sessions.Sessions
	owner string
	begun string // by this request
}

// Generate returns the id of the session that this request begins. Any other
// request is answered under an id that leads to none.
func (o owned) Generate() string { return cmp.Or(o.begun, rand.Text()) }

// Validate refuses what is no session of the owner.
func (o owned) Validate(id string) (ended bool, err error) {
	return false, o.all.Use(id, o.owner, time.Now())
}

// Terminate ends a session. Freeing one that was ended already comes here too,
// and has no owner.
func (o owned) Terminate(id string) (forbidden bool, err error) {
	return !o.all.End(id, o.owner), nil
}
