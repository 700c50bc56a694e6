package sessions

import "sync"

// mostURIs is how many addresses one client may wait for.
const mostURIs = 100

// Subscribers are who asked to hear of changes. Nobody else is told: not what a
// client did not subscribe to, and not that a list has changed which it never
// read.
type Subscribers struct {
	mu        sync.Mutex
	listeners map[any]*listener
	known     map[string]string // what each address that is waited for was last
	waiting   bool              // there is news to be told soon
}

// listener is one client, or one stream of it.
type listener struct {
	wants map[string]bool
	send  func(uri string) error
}

// Add lets a listener, known by a key, wait for addresses, and returns those
// that nobody waited for before.
func (s *Subscribers) Add(key any, uris []string, send func(uri string) error) (fresh []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listeners == nil {
		s.listeners, s.known = map[any]*listener{}, map[string]string{}
	}
	l := s.listeners[key]
	if l == nil {
		l = &listener{wants: map[string]bool{}, send: send}
		s.listeners[key] = l
	}
	for _, uri := range uris {
		if len(l.wants) == mostURIs {
			break
		}
		l.wants[uri] = true
		if _, ok := s.known[uri]; !ok {
			fresh = append(fresh, uri)
		}
	}
	return fresh
}

// Learn takes what addresses are as what was last told of them.
func (s *Subscribers) Learn(now map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for uri, state := range now {
		if _, ok := s.known[uri]; !ok {
			s.known[uri] = state
		}
	}
}

// Forget takes an address off what a listener waits for.
func (s *Subscribers) Forget(key any, uri string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.listeners[key]; l != nil {
		delete(l.wants, uri)
		s.tidy()
	}
}

// Drop takes a listener off.
func (s *Subscribers) Drop(key any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, key)
	s.tidy()
}

// tidy lets go of listeners and addresses that nothing waits for.
func (s *Subscribers) tidy() {
	wanted := map[string]bool{}
	for key, l := range s.listeners {
		if len(l.wants) == 0 {
			delete(s.listeners, key)
		}
		for uri := range l.wants {
			wanted[uri] = true
		}
	}
	for uri := range s.known {
		if !wanted[uri] {
			delete(s.known, uri)
		}
	}
}

// Awaited lists all addresses that somebody waits for. What is committed from
// now on is told the next time.
func (s *Subscribers) Awaited() (uris []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = false
	seen := map[string]bool{}
	for _, l := range s.listeners {
		for uri := range l.wants {
			if !seen[uri] {
				seen[uri] = true
				uris = append(uris, uri)
			}
		}
	}
	return uris
}

// Item is one piece of news for one listener.
type Item struct {
	URI  string
	send func(uri string) error
}

// Send tells the listener.
func (i Item) Send() error { return i.send(i.URI) }

// Stir reports whether the caller has to tell of a change, soon: somebody waits
// for news and no other was asked to tell since the last look at what is
// Awaited.
func (s *Subscribers) Stir() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.listeners) == 0 || s.waiting {
		return false
	}
	s.waiting = true
	return true
}

// News takes over how things are now, and returns what that is news for whom.
func (s *Subscribers) News(now map[string]string) (out []Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for uri, state := range now {
		was, known := s.known[uri]
		if known && was == state {
			continue
		}
		s.known[uri] = state
		for _, l := range s.listeners {
			if known && l.wants[uri] {
				out = append(out, Item{uri, l.send})
			}
		}
	}
	return out
}
