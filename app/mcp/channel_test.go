package mcp_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	protocol "github.com/mark3labs/mcp-go/mcp"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

func TestChannelsTellTheirHealthAndNoMore(t *testing.T) {
	h := newHouse(t, func(a *app.App) {
		a.Config.Channels["phone"] = app.ChannelConfig{Kind: "ntfy", URL: rules.NewSecret("ntfy://ntfy.sh/c4nary")}
	})
	got := h.ok("list_channels", `{}`)
	for _, v := range got["channels"].([]any) {
		c := v.(map[string]any)
		if keys := slices.Sorted(maps.Keys(c)); !slices.Equal(keys, []string{"health", "kind", "name", "ok", "origin"}) ||
			c["health"] != "untried" || c["ok"] != true || c["origin"] != "config" {
			t.Errorf("a channel is %v", c)
		}
	}
	if got["total"] != 2.0 || strings.Contains(h.wire.String(), "c4nary") {
		t.Errorf("listed %v", got)
	}
	first := h.ok("list_channels", `{"limit":1}`)
	second := h.ok("list_channels", fmt.Sprintf(`{"limit":1,"cursor":%q}`, first["next"]))
	if name := second["channels"].([]any)[0].(map[string]any)["name"]; name != "phone" || second["next"] != "" {
		t.Errorf("the second page is %v", second)
	}
}

func TestWithoutAChannelTheCureIsTold(t *testing.T) {
	h := newHouse(t, func(a *app.App) { a.Config.Channels = nil })
	wants(t, h.ok("list_channels", `{}`)["summary"].(string), "nobody is told", "tocsin channels add NAME")
}

// service is a sender whose service takes what goes to a good address.
type service struct{}

var _ notify.Sender = service{}

func (service) Check(rules.Secret) (string, error) { return "ntfy", nil }

func (service) Targets(rules.Secret) []string { return []string{""} }

func (service) Renamed(_ rules.Secret, name string) string { return name }

func (service) Send(_ context.Context, c notify.Channel, _ notify.Message) rules.Outcome {
	if strings.Contains(c.URL.Reveal(), "good") {
		return rules.Outcome{State: rules.Sent, Code: 200}
	}
	return rules.Outcome{State: rules.Dead, Class: "auth", Code: 403}
}

// deliver runs the daemon's dispatcher on the house.
func (h *house) deliver() {
	h.t.Helper()
	open := func(name string) (notify.Channel, error) {
		return notify.Channel{Name: name, Kind: "ntfy", URL: h.app.Config.Channels[name].URL}, nil
	}
	outbox := notify.LedgerOutbox{LedgerCache: h.app.Ledgers}
	d := notify.NewDispatcher(outbox, service{}, open, slog.New(slog.DiscardHandler),
		notify.Options{})
	ctx, end := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	h.t.Cleanup(func() {
		end()
		if err := <-done; err != nil {
			h.t.Error(err)
		}
	})
}

func TestATestOfAChannelTellsWhatCameOfIt(t *testing.T) {
	h := newHouse(t, func(a *app.App) {
		a.Config.Channels = map[string]app.ChannelConfig{
			"good": {Kind: "ntfy", URL: rules.NewSecret("ntfy://good")},
			"bad":  {Kind: "ntfy", URL: rules.NewSecret("ntfy://c4nary")},
		}
		a.Daemon = func() (int, bool) { return 1, true }
		a.Now = time.Now
	})
	h.deliver()
	good := h.ok("test_channel", `{"channel":"good"}`)
	if good["ok"] != true || good["state"] != "sent" {
		t.Errorf("good: %v", good)
	}
	bad := h.ok("test_channel", `{"name":"bad"}`)
	if bad["ok"] != false || bad["error"] != "auth" || bad["status"] != 403.0 {
		t.Errorf("bad: %v", bad)
	}
	wants(t, bad["summary"].(string), "check the channel's address and credential")
	list := h.ok("list_channels", `{}`)["channels"].([]any)
	if c := list[0].(map[string]any); c["name"] != "bad" || c["ok"] != false || c["last_error"] != "auth" {
		t.Errorf("the health is %v", c)
	}
	if c := list[1].(map[string]any); c["ok"] != true || c["last_success"] == nil {
		t.Errorf("the health is %v", c)
	}
	wants(t, h.refused("test_channel", `{"channel":"godo"}`), "(not_found)", `no channel "godo"; known: bad, good`)
}

func TestWithoutADaemonNothingIsBooked(t *testing.T) {
	h := newHouse(t, func(a *app.App) { a.Daemon = func() (int, bool) { return 0, false } })
	wants(t, h.refused("test_channel", `{"channel":"phone"}`), "(unavailable), nothing was changed",
		`channel "phone" was not tested and nothing was booked`, "tocsin serve")
	if owed := h.app.Ledgers.Owed(time.Now().Add(time.Hour)); len(owed) != 0 {
		t.Errorf("owed: %+v", owed)
	}
}

func TestATestThatIsCancelledEndsAtOnce(t *testing.T) {
	h := newHouse(t, func(a *app.App) { a.Daemon = func() (int, bool) { return 1, true } })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	request := protocol.CallToolRequest{}
	request.Params.Name, request.Params.Arguments = "test_channel", map[string]any{"channel": "phone"}
	result, err := h.client.CallTool(ctx, request)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s: %+v, %v", took, result, err)
	}
}
