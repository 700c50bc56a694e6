package heartbeat_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/heartbeat"
	"github.com/9bikes/tocsin/rules"
)

const canary = "c4n4ry-heart"

func heart(url string, well func(context.Context) error, log *slog.Logger) *heartbeat.Heart {
	c := app.HeartbeatConfig{URL: rules.NewSecret(url), Every: rules.Duration(10 * time.Millisecond)}
	return heartbeat.New(c, well, log)
}

func fine(context.Context) error { return nil }

func TestItBeatsOnlyWhileAllIsWell(t *testing.T) {
	var beats atomic.Int32
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { beats.Add(1) }))
	defer service.Close()
	quiet := slog.New(slog.DiscardHandler)
	if err := heart(service.URL, fine, quiet).Beat(t.Context()); err != nil || beats.Load() != 1 {
		t.Errorf("%d beats, %v", beats.Load(), err)
	}
	ill := func(context.Context) error { return errors.New("the engine hangs") }
	if err := heart(service.URL, ill, quiet).Beat(t.Context()); err == nil || beats.Load() != 1 {
		t.Errorf("%d beats, %v", beats.Load(), err)
	}
}

func TestItRunsUntilItsContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var beats atomic.Int32
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if beats.Add(1) == 3 {
			cancel()
		}
	}))
	defer service.Close()
	if err := heart(service.URL, fine, slog.New(slog.DiscardHandler)).Run(ctx); err != nil || beats.Load() < 3 {
		t.Errorf("%d beats, %v", beats.Load(), err)
	}
}

// TestTheURLIsNeverShown: it is all that a stranger needs to feign a heartbeat.
func TestTheURLIsNeverShown(t *testing.T) {
	refusing := httptest.NewServer(http.NotFoundHandler())
	defer refusing.Close()
	loop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.String(), http.StatusFound)
	}))
	defer loop.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, url := range []string{
		gone.URL + "/" + canary, refusing.URL + "/" + canary, loop.URL + "/" + canary,
		"http://" + canary + ".invalid/", "http://" + canary + "\x7f/", "ftp://" + canary,
	} {
		var log bytes.Buffer
		h := heart(url, fine, slog.New(slog.NewTextHandler(&log, nil)))
		err := h.Beat(t.Context())
		if err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("error = %v, want one without the URL", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := h.Run(ctx); err != nil {
			t.Error(err)
		}
		cancel()
		if strings.Contains(log.String(), canary) || !strings.Contains(log.String(), "does not go out") {
			t.Errorf("log = %s", log.String())
		}
	}
}

// TestItTrustsWhomItIsTold, and says why it does not go out.
func TestItTrustsWhomItIsTold(t *testing.T) {
	var log bytes.Buffer
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	server.StartTLS()
	defer server.Close()
	authority := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(authority, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		trust rules.Trust
		want  string
	}{
		{rules.Trust{}, "not reached: its certificate is "},
		{rules.Trust{CAFile: authority}, "<nil>"},
		{rules.Trust{InsecureSkipVerify: true}, "<nil>"},
		{rules.Trust{CAFile: authority, Proxy: rules.NewSecret("http://" + canary + ":1")}, "not reached"},
		{rules.Trust{CAFile: authority + "x"}, "heartbeat: ca_file: names a file that cannot be read"},
	} {
		c := app.HeartbeatConfig{URL: rules.NewSecret(server.URL + "/" + canary), Every: rules.Minute, Trust: tt.trust}
		err := heartbeat.New(c, fine, slog.New(slog.NewTextHandler(&log, nil))).Beat(t.Context())
		if got := fmt.Sprint(err); !strings.Contains(got, tt.want) || strings.Contains(got, canary) {
			t.Errorf("%+v: %s, want %s", tt.trust, got, tt.want)
		}
	}
}
