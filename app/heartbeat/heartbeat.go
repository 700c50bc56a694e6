// Package heartbeat tells a dead-man service that all is well: a service that
// rings when it hears nothing, such as healthchecks.io. Whether all is well is
// for its caller to say; who is told when the calls stop is set up at that
// service.
package heartbeat

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/9bikes/tocsin/app"
)

// Options are what a Heart may be told; the zero value is right.
type Options struct {
	// Timeout bounds one ping; 0 is 10 s.
	Timeout time.Duration
	// Transport carries the pings; nil is one of its own.
	Transport http.RoundTripper
}

// Heart pings a dead-man service while all is well.
type Heart struct {
	config app.HeartbeatConfig
	well   func(context.Context) error
	log    *slog.Logger
	client *http.Client
}

// New returns a heart that pings as the config says while well returns nil.
func New(c app.HeartbeatConfig, well func(context.Context) error, log *slog.Logger, o Options) *Heart {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Transport == nil {
		o.Transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, ForceAttemptHTTP2: true,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		}
	}
	return &Heart{config: c, well: well, log: log, client: &http.Client{
		Transport: o.Transport, Timeout: o.Timeout,
		// Whereto it leads would get the URL as its referer.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
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
	resp, err := h.client.Do(req)
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
