package mcp

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

// settle is how long changes are gathered before anybody is told: a storm is
// one piece of news.
const settle = 500 * time.Millisecond

// theList stands for the list of resources among the addresses.
const theList = "list"

// mostURIs is how many addresses one client may wait for.
const mostURIs = 100

// audience is who asked to hear of changes. Nobody else is told: not what a
// client did not subscribe to, and not that a list has changed which it never
// read.
type audience struct {
	mu        sync.Mutex
	listeners map[any]*listener
	known     map[string]string // what each address that is waited for was last
	waiting   bool              // there is news to be told soon
}

// listener is one client of the older protocol, or one stream of the newer one.
type listener struct {
	wants map[string]bool // addresses, and theList
	send  func(method string, params map[string]any) error
}

// followResources notes who wants to hear of what.
func (s *Server) followResources(h *server.Hooks) {
	h.AddBeforeReadResource(func(ctx context.Context, _ any, request *mcp.ReadResourceRequest) { s.findRead(ctx, request) })
	h.AddAfterListResources(func(ctx context.Context, _ any, _ *mcp.ListResourcesRequest, result *mcp.ListResourcesResult) {
		if !s.caller(ctx).Scope.Allows(app.ScopeRead) {
			return
		}
		s.listOpen(ctx, result)
		s.want(ctx, theList)
	})
	h.AddAfterSubscribe(func(ctx context.Context, _ any, request *mcp.SubscribeRequest, _ *mcp.EmptyResult) {
		s.want(ctx, request.Params.URI)
	})
	h.AddAfterUnsubscribe(func(ctx context.Context, _ any, request *mcp.UnsubscribeRequest, _ *mcp.EmptyResult) {
		if session := server.ClientSessionFromContext(ctx); session != nil {
			s.audience.forget(session.SessionID(), request.Params.URI)
		}
	})
	h.AddOnUnregisterSession(func(_ context.Context, session server.ClientSession) { s.audience.drop(session.SessionID()) })
	h.AddBeforeSubscriptionsListen(s.listen)
	h.AddAfterSubscriptionsListen(func(ctx context.Context, _ any, _ *mcp.SubscriptionsListenRequest, _ *mcp.SubscriptionsListenResult) {
		begins(ctx) // with the acknowledgement, which is all there is where nothing that was asked for ever comes
	})
}

// want notes that a client of the older protocol waits for an address.
func (s *Server) want(ctx context.Context, uri string) {
	session := server.ClientSessionFromContext(ctx)
	if session == nil || session.SessionID() == "" || server.IsModernRequest(ctx) || !s.caller(ctx).Scope.Allows(app.ScopeRead) {
		return
	}
	id := session.SessionID()
	s.join(ctx, id, []string{uri}, func(method string, params map[string]any) error {
		return s.protocol.SendNotificationToSpecificClient(id, method, params)
	})
}

// listen notes what a stream of the newer protocol waits for, as long as it
// lasts.
func (s *Server) listen(ctx context.Context, id any, request *mcp.SubscriptionsListenRequest) {
	session := server.ClientSessionFromContext(ctx)
	uris := request.Params.Notifications.ResourceSubscriptions
	if request.Params.Notifications.ResourcesListChanged {
		uris = append([]string{theList}, uris...)
	}
	if session == nil || len(uris) == 0 || !s.caller(ctx).Scope.Allows(app.ScopeRead) {
		return
	}
	key := new(byte) // streams of one session are told apart
	s.join(ctx, key, uris, func(method string, params map[string]any) error {
		return pass(session, mcp.JSONRPCNotification{JSONRPC: mcp.JSONRPC_VERSION, Notification: mcp.Notification{
			Method: method, Params: mcp.NotificationParams{Meta: map[string]any{mcp.MetaKeySubscriptionID: id}, AdditionalFields: params},
		}})
	})
	context.AfterFunc(ctx, func() { s.audience.drop(key) })
}

// pass hands a notification to a session that has room for it.
func pass(session server.ClientSession, n mcp.JSONRPCNotification) error {
	select {
	case session.NotificationChannel() <- n:
		return nil
	default:
		return server.ErrNotificationChannelBlocked
	}
}

// join adds addresses to what a listener waits for, and looks what they are
// now.
func (s *Server) join(ctx context.Context, key any, uris []string, send func(string, map[string]any) error) {
	uris = s.audience.add(key, uris, send)
	if len(uris) == 0 {
		return
	}
	now, err := s.look(ctx, uris)
	if err != nil {
		s.log.Warn("state of resources not read", "error", string(s.secrets.clean([]byte(err.Error()))))
		return
	}
	s.audience.learn(now)
}

// add returns the addresses that nobody waited for before.
func (a *audience) add(key any, uris []string, send func(string, map[string]any) error) (fresh []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.listeners == nil {
		a.listeners, a.known = map[any]*listener{}, map[string]string{}
	}
	l := a.listeners[key]
	if l == nil {
		l = &listener{wants: map[string]bool{}, send: send}
		a.listeners[key] = l
	}
	for _, uri := range uris {
		if len(l.wants) == mostURIs {
			break
		}
		l.wants[uri] = true
		if _, ok := a.known[uri]; !ok {
			fresh = append(fresh, uri)
		}
	}
	return fresh
}

