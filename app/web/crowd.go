package web

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	usualConnections = 512
	// stuckWrite is how long a client may leave an answer unread before others
	// go before it.
	stuckWrite = 5 * time.Second
	// firstWord is how long who connects has to send a request, at least, for
	// each connection that an address may have. A burst is let in so slowly.
	firstWord = 200 * time.Microsecond
	logEvery  = time.Minute
)

// crowd is a listener that bounds its connections. One too many makes the one
// leave that has kept us waiting for longest: who sends a request and reads the
// answer is always quicker than who holds a connection. A request that came
// whole is never cut off for another.
type crowd struct {
	net.Listener
	total, perAddress int
	log               *slog.Logger

	mu     sync.Mutex
	open   map[*guest]struct{}
	from   map[string]int // connections of each address
	logged time.Time
}

func newCrowd(l net.Listener, o ServeOptions) *crowd {
	total := cmp.Or(o.Connections, usualConnections)
	return &crowd{
		Listener: l, total: total, perAddress: cmp.Or(o.PerAddress, max(1, total*3/4)), log: o.Log,
		open: map[*guest]struct{}{}, from: map[string]int{},
	}
}

// guest is one connection of a crowd.
type guest struct {
	net.Conn
	crowd   *crowd
	address string
	writing atomic.Int64 // since when a write waits, in nanoseconds, 0 for none

	// guarded by crowd.mu
	since time.Time // when it began to keep us waiting
	whole bool      // a request came whole and is being answered
}

// Accept returns the next connection that there is room for.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		g := &guest{Conn: conn, crowd: c, address: addressOf(conn.RemoteAddr()), since: time.Now()}
		time.Sleep(c.tooSoon(g))
		out, ok := c.admit(g)
		if out != nil {
			_ = out.Close() // it keeps nothing that a close could lose
		}
		if ok {
			return g, nil
		}
		turnAway(conn)
	}
}

// tooSoon is how long the one that has to leave for a connection still has to
// send its request, so that a burst does not sweep away who came to ask.
func (c *crowd) tooSoon(g *guest) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	out, _ := c.leaver(g)
	if out == nil || out.whole {
		return 0
	}
	return time.Until(out.since.Add(min(time.Duration(c.perAddress)*firstWord, 20*time.Millisecond)))
}

// admit counts a connection, and names the one that has to leave for it. With
// nobody to leave there is no room.
func (c *crowd) admit(g *guest) (out *guest, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out, full := c.leaver(g)
	if full {
		c.warn(g, out == nil)
	}
	if full && out == nil {
		return nil, false
	}
	c.remove(out)
	c.open[g] = struct{}{}
	c.from[g.address]++
	return out, true
}

// leaver is who leaves for g, if there is no room for both.
func (c *crowd) leaver(g *guest) (out *guest, full bool) {
	crowded := c.from[g.address] >= c.perAddress
	if !crowded && len(c.open) < c.total {
		return nil, false
	}
	return c.slowest(func(other *guest) bool { return !crowded || other.address == g.address }, time.Now()), true
}

// slowest is the connection to leave: of the address with the most, the one
// that kept us waiting for longest.
func (c *crowd) slowest(among func(*guest) bool, now time.Time) (out *guest) {
	for g := range c.open {
		if !among(g) || !g.keepsWaiting(now) {
			continue
		}
		if out == nil {
			out = g
			continue
		}
		if more := c.from[g.address] - c.from[out.address]; more > 0 || more == 0 && g.since.Before(out.since) {
			out = g
		}
	}
	return out
}

// warn tells once a minute that there is no room.
func (c *crowd) warn(g *guest, refused bool) {
	if now := time.Now(); now.Sub(c.logged) >= logEvery {
		c.logged = now
		c.log.Warn("too many connections; those that send nothing are closed",
			"open", len(c.open), "address", g.address, "of_it", c.from[g.address], "refused", refused)
	}
}

func (c *crowd) remove(g *guest) {
	if _, there := c.open[g]; !there {
		return
	}
	delete(c.open, g)
	if c.from[g.address]--; c.from[g.address] == 0 {
		delete(c.from, g.address)
	}
}

const noRoom = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n" +
	"Content-Type: text/plain\r\nContent-Length: 21\r\n\r\ntoo many connections\n"

// turnAway says that there is no room, to whoever reads it.
func turnAway(conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(50 * time.Millisecond))
	_, _ = io.WriteString(conn, noRoom)
	_ = conn.Close()
}

// addressOf is whom a connection counts for: a user, an IPv4 address, or the
// network that one household of IPv6 has.
func addressOf(a net.Addr) string {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return a.String()
	}
	ip := at.Addr().Unmap().WithZone("")
	if prefix, err := ip.Prefix(64); err == nil && ip.Is6() {
		return prefix.String()
	}
	return ip.String()
}

// keepsWaiting reports whether it is the client that has to do something.
func (g *guest) keepsWaiting(now time.Time) bool {
	began := g.writing.Load()
	return !g.whole || began != 0 && now.UnixNano()-began > int64(stuckWrite)
}

// Write writes on, and notes how long that takes.
func (g *guest) Write(p []byte) (int, error) {
	g.writing.Store(time.Now().UnixNano())
	defer g.writing.Store(0)
	return g.Conn.Write(p)
}

// Close closes the connection and makes room.
func (g *guest) Close() error {
	g.crowd.mu.Lock()
	g.crowd.remove(g)
	g.crowd.mu.Unlock()
	return g.Conn.Close()
}

// CloseWrite ends the answers; net/http lets the client read them to the end.
func (g *guest) CloseWrite() error {
	if c, ok := g.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

func (g *guest) become(whole bool) {
	g.crowd.mu.Lock()
	defer g.crowd.mu.Unlock()
	g.whole, g.since = whole, time.Now()
}

// follow notes when a connection waits for its client again.
func follow(c net.Conn, state http.ConnState) {
	if g, ok := c.(*guest); ok && (state == http.StateActive || state == http.StateIdle) {
		g.become(false)
	}
}

type guestKey struct{}

func withGuest(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, guestKey{}, c)
}

// noteWhole notes when a request has come whole.
func noteWhole(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g, ok := r.Context().Value(guestKey{}).(*guest); ok {
			if r.Body == nil || r.Body == http.NoBody {
				g.become(true)
			} else {
				r.Body = &arriving{r.Body, g}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// arriving is a body whose end is noted.
type arriving struct {
	io.ReadCloser
	guest *guest
}

// Read reads on.
func (a *arriving) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if err != nil {
		a.guest.become(true)
	}
	return n, err
}
