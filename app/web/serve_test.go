package web_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/9bikes/tocsin/app/web"
)

// pipes is a listener in memory, so that a bubble's clock rules it.
type pipes struct {
	dialled chan net.Conn
	closed  chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.dialled:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8627} }

// dial connects and sends text; it returns the side to read answers from.
func (p *pipes) dial(t *testing.T, text string) net.Conn {
	t.Helper()
	here, there := net.Pipe()
	p.dialled <- there
	if _, err := io.WriteString(here, text); err != nil {
		t.Error(err)
	}
	return here
}

// serve runs Serve in the bubble until stop is called, which returns how long
// the end took, and its error.
func serve(t *testing.T, p *pipes, h http.HandlerFunc) (stop func() (took time.Duration, err error)) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(ctx, p, h, web.ServeOptions{}) }()
	return func() (time.Duration, error) {
		began := time.Now()
		cancel()
		err := <-ended
		return time.Since(began), err
	}
}

const getHealth = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"

func TestARequestUnderWayIsAnsweredAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		stop := serve(t, p, func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(2 * time.Second):
				w.WriteHeader(http.StatusTeapot)
			case <-r.Context().Done():
			}
		})
		c := p.dial(t, getHealth)
		synctest.Wait()
		answer := make(chan int, 1)
		go func() {
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Error(err)
				answer <- 0
				return
			}
			answer <- resp.StatusCode
		}()
		took, err := stop()
		if err != nil || took > 3*time.Second {
			t.Errorf("Serve ended with %v after %s", err, took)
		}
		if got := <-answer; got != http.StatusTeapot {
			t.Errorf("status = %d, want 418", got)
		}
	})
}

func TestARequestThatHangsIsCutAfterThreeSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		cut := make(chan error, 1)
		stop := serve(t, p, func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			cut <- r.Context().Err()
		})
		c, half := p.dial(t, getHealth), p.dial(t, "GET /health HTTP/1.1\r\nHost: local")
		synctest.Wait()
		began := time.Now()
		took, err := stop()
		if err != nil || took != 3*time.Second {
			t.Errorf("Serve ended with %v after %s, want nil after 3s", err, took)
		}
		if _, err := half.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(began) != 3*time.Second {
			t.Errorf("half a request got %v after %s, want EOF after 3s", err, time.Since(began))
		}
		if got := <-cut; !errors.Is(got, context.Canceled) {
			t.Errorf("the request saw %v", got)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestWhoNeverFinishesItsHeaderIsHungUpOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		stop := serve(t, p, func(http.ResponseWriter, *http.Request) { t.Error("half a request was answered") })
		began := time.Now()
		c := p.dial(t, "GET /health HTTP/1.1\r\nHost: local")
		if text, err := io.ReadAll(c); err != nil || strings.Contains(string(text), "200") {
			t.Errorf("the answer is %q, %v", text, err)
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("hung up after %s, want 5s", took)
		}
		if _, err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestSizesAreBounded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- web.Serve(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				w.WriteHeader(http.StatusRequestEntityTooLarge)
			}
		}), web.ServeOptions{})
	}()
	for _, tt := range []struct {
		name         string
		header, body int
		want         int
	}{
		{"a usual request", 100, 1 << 20, 200},
		{"a large header", 100 << 10, 0, 431},
		{"a large body", 100, 17 << 20, 413},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, fmt.Sprintf("http://%s/", l.Addr()),
				strings.NewReader(strings.Repeat("x", tt.body)))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Long", strings.Repeat("x", tt.header))
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := resp.Body.Close(); err != nil {
				t.Error(err)
			}
			if resp.StatusCode != tt.want {
				t.Errorf("status = %d, want %d", resp.StatusCode, tt.want)
			}
		})
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Serve ended with %v", err)
	}
}

func TestABrokenListenerIsAnError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := web.Serve(t.Context(), l, http.NotFoundHandler(), web.ServeOptions{}); err == nil {
		t.Error("Serve ends without an error on a listener that is closed")
	}
}
