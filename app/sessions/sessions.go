// Package sessions keeps account of a server's clients: who has begun a session
// and which may make room, and who waits for news of what. It knows no protocol
// and sends nothing.
package sessions

import (
	"cmp"
	"crypto/rand"
	"errors"
	"sync"
	"time"
)

// Limits are how many sessions are kept, and how long; the zero value is right.
type Limits struct {
	// Sessions is the most sessions that are kept, 0 for 400. One that is not in
	// use makes room for the next; where all are, there is no next.
	Sessions int
	// PerOwner is the most sessions of one caller, 0 for three in eight of all.
	PerOwner int
	// Idle is how long a session is kept that nothing is heard of, 0 for 12 h.
	Idle time.Duration
}

const (
	// usedFor is how long a session counts as in use after its last call: a
	// person may read an answer before the next question.
	usedFor = 5 * time.Minute
	// begunFor is the same for one that nothing was asked in yet.
	begunFor = time.Minute
)

// Sessions are those of one server, so many at most, and so many of one owner,
// who began them. One that is in use is not ended for another.
type Sessions struct {
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

// New returns no sessions yet. Free is called with the id of one that is ended
// for another or for its age, and with that of each that Clear ends.
func New(l Limits, free func(id string)) *Sessions {
	most := cmp.Or(l.Sessions, 400)
	return &Sessions{
		most: most, perOwner: cmp.Or(l.PerOwner, max(1, most*3/8)), idle: cmp.Or(l.Idle, 12*time.Hour),
		free: free, open: map[string]*session{},
	}
}

// Idle is how long a session is kept that nothing is heard of.
func (s *Sessions) Idle() time.Duration { return s.idle }

// Begin makes room for a session of owner, if it can, and returns its id.
func (s *Sessions) Begin(owner string, now time.Time) (id string, ok bool) {
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
func (s *Sessions) quietest(now time.Time, among func(*session) bool) (id string) {
	for other, o := range s.open {
		q := s.open[id]
		if among(o) && !o.inUse(now) && (q == nil || q.asked && !o.asked || q.asked == o.asked && o.heard.Before(q.heard)) {
			id = other
		}
	}
	return id
}

// Use notes that something is asked in a session of owner. What is none is an
// error.
func (s *Sessions) Use(id, owner string, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.open[id]
	if o == nil || o.owner != owner {
		return errors.New("there is no such session")
	}
	o.heard, o.asked = now, true
	return nil
}

// End ends a session of owner and reports whether it was not another's. What is
// else kept of it is the caller's to free.
func (s *Sessions) End(id, owner string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.open[id]; o != nil && o.owner != owner {
		return false
	}
	s.end(id)
	return true
}

func (s *Sessions) end(id string) {
	if o := s.open[id]; o != nil {
		close(o.gone)
		delete(s.open, id)
	}
}

// Listen notes that somebody listens to a session until leave is called. gone
// is closed when the session ends.
func (s *Sessions) Listen(id, owner string) (gone <-chan struct{}, leave func(), ok bool) {
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

// Call notes that a call is under way in a session until done is called.
func (s *Sessions) Call(id string) (done func()) {
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

// Drop ends a session that did not come about.
func (s *Sessions) Drop(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(id)
}

// Has reports whether there is such a session.
func (s *Sessions) Has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[id] != nil
}

// Expire ends the sessions that nothing was heard of for too long.
func (s *Sessions) Expire(now time.Time) {
	s.endWhere(func(o *session) bool { return o.streams == 0 && now.Sub(o.heard) > s.idle })
}

// Clear ends all sessions.
func (s *Sessions) Clear() { s.endWhere(func(*session) bool { return true }) }

func (s *Sessions) endWhere(over func(*session) bool) {
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

func (s *Sessions) freeAll(ids []string) {
	for _, id := range ids {
		s.free(id)
	}
}
