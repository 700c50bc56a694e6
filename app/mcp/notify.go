package mcp

import (
	"context"
	"fmt"
	"strings"
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

// followResources notes who wants to hear of what.
func (s *Server) followResources(h *server.Hooks) {
	h.AddBeforeReadResource(func(ctx context.Context, _ any, request *mcp.ReadResourceRequest) {
		s.findRead(ctx, request)
	})
	h.AddAfterListResources(func(ctx context.Context, _ any, _ *mcp.ListResourcesRequest,
		result *mcp.ListResourcesResult,
	) {
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
			s.subscribers.Forget(session.SessionID(), request.Params.URI)
		}
	})
	h.AddOnUnregisterSession(func(_ context.Context, session server.ClientSession) {
		s.subscribers.Drop(session.SessionID())
	})
	h.AddBeforeSubscriptionsListen(s.listen)
	h.AddAfterSubscriptionsListen(func(ctx context.Context, _ any, _ *mcp.SubscriptionsListenRequest,
		_ *mcp.SubscriptionsListenResult,
	) {
		begins(ctx) // with the acknowledgement, which is all there is where nothing that was asked for ever comes
	})
}

// want notes that a client of the older protocol waits for an address.
func (s *Server) want(ctx context.Context, uri string) {
	session := server.ClientSessionFromContext(ctx)
	if session == nil || session.SessionID() == "" || server.IsModernRequest(ctx) ||
		!s.caller(ctx).Scope.Allows(app.ScopeRead) {
		return
	}
	id := session.SessionID()
	s.join(ctx, id, []string{uri}, func(uri string) error {
		method, params := newsOf(uri)
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
	s.join(ctx, key, uris, func(uri string) error {
		method, params := newsOf(uri)
		return pass(session, mcp.JSONRPCNotification{JSONRPC: mcp.JSONRPC_VERSION, Notification: mcp.Notification{
			Method: method, Params: mcp.NotificationParams{
				Meta:             map[string]any{mcp.MetaKeySubscriptionID: id},
				AdditionalFields: params,
			},
		}})
	})
	context.AfterFunc(ctx, func() { s.subscribers.Drop(key) })
}

// newsOf is what a client is told of an address.
func newsOf(uri string) (method string, params map[string]any) {
	if uri == theList {
		return mcp.MethodNotificationResourcesListChanged, nil
	}
	return mcp.MethodNotificationResourceUpdated, map[string]any{"uri": uri}
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
func (s *Server) join(ctx context.Context, key any, uris []string, send func(uri string) error) {
	uris = s.subscribers.Add(key, uris, send)
	if len(uris) == 0 {
		return
	}
	now, err := s.look(ctx, uris)
	if err != nil {
		s.log.Warn("state of resources not read", "error", s.secrets.Clean(err.Error()))
		return
	}
	s.subscribers.Learn(now)
}

// Changed says that something was committed, here or by another process. It
// returns at once and may be called as often as that happens: who asked for it
// is told soon, of what did change.
func (s *Server) Changed() {
	if s.subscribers.Stir() {
		s.news.Lock()
		defer s.news.Unlock()
		if !s.closed {
			s.soon = time.AfterFunc(settle, s.tell)
		}
	}
}

// Close ends what the server does by itself: news that was about to be told is
// told nobody. It is for who made it.
func (s *Server) Close() {
	s.news.Lock()
	defer s.news.Unlock()
	s.closed = true
	if s.soon != nil {
		s.soon.Stop()
	}
}

// tell compares what is waited for with what it was, and tells who waits.
func (s *Server) tell() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	uris := s.subscribers.Awaited()
	if len(uris) == 0 {
		return
	}
	now, err := s.look(ctx, uris)
	if err != nil {
		s.log.Warn("changed resources not read", "error", s.secrets.Clean(err.Error()))
		return
	}
	for _, n := range s.subscribers.News(now) {
		if err := n.Send(); err != nil {
			s.log.Debug("client not told of a change", "uri", n.URI, "error", err)
		}
	}
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
	return fmt.Sprintf("%q", []string{
		v.ID, string(v.Status), string(v.Severity), v.AcknowledgedBy, until, v.Note,
		v.HeldBy, fmt.Sprint(v.Delivery.State, v.Delivery.Channels),
	})
}
