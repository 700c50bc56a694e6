package mcp

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/server"
)

// sessions are those of one Handler, so many at most. A session belongs to who
// began it.
type sessions struct {
	most int
	idle time.Duration
	free func(id string) // what else is kept of a session

	mu   sync.Mutex
	open map[string]*session
}

// session is one client that shook hands.
type session struct {
	owner   string
	heard   time.Time
	streams int
	gone    chan struct{} // closed at its end
}

func newSessions(o HandlerOptions, free func(string)) *sessions {
	return &sessions{most: cmp.Or(o.Sessions, 100), idle: cmp.Or(o.Idle, 12*time.Hour), free: free, open: map[string]*session{}}
}

// ResolveSessionIdManager returns the sessions as the caller of r sees them.
func (s *sessions) ResolveSessionIdManager(r *http.Request) server.SessionIdManager {
	return owned{s, callerName(r)}
}

// owned are the sessions of one owner.
type owned struct {
	*sessions
	owner string
}

// Generate begins a session.
func (o owned) Generate() string {
	id := rand.Text()
	o.mu.Lock()
	var old []string
	for len(o.open) >= o.most {
		quiet := o.quietest()
		o.end(quiet)
		old = append(old, quiet)
	}
	o.open[id] = &session{owner: o.owner, heard: time.Now(), gone: make(chan struct{})}
	o.mu.Unlock()
	o.freeAll(old)
	return id
}

// Validate refuses what is no session of the owner.
func (o owned) Validate(id string) (ended bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.open[id]
	if s == nil || s.owner != o.owner {
		return false, fmt.Errorf("there is no such session")
	}
	s.heard = time.Now()
	return false, nil
}

// Terminate ends a session. Freeing one that was ended already comes here too,
// and has no owner.
func (o owned) Terminate(id string) (forbidden bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.open[id]
	if s != nil && s.owner != o.owner {
		return true, nil
	}
	o.end(id)
	return false, nil
}

// quietest is the session to end first: one without a stream goes before one
// with, then the one that was not heard of for longest.
func (s *sessions) quietest() (id string) {
	for other, o := range s.open {
		q := s.open[id]
		if q == nil || (o.streams > 0) == (q.streams > 0) && o.heard.Before(q.heard) || o.streams == 0 && q.streams > 0 {
			id = other
		}
	}
	return id
}

func (s *sessions) end(id string) {
	if o := s.open[id]; o != nil {
		close(o.gone)
		delete(s.open, id)
	}
}

// listen notes that somebody listens to a session until leave is called. gone
// is closed when the session ends.
func (s *sessions) listen(id, owner string) (gone <-chan struct{}, leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.open[id]
	if o == nil || o.owner != owner {
		return nil, nil, false
	}
	o.streams++
	return o.gone, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		o.streams--
		o.heard = time.Now()
	}, true
}

func (s *sessions) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[id] != nil
}

// expire ends the sessions that nothing was heard of for too long.
func (s *sessions) expire(now time.Time) {
	s.endWhere(func(o *session) bool { return o.streams == 0 && now.Sub(o.heard) > s.idle })
}

// clear ends all sessions.
func (s *sessions) clear() { s.endWhere(func(*session) bool { return true }) }

func (s *sessions) endWhere(over func(*session) bool) {
	var old []string
	s.mu.Lock()
	for id, o := range s.open {
		if over(o) {
			s.end(id)
			old = append(old, id)
		}
	}
	s.mu.Unlock()
	s.freeAll(old)
}

func (s *sessions) freeAll(ids []string) {
	for _, id := range ids {
		s.free(id)
	}
}
