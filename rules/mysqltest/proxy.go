package mysqltest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy passes connections on to a server and loses one when it is told to.
type Proxy struct {
	Address string

	target string
	mu     sync.Mutex
	passed int // pieces, in both directions
	cut    int // the piece at which the connection is lost; 0 for none
	how    Cut
	down   bool
	open   map[net.Conn]bool
}

// Cut says what becomes of the piece at which a connection is lost.
type Cut int

// The ways to lose a connection.
const (
	Before Cut = iota // the piece is lost too
	Within            // half of it arrives
	After             // it arrives, and nothing after it
)

// NewProxy starts a proxy and ends it with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Address: l.Addr().String(), target: target, open: map[net.Conn]bool{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.Down(true)
		running.Wait()
	})
	return p
}

// Lose loses the connection that passes piece n from now on, once; 0 never.
func (p *Proxy) Lose(n int, how Cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.passed, p.cut, p.how = 0, n, how
}

// Passed counts the pieces since Lose was called.
func (p *Proxy) Passed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passed
}

// Down loses all connections and refuses new ones, or takes them again.
func (p *Proxy) Down(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
	if down {
		for conn := range p.open {
			_ = conn.Close()
		}
	}
}

func (p *Proxy) enter(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		p.open[conn] = true
	}
	return !p.down
}

func (p *Proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = client.Close()
		return
	}
	hangUp := func() {
		_ = client.Close()
		_ = server.Close()
	}
	defer hangUp()
	if !p.enter(client, server) {
		return
	}
	var both sync.WaitGroup
	for from, to := range map[net.Conn]net.Conn{client: server, server: client} {
		both.Go(func() {
			defer hangUp()
			p.pass(from, to)
		})
	}
	both.Wait()
	p.mu.Lock()
	delete(p.open, client)
	delete(p.open, server)
	p.mu.Unlock()
}

// pass copies pieces until one is to be lost.
func (p *Proxy) pass(from io.Reader, to io.Writer) {
	piece := make([]byte, 1<<16)
	for {
		n, err := from.Read(piece)
		if err != nil {
			return
		}
		how, lost := p.next()
		switch {
		case lost && how == Before:
			n = 0
		case lost && how == Within:
			n /= 2
		}
		if _, err := to.Write(piece[:n]); err != nil || lost {
			return
		}
	}
}

func (p *Proxy) next() (Cut, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.passed++
	return p.how, p.passed == p.cut
}
