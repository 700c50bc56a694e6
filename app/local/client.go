package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// Client asks a daemon over its socket.
type Client struct {
	http   http.Client
	header http.Header
}

// NewClient returns the client of a daemon that dial reaches; header goes with
// each request.
func NewClient(dial func(ctx context.Context) (net.Conn, error), header http.Header) *Client {
	return &Client{
		header: header,
		http: http.Client{
			Transport: &http.Transport{
				DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
				DisableKeepAlives: true,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Timeout:       mostPatience + 10*time.Second,
		},
	}
}

// Greet reports whether a daemon answers that has this door and works on the
// data that the header asks for, and what it says of itself. The error is of the
// connection.
func (c *Client) Greet(ctx context.Context) (said Greeting, there bool, err error) {
	err = c.ask(ctx, http.MethodGet, Path, nil, &said)
	if errors.Is(err, errElsewhere) {
		return said, false, nil
	}
	return said, err == nil, err
}

// AddChannel has the daemon store a channel, or with replace give one that
// exists another credential.
func (c *Client) AddChannel(ctx context.Context, name string, credential rules.Secret, s notify.Settings,
	replace bool,
) (rules.ChannelInfo, []string, error) {
	var got added
	err := c.ask(ctx, http.MethodPut, Path+"/"+url.PathEscape(name), addition{credential.Reveal(), s, replace}, &got)
	return got.Channel, got.Warnings, err
}

// TestChannel has the daemon send a test message and waits for what comes of
// it, at most patience.
func (c *Client) TestChannel(ctx context.Context, name string, patience time.Duration) (app.TestAnswer, []string,
	error,
) {
	var got tried
	err := c.ask(ctx, http.MethodPost, Path+"/"+url.PathEscape(name)+"/test", trial{patience.Milliseconds()}, &got)
	return got.Test, got.Warnings, err
}

// Status says how the daemon is doing.
func (c *Client) Status(ctx context.Context) (s app.Status, err error) {
	return s, c.ask(ctx, http.MethodGet, "/status", nil, &s)
}

// Doctor says what the daemon finds that could keep people from being told.
func (c *Client) Doctor(ctx context.Context) ([]insight.Finding, error) {
	var got examined
	err := c.ask(ctx, http.MethodGet, "/doctor", nil, &got)
	return got.Findings, err
}

// Channels lists the channels as the daemon sees them, with its warnings.
func (c *Client) Channels(ctx context.Context) ([]rules.ChannelInfo, []string, error) {
	var got listed
	err := c.ask(ctx, http.MethodGet, Path+"/", nil, &got)
	return got.Channels, got.Warnings, err
}

// Config says what the daemon makes of its config file as it is now. Its faults
// are the error; path is the file.
func (c *Client) Config(ctx context.Context) (path string, view app.ConfigView, warnings []string, err error) {
	var got reviewed
	if err := c.ask(ctx, http.MethodGet, "/config", nil, &got); err != nil {
		return "", app.ConfigView{}, nil, err
	}
	var faults []error
	for _, f := range got.Faults {
		faults = append(faults, &placedError{rules.Error{Code: f.Code, Field: f.Field, Hints: f.Hints}, f.Message})
	}
	return got.Path, got.Config, got.Warnings, errors.Join(faults...)
}

// placedError is one of ours with the place in a file before it.
type placedError struct {
	ours rules.Error
	text string
}

// Error is the sentence with its place.
func (e *placedError) Error() string { return e.text }

// Unwrap is the error itself.
func (e *placedError) Unwrap() error { return &e.ours }

// errElsewhere is for a daemon of another data directory, or without this door.
// One that has greeted, and does not know what it is asked, was not restarted
// after an upgrade.
var errElsewhere = rules.Errorf(rules.Unavailable,
	"the daemon that runs does not answer this: it is of another version than this command; restart it, for example "+
		"with `sudo systemctl restart tocsin`")

// ask sends a request and reads the answer into out. Its errors hold nothing of
// the body.
func (c *Client) ask(ctx context.Context, method, path string, body, out any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("write the request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://tocsin"+path, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	req.Header = c.header.Clone()
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask the daemon: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		if err := json.Unmarshal(answer, out); err != nil {
			return fmt.Errorf("read the daemon's answer: %w", err)
		}
		return nil
	}
	return refusal(answer)
}

// maxAnswer holds ten thousand alerts with their evidence.
const maxAnswer = 64 << 20

// refusal makes errors of what a daemon answered instead.
func refusal(answer []byte) error {
	var said faults
	if json.Unmarshal(answer, &said) != nil || len(said.Errors) == 0 {
		return errElsewhere
	}
	var errs []error
	for _, f := range said.Errors {
		errs = append(errs, &rules.Error{Code: f.Code, Field: f.Field, Text: f.Message, Hints: f.Hints})
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}
