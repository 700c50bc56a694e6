package mcp_test

import (
	"context"
	"testing"
	"time"

	protocol "github.com/mark3labs/mcp-go/mcp"
)

// news collects what a client is told.
func (h *house) news() chan string {
	h.t.Helper()
	told := make(chan string, 100)
	h.client.OnNotification(func(n protocol.JSONRPCNotification) {
		uri, _ := n.Params.AdditionalFields["uri"].(string)
		if id := n.Params.Meta[protocol.MetaKeySubscriptionID]; id != nil {
			uri += " tagged"
		}
		told <- n.Method + " " + uri
	})
	return told
}

// next returns the next few pieces of news, in any order.
func next(t *testing.T, told chan string, n int) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for range n {
		select {
		case what := <-told:
			out[what] = true
		case <-time.After(10 * time.Second):
			t.Fatalf("only %v was told", out)
		}
	}
	return out
}

func silent(t *testing.T, told chan string) {
	t.Helper()
	select {
	case what := <-told:
		t.Errorf("told %s", what)
	case <-time.After(time.Second):
	}
}

func (h *house) subscribe(uri string) {
	h.t.Helper()
	request := protocol.SubscribeRequest{}
	request.Params.URI = uri
	if err := h.client.Subscribe(h.t.Context(), request); err != nil { //nolint:staticcheck // older clients do
		h.t.Fatal(err)
	}
}

const (
	listChanged = "notifications/resources/list_changed "
	updated     = "notifications/resources/updated "
)

func TestNewsGoesToWhoSubscribed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	rule := h.create("Freezer")
	alert := h.fire(rule, "sensor=a")[0]
	h.connect(eras[0], nil)
	other := h.news() // of a client that asked for nothing
	h.connect(eras[0], nil)
	told := h.news()
	h.subscribe("tocsin://alerts/" + alert)
	h.subscribe("tocsin://rules")

	h.server.Changed()
	silent(t, told) // nothing did change

	h.ok("update_alert_rule", `{"rule":"freezer","summary":"one"}`)
	for range 5 { // a storm is one piece of news
		h.server.Changed()
	}
	if got := next(t, told, 1); !got[updated+"tocsin://rules"] {
		t.Errorf("told %v", got)
	}
	h.ok("acknowledge_alert", `{"id":"`+alert+`"}`)
	h.server.Changed()
	if got := next(t, told, 1); !got[updated+"tocsin://alerts/"+alert] {
		t.Errorf("told %v", got)
	}

	// Who never read the list is not told that it changed.
	h.fire(rule, "sensor=b")
	h.server.Changed()
	next(t, told, 1) // the rules, whose alerts are counted
	silent(t, told)
	if _, err := h.client.ListResources(t.Context(), protocol.ListResourcesRequest{}); err != nil {
		t.Fatal(err)
	}
	h.fire(rule, "sensor=c")
	h.server.Changed()
	if got := next(t, told, 2); !got[listChanged] || !got[updated+"tocsin://rules"] {
		t.Errorf("told %v", got)
	}

	request := protocol.UnsubscribeRequest{}
	request.Params.URI = "tocsin://rules"
	if err := h.client.Unsubscribe(t.Context(), request); err != nil { //nolint:staticcheck // older clients do
		t.Fatal(err)
	}
	h.ok("update_alert_rule", `{"rule":"freezer","summary":"two"}`)
	h.server.Changed()
	silent(t, told)
	silent(t, other)
}

func TestNewsGoesToWhoListens(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	rule := h.create("Freezer")
	h.connect(eras[1], nil)
	other := h.news()
	if _, err := h.client.ListResources(t.Context(), protocol.ListResourcesRequest{}); err != nil {
		t.Fatal(err)
	}
	h.connect(eras[1], nil)
	told := h.news()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stop, err := h.client.ListenAsync(ctx, protocol.SubscriptionFilter{
		ToolsListChanged: true, ResourcesListChanged: true,
		ResourceSubscriptions: []string{"tocsin://alerts", "tocsin://nothing"},
	}, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	if got := next(t, told, 1); !got["notifications/subscriptions/acknowledged  tagged"] {
		t.Errorf("told %v", got)
	}
	h.ok("update_alert_rule", `{"rule":"freezer","summary":"one"}`)
	h.server.Changed()
	silent(t, told) // the rules were not asked for

	h.fire(rule, "sensor=a")
	h.server.Changed()
	if got := next(t, told, 2); !got[listChanged+" tagged"] || !got[updated+"tocsin://alerts tagged"] {
		t.Errorf("told %v", got)
	}
	stop()
	h.fire(rule, "sensor=b")
	h.server.Changed()
	silent(t, told)
	silent(t, other)
}

func TestNewsForWhoLeftIsNone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	rule := h.create("Freezer")
	h.connect(eras[0], nil)
	told := h.news()
	h.subscribe("tocsin://alerts")
	h.fire(rule, "sensor=a")
	if err := h.client.Close(); err != nil {
		t.Fatal(err)
	}
	h.server.Changed()
	silent(t, told)
}
