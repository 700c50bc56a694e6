package shoutrrr

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/9bikes/tocsin/rules"
)

// brittle is a connection that takes so many bytes and no more, and breaks when
// it is full or has taken a request of 10,000 bytes.
type brittle struct {
	net.Conn
	room, taken int
	broken      chan struct{}
	once        sync.Once
}

func (b *brittle) Write(p []byte) (n int, err error) {
	if n = min(len(p), b.room-b.taken); n < len(p) {
		err = syscall.ECONNRESET
	}
	if b.taken += n; err != nil || b.taken > 10_000 {
		err = errors.Join(err, b.Close())
	}
	return n, err
}

func (b *brittle) Read([]byte) (int, error) {
	<-b.broken
	return 0, syscall.ECONNRESET
}

func (b *brittle) Close() error {
	b.once.Do(func() { close(b.broken) })
	return nil
}

// TestOnlyWhatMayHaveLeftIsUnknown, whatever net/http believes to have written.
func TestOnlyWhatMayHaveLeftIsUnknown(t *testing.T) {
	for _, tt := range []struct {
		name string
		dial error
		room int
		want rules.Outcome
	}{
		{"nobody listens", errors.New("refused"), 0, rules.Outcome{State: rules.Owed, Class: "refused"}},
		{"not a byte left", nil, 0, rules.Outcome{State: rules.Owed, Class: "refused"}},
		{"a byte left", nil, 1, rules.Outcome{State: rules.Owed, Class: "server", Unknown: true}},
		{"a part left", nil, 6000, rules.Outcome{State: rules.Owed, Class: "server", Unknown: true}},
		{"all of it left", nil, 1 << 20, rules.Outcome{State: rules.Owed, Class: "server", Unknown: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := New(Options{Transport: &http.Transport{
				DisableKeepAlives: true,
				DialContext: func(context.Context, string, string) (net.Conn, error) {
					if tt.dial != nil {
						return nil, tt.dial
					}
					return &counted{Conn: &brittle{room: tt.room, broken: make(chan struct{})}}, nil
				},
			}})
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://h/",
				strings.NewReader(strings.Repeat("x", 10_000)))
			if err != nil {
				t.Fatal(err)
			}
			r := s.exchange(req)
			if got := r.outcome(nil, nil); got != tt.want {
				t.Errorf("outcome = %+v (%v), want %+v", got, r.err, tt.want)
			}
		})
	}
}
