package mcp

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

var channelTools = []tool{
	{
		name: "list_channels", title: "List channels",
		description: "Ways to tell people, by name, and whether they work.",
		input:       []property{limit, nextPage},
		output:      reflect.TypeFor[channelsAnswer](),
		effect:      effect{reads: true, repeatable: true}, example: `{}`,
		scope: app.ScopeRead, call: (*Server).listChannels,
	},
	{
		name: "test_channel", title: "Test channel",
		description: "Send a test message and say what came of it.",
		input:       []property{text("channel", "name")}, required: []string{"channel"},
		aliases: map[string]string{"name": "channel", "channel_name": "channel", "id": "channel", "channel_id": "channel"},
		output:  reflect.TypeFor[testAnswer](),
		example: `{"channel":"phone"}`,
		scope:   app.ScopeWrite, call: (*Server).testChannel,
	},
}

// shownChannel is all that leaves of a channel.
type shownChannel struct {
	Name        string `json:"name"`
	Kind        string `json:"kind,omitempty"`
	Origin      string `json:"origin"`
	OK          bool   `json:"ok"`
	Health      string `json:"health"`
	LastSuccess string `json:"last_success,omitempty"`
	LastError   string `json:"last_error,omitempty"`
}

type channelsAnswer struct {
	Channels []shownChannel `json:"channels"`
	Total    int            `json:"total"`
	Next     string         `json:"next"`
	Warnings []string       `json:"warnings"`
	Summary  string         `json:"summary"`
}

func (s *Server) listChannels(ctx context.Context, a *arguments) (any, error) {
	most, at := a.whole("limit", 1, 100, 20), a.after("list_channels", 1)
	if err := a.err(); err != nil {
		return nil, err
	}
	all, err := s.app.ListChannels(ctx)
	if err != nil {
		return nil, err
	}
	page, next := pageAfter(all, at, most, "list_channels", func(c rules.ChannelInfo) string { return c.Name })
	out := channelsAnswer{Channels: []shownChannel{}, Total: len(all), Next: next, Warnings: s.app.Warnings()}
	for _, c := range page {
		out.Channels = append(out.Channels, shownChannel{
			Name: c.Name, Kind: c.Kind, Origin: c.Origin, OK: c.Health == "ok" || c.Health == "untried", Health: c.Health,
			LastSuccess: s.when(c.LastSuccess), LastError: cleaned(app.TroubleOf(c), noteSize),
		})
	}
	out.Summary = paged(len(page), len(all), "channel", next)
	if len(all) == 0 {
		out.Summary = "There is no channel yet, so nobody is told: a person adds one with `tocsin channels add NAME` on " +
			"the machine of tocsin."
	}
	return out, nil
}

// testPatience is how long a test waits for the daemon to deliver it.
const testPatience = 20 * time.Second

type testAnswer struct {
	Channel  string   `json:"channel"`
	OK       bool     `json:"ok"`
	State    string   `json:"state"`
	Error    string   `json:"error,omitempty"`
	Status   int      `json:"status,omitempty"`
	Warnings []string `json:"warnings"`
	Summary  string   `json:"summary"`
}

func (s *Server) testChannel(ctx context.Context, a *arguments) (any, error) {
	name := a.text("channel")
	if err := a.err(); err != nil {
		return nil, err
	}
	got, err := s.app.TestChannel(ctx, s.by(ctx), name, testPatience)
	if err != nil {
		return nil, err
	}
	a.did(name, nil)
	return testAnswer{
		Channel: name, OK: got.State == string(rules.Sent), State: got.State, Error: got.Error, Status: got.Status,
		Warnings: s.app.Warnings(), Summary: fmt.Sprintf("Test of channel %s: %s", name, cmp.Or(got.Text, got.State)),
	}, nil
}