// learn takes what addresses are as what was last told of them.
func (a *audience) learn(now map[string]string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for uri, state := range now {
		if _, ok := a.known[uri]; !ok {
			a.known[uri] = state
		}
	}
}

func (a *audience) forget(key any, uri string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if l := a.listeners[key]; l != nil {
		delete(l.wants, uri)
		a.tidy()
	}
}

func (a *audience) drop(key any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.listeners, key)
	a.tidy()
}

// tidy lets go of listeners and addresses that nothing waits for.
func (a *audience) tidy() {
	wanted := map[string]bool{}
	for key, l := range a.listeners {
		if len(l.wants) == 0 {
			delete(a.listeners, key)
		}
		for uri := range l.wants {
			wanted[uri] = true
		}
	}
	for uri := range a.known {
		if !wanted[uri] {
			delete(a.known, uri)
		}
	}
}

// Changed says that something was committed, here or by another process. It
// returns at once and may be called as often as that happens: who asked for it
// is told soon, of what did change.
func (s *Server) Changed() {
	s.audience.mu.Lock()
	defer s.audience.mu.Unlock()
	if len(s.audience.listeners) == 0 || s.audience.waiting {
		return
	}
	s.audience.waiting = true
	time.AfterFunc(settle, s.tell)
}

// tell compares what is waited for with what it was, and tells who waits.
func (s *Server) tell() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	uris := s.audience.awaited()
	if len(uris) == 0 {
		return
	}
	now, err := s.look(ctx, uris)
	if err != nil {
		s.log.Warn("changed resources not read", "error", string(s.secrets.clean([]byte(err.Error()))))
		return
	}
	for _, n := range s.audience.news(now) {
		if err := n.send(); err != nil {
			s.log.Debug("client not told of a change", "uri", n.uri, "error", err)
		}
	}
}

// awaited lists all addresses that somebody waits for. What is committed from
// now on is told the next time.
func (a *audience) awaited() (uris []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = false
	seen := map[string]bool{}
	for _, l := range a.listeners {
		for uri := range l.wants {
			if !seen[uri] {
				seen[uri] = true
				uris = append(uris, uri)
			}
		}
	}
	return uris
}

// item is one piece of news for one listener.
type item struct {
	uri string
	to  *listener
}

func (i item) send() error {
	if i.uri == theList {
		return i.to.send(mcp.MethodNotificationResourcesListChanged, nil)
	}
	return i.to.send(mcp.MethodNotificationResourceUpdated, map[string]any{"uri": i.uri})
}

// news takes over how things are now, and returns what that is news for whom.
func (a *audience) news(now map[string]string) (out []item) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for uri, state := range now {
		was, known := a.known[uri]
		if known && was == state {
			continue
		}
		a.known[uri] = state
		for _, l := range a.listeners {
			if known && l.wants[uri] {
				out = append(out, item{uri, l})
			}
		}
	}
	return out
}

// look returns for each address a text that changes when what is there does.
func (s *Server) look(ctx context.Context, uris []string) (map[string]string, error) {
	version, err := s.app.RulesVersion(ctx)
	if err != nil {
		return nil, err
	}
	open, total, err := s.app.Alerts(ctx, app.AlertFilter{Status: rules.StatusOpen, Limit: readSize})
	if err != nil {
		return nil, err
	}
	states, ids := []string{fmt.Sprint(total)}, []string(nil)
	for i, v := range open {
		states = append(states, stateOf(v))
		if i < listSize {
			ids = append(ids, v.ID)
		}
	}
	out := map[string]string{}
	for _, uri := range uris {
		id, isAlert := strings.CutPrefix(uri, alertURI)
		switch {
		case uri == theList:
			out[uri] = strings.Join(ids, "\n")
		case uri == rulesURI:
			out[uri] = version + "\n" + strings.Join(ids, "\n")
		case uri == alertsURI:
			out[uri] = strings.Join(states, "\n")
		case isAlert:
			if out[uri], err = s.lookAt(ctx, id); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// lookAt is look for one alert; one that does not exist is so.
func (s *Server) lookAt(ctx context.Context, id string) (string, error) {
	v, err := s.app.Alert(ctx, id)
	if rules.CodeOf(err) == rules.NotFound {
		return "none", nil
	}
	return stateOf(v), err
}

func stateOf(v app.AlertView) string {
	until := ""
	if v.Until != nil {
		until = v.Until.String()
	}
	return fmt.Sprintf("%q", []string{v.ID, string(v.Status), string(v.Severity), v.AcknowledgedBy, until, v.Note, v.HeldBy, fmt.Sprint(v.Delivery.State, v.Delivery.Channels)})
}
