package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator/sourcetest"
)

// mood is how a receiver treats who calls.
type mood int32

const (
	sound     mood = iota
	refusing       // nobody listens
	closing        // accepts a connection, as a proxy does whose backend is away, and closes it
	resetting      // the same, with a reset
	hanging        // takes the message and never answers
	late           // takes it, and answers after the sender has lost patience
	breaking       // takes it, and breaks off
	failing        // answers 503
	moodCount
)

// moodyReceiver is a webhook whose mood changes. It remembers all it has read,
// answered or not.
type moodyReceiver struct {
	t       *testing.T
	address string
	mood    atomic.Int32

	mu       sync.Mutex
	server   *http.Server
	over     chan struct{} // closed when the mood ends
	messages []*received
}

// received is one message that was read whole.
type received struct {
	at       time.Time
	text     string
	alerts   []string // "id reason peak" of each
	answered bool     // with a success
}

func newMoodyReceiver(t *testing.T) *moodyReceiver {
	r := &moodyReceiver{t: t, address: sourcetest.FreeAddress(t)}
	r.set(sound)
	t.Cleanup(func() { r.set(refusing) })
	return r
}

// set changes the mood. A late answer that is under way is given; what hangs is
// cut.
func (r *moodyReceiver) set(m mood) {
	if r.server != nil {
		r.leave()
	}
	r.mood.Store(int32(m))
	if m == refusing {
		return
	}
	l := r.listen()
	over, server := make(chan struct{}), &http.Server{Handler: r}
	r.mu.Lock()
	r.over, r.server = over, server
	r.mu.Unlock()
	go func() { _ = server.Serve(moodyListener{l, r}) }() // ends with leave
}

// listen takes the address again. While nobody listens, the one who calls may
// have it himself for a moment.
func (r *moodyReceiver) listen() net.Listener {
	for {
		l, err := net.Listen("tcp", r.address)
		if err == nil {
			return l
		}
		if r.t.Context().Err() != nil {
			r.t.Fatal(err)
		}
		wait(50 * time.Millisecond)
	}
}

func (r *moodyReceiver) leave() {
	close(r.over)
	if mood(r.mood.Load()) != late {
		_ = r.server.Close() // what is under way is to be cut
	} else if err := r.server.Shutdown(r.t.Context()); err != nil && r.t.Context().Err() == nil {
		r.t.Error(err)
	}
	r.server = nil
}

// moodyListener breaks connections before anything is read.
type moodyListener struct {
	net.Listener
	*moodyReceiver
}

// Accept hands out the connections that are not broken.
func (l moodyListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		switch mood(l.mood.Load()) {
		case resetting:
			if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
				l.t.Error(err)
			}
			fallthrough
		case closing:
			_ = conn.Close() // which is what the sender is to see
		default:
			return conn, nil
		}
	}
}

// ServeHTTP reads a message and treats it as the mood is.
func (r *moodyReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	m := mood(r.mood.Load())
	if m == failing {
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the sender was killed
	}
	got := r.hear(body, m == sound || m == late)
	r.mu.Lock()
	over := r.over
	r.mu.Unlock()
	switch m {
	case hanging:
		select {
		case <-over:
		case <-req.Context().Done():
		}
		panic(http.ErrAbortHandler)
	case breaking:
		panic(http.ErrAbortHandler)
	case late:
		wait(1500 * time.Millisecond)
		if req.Context().Err() != nil {
			r.mu.Lock()
			got.answered = false // the sender was killed meanwhile
			r.mu.Unlock()
		}
	}
}

func (r *moodyReceiver) hear(body []byte, answered bool) *received {
	var doc struct{ Title, Message string }
	if err := json.Unmarshal(body, &doc); err != nil {
		r.t.Errorf("the webhook got no JSON: %s", body)
	}
	got := &received{at: time.Now().UTC(), text: doc.Title + "\n" + doc.Message, answered: answered}
	for line := range strings.Lines(doc.Message) {
		if alert, ok := strings.CutPrefix(line, "#"); ok {
			got.alerts = append(got.alerts, strings.TrimSpace(alert))
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, got)
	return got
}

// texts lists what was heard, title and text.
func (r *moodyReceiver) texts() (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.messages {
		out = append(out, m.text)
	}
	return out
}

// heard reports whether the alert with this peak was told, and its end.
func (r *moodyReceiver) heard(peak int) (begun, over bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.messages {
		for _, a := range m.alerts {
			if strings.HasSuffix(a, fmt.Sprint(" ", peak)) {
				begun = true
				over = over || strings.Contains(a, " resolved ")
			}
		}
	}
	return begun, over
}

// repeats counts the news that were heard again, and the messages that were
// read and not answered, which explain them.
func (r *moodyReceiver) repeats() (again, unanswered int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := map[string]bool{}
	for _, m := range r.messages {
		if !m.answered {
			unanswered++
		}
		for _, a := range m.alerts {
			if strings.Contains(a, " reminder ") {
				continue // one for the end of each silence
			}
			if seen[a] {
				again++
			}
			seen[a] = true
		}
	}
	return again, unanswered
}
