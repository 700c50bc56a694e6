package clock_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app/clock"
)

// listen makes a web server on an address of this machine that is not
// loopback.
func listen(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil || p.Addr().IsLoopback() || p.Addr().IsLinkLocalUnicast() {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(p.Addr().String(), "0"))
		if err != nil {
			t.Fatal(err)
		}
		s := httptest.NewUnstartedServer(handler)
		_ = s.Listener.Close() // of loopback
		s.Listener = l
		s.Start()
		t.Cleanup(s.Close)
		return s
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("this machine has no address but loopback")
	}
	t.Skip("this machine has no address but loopback")
	return nil
}

func server(t *testing.T, address string, o clock.ServerOptions) *clock.Server {
	t.Helper()
	s, err := clock.NewServer(address, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDateOfAnyAnswer(t *testing.T) {
	for _, status := range []int{204, 401, 404, 503, 302} {
		s := listen(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			if r.URL.Path != "/db/ping" {
				t.Errorf("asked %s", r.URL.Path)
			}
			w.WriteHeader(status)
		})
		got, err := server(t, s.URL+"/db/", clock.ServerOptions{}).Ask(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if off := time.Since(got.Date); off < 0 || off > 2*time.Second {
			t.Errorf("status %d: the date is %s off", status, off)
		}
		if want := netip.MustParseAddrPort(s.Listener.Addr().String()).Addr(); got.From != want {
			t.Errorf("status %d: from %s, want %s", status, got.From, want)
		}
	}
}

func TestNoCredentialIsSent(t *testing.T) {
	s := listen(t, func(_ http.ResponseWriter, r *http.Request) {
		if len(r.Header["Authorization"])+len(r.Header["Cookie"]) > 0 || r.URL.RawQuery != "" {
			t.Errorf("sent %v %s", r.Header, r.URL.RawQuery)
		}
	})
	address := strings.Replace(s.URL, "http://", "http://anna:s3cret@", 1) + "?u=anna&p=s3cret"
	if _, err := server(t, address, clock.ServerOptions{}).Ask(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestServerWithoutDate(t *testing.T) {
	hang := make(chan struct{})
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
	}{
		{"no date", func(w http.ResponseWriter, _ *http.Request) { w.Header()["Date"] = nil }},
		{"another format", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Date", "2026-03-02T12:00:00Z") }},
		{"no answer in time", func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := listen(t, tt.answer)
			address := strings.Replace(s.URL, "http://", "http://anna:s3cret@", 1) + "/t0ken?p=s3cret"
			_, err := server(t, address, clock.ServerOptions{Timeout: 100 * time.Millisecond}).Ask(t.Context())
			if err == nil {
				t.Fatal("a date came out of nothing")
			}
			if text := err.Error(); strings.Contains(text, "s3cret") || strings.Contains(text, "t0ken") {
				t.Errorf("the error shows the address: %s", text)
			}
		})
	}
	close(hang)
}

func TestAddresses(t *testing.T) {
	for _, address := range []string{"", "influxdb:8086", "unix:///run/influx.sock", "http://", "http://s3cret:%zz@host"} {
		if _, err := clock.NewServer(address, clock.ServerOptions{}); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// onLine is a log that calls itself with each line.
type onLine func()

// Write takes a line.
func (f onLine) Write(line []byte) (int, error) {
	f()
	return len(line), nil
}

// TestClockByAServer: a server on an own address, loopback or not, proves
// nothing, because it has the same clock; the same answer from elsewhere does.
func TestClockByAServer(t *testing.T) {
	for _, tt := range []struct {
		name      string
		elsewhere func(netip.Addr) bool
		want      string
	}{
		{"on this machine", nil, "unsure"},
		{"on another", func(a netip.Addr) bool { return a.IsValid() && !a.IsLoopback() }, "agrees with InfluxDB home"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := listen(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
			ctx, cancel := context.WithCancel(t.Context())
			c := clock.New(slog.New(slog.NewTextHandler(onLine(cancel), nil)), clock.Options{
				Flag: t.TempDir() + "/none", Kernel: func() (bool, error) { return false, nil }, Elsewhere: tt.elsewhere,
			})
			err := c.Run(ctx, map[string]clock.Ask{
				"home": server(t, s.URL, clock.ServerOptions{}).Ask,
				"never": func(ctx context.Context) (clock.Answer, error) {
					cancel() // home was not believed
					return clock.Answer{}, ctx.Err()
				},
			})
			if err != nil {
				t.Error(err)
			}
			if got := c.State(); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
