// Package heartbeat tells a dead-man service that all is well: a service that
// rings when it hears nothing, such as healthchecks.io. Whether all is well is
// for its caller to say; who is told when the calls stop is set up at that
// service.
package heartbeat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

// patience bounds one ping.
const patience = 10 * time.Second

// Heart pings a dead-man service while all is well.
type Heart struct {
	config app.HeartbeatConfig
	well   func(context.Context) error
	log    *slog.Logger
	client *http.Client
}

// New returns a heart that pings as the config says while well returns nil.
func New(c app.HeartbeatConfig, well func(context.Context) error, log *slog.Logger) *Heart {
	return &Heart{config: c, well: well, log: log, client: &http.Client{
		Timeout: patience,
		// Whereto it leads would get the URL as its referer.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// connect makes the client's transport as the config wants its connections.
func (h *Heart) connect() error {
	if h.client.Transport != nil {
		return nil
	}
	trust, err := h.config.Trust.TLS(os.ReadFile)
	if err != nil {
		return err
	}
	through, own, err := h.config.Trust.ProxyURL()
	if err != nil {
		return err
	}
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSClientConfig: trust,
	}
	if own {
		t.Proxy = http.ProxyURL(through)
	}
	h.client.Transport = t
	return nil
}

// Run pings until ctx ends. Without a URL there is nothing to do.
func (h *Heart) Run(ctx context.Context) error {
	if h.config.URL.IsZero() {
		return nil
	}
	beat := time.NewTicker(h.config.Every.Std())
	defer beat.Stop()
	said := ""
	for {
		text := ""
		if err := h.Beat(ctx); err != nil && ctx.Err() == nil {
			text = err.Error()
		}
		if text != said {
			h.say(text)
			said = text
		}
		select {
		case <-ctx.Done():
			return nil
		case <-beat.C:
		}
	}
}

// say logs what changed, so that an outage is two lines.
func (h *Heart) say(text string) {
	if text == "" {
		h.log.Info("heartbeat goes out again")
		return
	}
	h.log.Warn("heartbeat does not go out", "why", text)
}

// Beat pings once, if all is well. Its error never names the URL, which is a
// credential.
func (h *Heart) Beat(ctx context.Context) error {
	if err := h.well(ctx); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.config.URL.Reveal(), nil)
	if err != nil {
		return errors.New("the heartbeat's url cannot be used")
	}
	if err := h.connect(); err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	resp, err := h.client.Do(req)
	if _, why := rules.TLSTrouble(err); why != "" {
		return errors.New("the dead-man service was not reached: " + why)
	}
	if err != nil {
		return errors.New("the dead-man service was not reached")
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	_ = resp.Body.Close() // what it says does not matter
	if resp.StatusCode >= 300 {
		return errors.New("the dead-man service answered " + http.StatusText(resp.StatusCode))
	}
	return err
}
