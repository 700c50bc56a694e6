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

const (
	// usedFor is how long a session counts as in use after its last call: a
	// person may read an answer before the next question.
	usedFor = 5 * time.Minute
	// begunFor is the same for one that nothing was asked in yet.
	begunFor = time.Minute
)

// sessions are those of one Handler, so many at most, and so many of one owner,
// who began them. One that is in use is not ended for another.
type sessions struct {
	most, perOwner int
	idle           time.Duration
	free           func(id string) // what else is kept of a session

	mu   sync.Mutex
	open map[string]*session
}

// session is one client that shook hands.
type session struct {
	owner   string
	heard   time.Time
	asked   bool // something, since it began
	calls   int  // under way
	streams int
	gone    chan struct{} // closed at its end
}

func (s *session) inUse(now time.Time) bool {
	quiet := now.Sub(s.heard)
	return s.streams > 0 || s.calls > 0 || quiet < begunFor || s.asked && quiet < usedFor
}

func newSessions(o HandlerOptions, free func(string)) *sessions {
	most := cmp.Or(o.Sessions, 400)
	return &sessions{
		most: most, perOwner: cmp.Or(o.PerOwner, max(1, most*3/8)), idle: cmp.Or(o.Idle, 12*time.Hour),
		free: free, open: map[string]*session{},
	}
}

// begin makes room for a session of owner, if it can, and returns its id.
func (s *sessions) begin(owner string, now time.Time) (id string, ok bool) {
	s.mu.Lock()
	own := 0
	for _, o := range s.open {
		if o.owner == owner {
			own++
		}
	}
	crowded, old := own >= s.perOwner, ""
	if crowded || len(s.open) >= s.most {
		if old = s.quietest(now, func(o *session) bool { return !crowded || o.owner == owner }); old == "" {
			s.mu.Unlock()
			return "", false
		}
		s.end(old)
	}
	id = rand.Text()
	s.open[id] = &session{owner: owner, heard: now, gone: make(chan struct{})}
	s.mu.Unlock()
	if old != "" {
		s.free(old)
	}
	return id, true
}

// quietest is the session to end first, "" where all are in use: one that was
// never asked anything goes before one that was, then the one that was not
// heard of for longest.
func (s *sessions) quietest(now time.Time, among func(*session) bool) (id string) {
	for other, o := range s.open {
		q := s.open[id]
		if among(o) && !o.inUse(now) && (q == nil || q.asked && !o.asked || q.asked == o.asked && o.heard.Before(q.heard)) {
			id = other
		}
	}
	return id
}

// begunKey is where a request has the id of the session that it begins.
type begunKey struct{}

// ResolveSessionIdManager returns the sessions as the caller of r sees them.
func (s *sessions) ResolveSessionIdManager(r *http.Request) server.SessionIdManager {
	if r == nil {
		return owned{s, "", ""}
	}
	begun, _ := r.Context().Value(begunKey{}).(string)
	return owned{s, callerName(r), begun}
}

// owned are the sessions of one owner.
type owned struct {
	*sessions
	owner string
	begun string // by this request
}

// Generate returns the id of the session that this request begins. Any other
// request is answered under an id that leads to none.
func (o owned) Generate() string { return cmp.Or(o.begun, rand.Text()) }

// Validate refuses what is no session of the owner.
func (o owned) Validate(id string) (ended bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.open[id]
	if s == nil || s.owner != o.owner {
		return false, fmt.Errorf("there is no such session")
	}
	s.heard, s.asked = time.Now(), true
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

// call notes that a call is under way in a session until done is called.
func (s *sessions) call(id string) (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.open[id]
	if o == nil {
		return func() {}
	}
	o.calls++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		o.calls--
		o.heard = time.Now()
	}
}

// drop ends a session that did not come about.
func (s *sessions) drop(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(id)
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
