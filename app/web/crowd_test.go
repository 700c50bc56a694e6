package web_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/9bikes/tocsin/app/web"
)

// named is the daemon's end of a connection from an address.
type named struct {
	net.Conn
	from net.Addr
}

func (n named) RemoteAddr() net.Addr { return n.from }

// crowd is a listener in a bubble, whose handler answers /wait when it is
// released and everything else at once.
type crowd struct {
	*testing.T
	pipes   *pipes
	release chan struct{}
	stop    func()
}

func newCrowd(t *testing.T, o web.ServeOptions) *crowd {
	c := &crowd{T: t, pipes: newPipes(), release: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- web.Serve(ctx, c.pipes, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/wait" {
				<-c.release
			}
			if _, err := io.Copy(io.Discard, r.Body); err == nil {
				w.WriteHeader(http.StatusNoContent)
			}
		}), o)
	}()
	c.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	return c
}

// dial connects from an address and sends text.
func (c *crowd) dial(ip, text string) net.Conn {
	c.Helper()
	here, there := net.Pipe()
	c.pipes.dialled <- named{there, &net.TCPAddr{IP: net.ParseIP(ip), Port: 1}}
	if text != "" {
		go func() { _, _ = io.WriteString(here, text) }() // the other end may be gone
	}
	synctest.Wait()
	return here
}

// status reads an answer, 0 for a connection that was closed.
func status(c net.Conn) int {
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	return resp.StatusCode
}

const (
	getWait  = "GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n"
	postPart = "POST /write HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nslow"
)

// TestWhoKeepsUsWaitingMakesRoom whatever it is that does not come: a request,
// the rest of one, a body, or the next request.
func TestWhoKeepsUsWaitingMakesRoom(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "half a header": "GET /health HT", "half a body": postPart, "no further request": getHealth,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrowd(t, web.ServeOptions{Connections: 4, PerAddress: 4})
				var silent []net.Conn
				for range 20 {
					conn := c.dial("192.0.2.1", text)
					if text == getHealth {
						status(conn)
					}
					silent = append(silent, conn)
				}
				if got := status(c.dial("192.0.2.1", getHealth)); got != 204 {
					t.Errorf("a request from the same address: %d, want 204", got)
				}
				if got := status(c.dial("192.0.2.9", getHealth)); got != 204 {
					t.Errorf("a request from another address: %d, want 204", got)
				}
				if got := status(silent[0]); got != 0 {
					t.Errorf("the oldest is still open: %d", got)
				}
				c.stop()
			})
		})
	}
}

// TestARequestThatCameWholeIsNotCutOff for another, which is told to come again.
func TestARequestThatCameWholeIsNotCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, web.ServeOptions{Connections: 4, PerAddress: 2})
		first, second := c.dial("192.0.2.1", getWait), c.dial("192.0.2.1", getWait)
		if got := status(c.dial("192.0.2.1", getHealth)); got != 503 {
			t.Errorf("a third of one address: %d, want 503", got)
		}
		other := c.dial("192.0.2.2", getHealth)
		if got := status(other); got != 204 {
			t.Errorf("another address: %d, want 204", got)
		}
		close(c.release)
		for _, conn := range []net.Conn{first, second} {
			if got := status(conn); got != 204 {
				t.Errorf("a request that was being answered: %d, want 204", got)
			}
		}
		c.stop()
	})
}

// TestAHouseholdIsOneAddress: IPv6 gives each at least 2^64 of them.
func TestAHouseholdIsOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, web.ServeOptions{Connections: 4, PerAddress: 2})
		first := c.dial("2001:db8::1", "")
		c.dial("2001:db8::2", "")
		c.dial("2001:db8::3", "")
		if got := status(first); got != 0 {
			t.Errorf("three of a household are open: %d", got)
		}
		kept := c.dial("2001:db8:0:1::1", getHealth)
		if got := status(kept); got != 204 {
			t.Errorf("another household: %d, want 204", got)
		}
		c.stop()
	})
}
