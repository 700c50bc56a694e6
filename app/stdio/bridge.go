// Package stdio carries a client's standard input and output to a server: to a
// daemon over HTTP, or to one in this process. It keeps the session while
// servers come and go; what the messages mean is the servers' business.
package stdio

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/9bikes/tocsin/app/jsonrpc"
	"github.com/9bikes/tocsin/rules"
)

const (
	// patience is how long the end of the input is held back for answers that
	// are still under way.
	patience = time.Minute
	// atOnce is how many requests are brought to a server at the same time.
	atOnce = 32
	// tries is how often a request is sent that was lost or came too early.
	tries = 20
	// lostTries is how often of these it may be lost.
	lostTries = 3
)

// Options are what a Bridge may be told; the zero value is right.
type Options struct {
	// Log gets what is no answer; nil discards it. It must not write to the
	// output that carries the protocol.
	Log *slog.Logger
	// Reads reports whether a tool changes nothing, so that a call of it may be
	// repeated whose answer was lost; nil repeats none.
	Reads func(tool string) bool
	// Look is how often a better server is looked for while the client waits
	// for news and asks nothing, 0 for ten seconds.
	Look time.Duration
}

// Bridge carries the messages of a client on standard input and output to the
// first of its targets that can be reached, and decides that anew for each
// message. To a server that is new, or that forgot the client, it repeats what
// the client said to the one before, so that the client's session outlives the
// servers'. No act is ever sent twice.
type Bridge struct {
	upstreams []*upstream
	log       *slog.Logger
	spawned   sync.WaitGroup
	pending   sync.WaitGroup // calls that the end of the input waits for
	slots     chan struct{}
	look      time.Duration
	reads     func(tool string) bool

	writing sync.Mutex
	out     io.Writer

	mu             sync.Mutex
	hello          jsonrpc.Message   // the client's handshake, or one in its place
	ready          bool              // the client confirmed the handshake
	replayed       []jsonrpc.Message // what a server keeps for the client: subscriptions, the log level
	at             *upstream         // where the last answer came from
	calls          []*call           // asked by the client and not answered
	serverRequests map[int]serverRequest
	asked          int  // how many questions there were
	over           bool // the input has ended
	said           map[string]bool
}

// call is a request of the client that is not answered yet.
type call struct {
	jsonrpc.Message
	cancel    context.CancelFunc
	cancelled bool
	at        *upstream
	abandon   context.CancelFunc // ends the present try
}

func (c *call) listens() bool { return c.Method == string(mcp.MethodSubscriptionsListen) }

// defaultInitialize is the handshake for a client that asks without one.
var defaultInitialize = jsonrpc.Request(json.RawMessage("0"), string(mcp.MethodInitialize), map[string]any{
	"protocolVersion": mcp.LATEST_LEGACY_PROTOCOL_VERSION, "capabilities": struct{}{},
	"clientInfo": map[string]string{"name": "", "version": ""},
})

// NewBridge returns a Bridge to the targets, the preferred one first.
func NewBridge(targets []Target, o Options) *Bridge {
	b := &Bridge{
		log: o.Log, look: cmp.Or(o.Look, 10*time.Second), reads: o.Reads, slots: make(chan struct{}, atOnce),
		hello: defaultInitialize, ready: true, serverRequests: map[int]serverRequest{}, said: map[string]bool{},
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	for _, t := range targets {
		b.upstreams = append(b.upstreams, newUpstream(t, b.log))
	}
	return b
}

// Run carries messages until in ends or ctx does; both are success. What was
// asked before the end of in is answered, within a minute. A read of in that is
// under way when ctx ends is left to end by itself. It can run once.
func (b *Bridge) Run(ctx context.Context, in io.Reader, out io.Writer) error {
	b.out = out
	ctx, cancel := context.WithCancel(ctx)
	b.spawned.Go(func() {
		for rules.Sleep(ctx, b.look) {
			b.restore(ctx)
		}
	})
	err := b.carry(ctx, readLines(in, ctx.Done()))
	cancel()
	for _, u := range b.upstreams {
		u.end()
	}
	b.spawned.Wait()
	return err
}

// carry takes line after line.
func (b *Bridge) carry(ctx context.Context, lines <-chan line) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case l := <-lines:
			switch {
			case errors.Is(l.err, errLong):
				b.write(jsonrpc.TooLarge())
			case l.err != nil:
				b.finish(ctx)
				if errors.Is(l.err, io.EOF) {
					return nil
				}
				return l.err
			default:
				b.handle(ctx, l.text)
			}
		}
	}
}

// handle does what a line asks for.
func (b *Bridge) handle(ctx context.Context, text []byte) {
	m, wrong := parse(text)
	switch {
	case wrong != nil:
		b.write(wrong.Answer())
	case m.Answers():
		b.answerServer(ctx, m)
	case m.Method == string(mcp.MethodNotificationCancelled):
		b.cancelled(ctx, m)
	case !m.Asks():
		b.notify(ctx, m)
	case m.Method == string(mcp.MethodInitialize) && m.Version == "":
		// Nothing overtakes it.
		b.answer(b.initialize(ctx, m))
	default:
		c, ctx := b.open(ctx, m)
		b.spawned.Go(func() { b.answer(c, b.forward(ctx, c)) })
	}
}

// parse reads a message that may have come out of a shell's pipe.
func parse(text []byte) (jsonrpc.Message, *jsonrpc.Fault) {
	plain, err := rules.PlainText(text)
	if err != nil {
		return jsonrpc.Message{}, &jsonrpc.Fault{Code: jsonrpc.ParseError, Text: "the message: " + err.Error()}
	}
	return jsonrpc.Parse(plain)
}

// initialize shakes hands anew.
func (b *Bridge) initialize(ctx context.Context, m jsonrpc.Message) (*call, jsonrpc.Message) {
	b.mu.Lock()
	b.hello, b.ready, b.replayed = m, false, nil
	b.mu.Unlock()
	for _, u := range b.upstreams {
		u.end()
	}
	c, ctx := b.open(ctx, m)
	return c, b.forward(ctx, c)
}

// open notes a request that is under way.
func (b *Bridge) open(ctx context.Context, m jsonrpc.Message) (*call, context.Context) {
	c := &call{Message: m}
	ctx, c.cancel = context.WithCancel(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, c)
	if !c.listens() { // it ends with the input
		b.pending.Add(1)
	}
	return c, ctx
}

// answer ends a call. Who cancelled a request gets none.
func (b *Bridge) answer(c *call, m jsonrpc.Message) {
	c.cancel()
	b.mu.Lock()
	b.calls = slices.DeleteFunc(b.calls, func(other *call) bool { return other == c })
	silent := c.cancelled || len(m.Raw) == 0
	if len(m.Error) == 0 {
		b.remember(c.Message)
	}
	b.mu.Unlock()
	if !silent {
		b.write(m.WithID(c.ID))
	}
	if !c.listens() {
		b.pending.Done()
	}
}

// remember keeps what a server keeps for the client.
func (b *Bridge) remember(m jsonrpc.Message) {
	uri := m.Param("uri")
	same := func(other jsonrpc.Message) bool { return other.Method == m.Method && other.Param("uri") == uri }
	switch mcp.MCPMethod(m.Method) {
	case mcp.MethodSetLogLevel, mcp.MethodResourcesSubscribe,
		mcp.MethodResourcesList: // who read the list hears when it changes
		b.replayed = append(slices.DeleteFunc(b.replayed, same), m)
	case mcp.MethodResourcesUnsubscribe:
		m.Method = string(mcp.MethodResourcesSubscribe)
		b.replayed = slices.DeleteFunc(b.replayed, same)
	}
}

// forward takes a request to a server and returns the answer, which is empty when
// nobody waits for it any more.
func (b *Bridge) forward(ctx context.Context, c *call) jsonrpc.Message {
	if !c.listens() {
		select {
		case b.slots <- struct{}{}:
			defer func() { <-b.slots }()
		case <-ctx.Done():
			return jsonrpc.Message{}
		}
	}
	pause, lost := 50*time.Millisecond, 0
	for try := 0; ; try++ {
		answer, err := b.attempt(ctx, c)
		switch {
		case err == nil:
			return answer
		case ctx.Err() != nil:
			return jsonrpc.Message{}
		case c.listens() && broken(err):
			try = 0
		case errors.Is(err, errLost):
			if lost++; !b.repeatable(c) {
				return c.Refused(fmt.Sprintf("tocsin ended while %s was under way, so it is not known whether it was done. "+
					"Look with list_alert_rules or list_alerts before you repeat it.", c.Param("name")))
			}
		case !again(err):
			return b.failed(c, err)
		}
		if try >= tries || lost > lostTries {
			return b.failed(c, err)
		}
		if !rules.Sleep(ctx, pause) {
			return jsonrpc.Message{}
		}
		pause = min(2*pause, time.Second)
	}
}

// repeatable reports whether nothing is done twice if the request is sent
// twice.
func (b *Bridge) repeatable(c *call) bool {
	return c.Method != string(mcp.MethodToolsCall) || b.reads != nil && b.reads(c.Param("name"))
}

// broken reports whether a stream may be asked for again.
func broken(err error) bool {
	return errors.Is(err, errLost) || errors.Is(err, errUnreached) || again(err)
}

// failed answers in words. They are logged once.
func (b *Bridge) failed(c *call, err error) jsonrpc.Message {
	text := rules.Sentence(err)
	b.mu.Lock()
	first := !b.said[text]
	b.said[text] = true
	b.mu.Unlock()
	if first {
		b.log.Warn("a message of the client was not answered", "method", c.Method, "error", text)
	}
	return c.Refused(text)
}

// attempt takes a request to the first server that can be reached.
func (b *Bridge) attempt(ctx context.Context, c *call) (answer jsonrpc.Message, err error) {
	ctx, abandon := context.WithCancel(ctx)
	defer abandon()
	for _, u := range b.upstreams {
		b.mu.Lock()
		c.at, c.abandon = u, abandon
		b.mu.Unlock()
		answer, err = u.forward(ctx, b, c)
		if !errors.Is(err, errUnreached) {
			break
		}
	}
	return answer, err
}

// reached notes which server answers now. What the one before kept open is
// opened at the new one.
func (b *Bridge) reached(u *upstream) {
	b.mu.Lock()
	before := b.at
	b.at = u
	for _, c := range b.calls {
		if c.listens() && c.at != nil && c.at != u { // what has no server yet comes by itself
			c.abandon()
		}
	}
	b.mu.Unlock()
	if before != nil && before != u {
		b.log.Info("another server answers now", "server", u.name)
		before.forget(nil)
	}
}

// restore opens what the client waits for at the best server that is there.
func (b *Bridge) restore(ctx context.Context) {
	b.mu.Lock()
	at, keeps := b.at, len(b.replayed) > 0
	waits := keeps || slices.ContainsFunc(b.calls, (*call).listens)
	b.mu.Unlock()
	if at == nil || !waits {
		return
	}
	for _, u := range b.upstreams {
		if u == at && (!keeps || u.present() != nil) {
			return // there is no better one
		}
		if u.reachable(ctx) {
			b.reached(u)
			if keeps {
				if _, _, err := u.ensureSession(ctx, b, false); err != nil {
					b.log.Info("subscriptions were not repeated", "server", u.name, "error", err)
				}
			}
			return
		}
	}
}

// cancelled ends a request of the client, here and at the server.
func (b *Bridge) cancelled(ctx context.Context, m jsonrpc.Message) {
	var p struct {
		ID json.RawMessage `json:"requestId"`
	}
	if json.Unmarshal(m.Params, &p) != nil {
		return
	}
	b.mu.Lock()
	found := false
	for _, c := range b.calls {
		if string(c.ID) == string(p.ID) {
			c.cancelled, found = true, true
			c.cancel()
		}
	}
	b.mu.Unlock()
	if found && m.Version == "" {
		b.notify(ctx, m)
	}
}

// notify passes a notification to the server that answers now. Nothing
// overtakes the end of the handshake.
func (b *Bridge) notify(ctx context.Context, m jsonrpc.Message) {
	b.mu.Lock()
	u := b.at
	confirms := m.Method == string(mcp.MethodNotificationInitialized)
	b.ready = b.ready || confirms
	b.mu.Unlock()
	if u == nil {
		return
	}
	s := u.present()
	if s == nil {
		return
	}
	if confirms {
		u.confirm(ctx, b, s)
		return
	}
	b.spawned.Go(func() { b.notifyServer(ctx, u, s, m) })
}

// notifyServer sends what nobody waits for an answer to.
func (b *Bridge) notifyServer(ctx context.Context, u *upstream, s *session, m jsonrpc.Message) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := u.notify(ctx, s, m); err != nil && ctx.Err() == nil {
		b.log.Info("a message of the client did not arrive", "method", m.Method, "error", err)
	}
}

// finish waits for the answers to what was asked before the input ended. What
// the client was asked counts as cancelled.
func (b *Bridge) finish(ctx context.Context) {
	b.mu.Lock()
	b.over = true
	open := b.serverRequests
	b.serverRequests = map[int]serverRequest{}
	b.mu.Unlock()
	for _, q := range open {
		b.spawned.Go(func() { b.notifyServer(ctx, q.at, q.session, q.unanswered()) })
	}
	settled := make(chan struct{})
	b.spawned.Go(func() { b.pending.Wait(); close(settled) })
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-settled:
	case <-ctx.Done():
	case <-timer.C:
		b.log.Warn("standard input ended and some answers did not come", "within", patience)
	}
}

// write puts a message on the output.
func (b *Bridge) write(m jsonrpc.Message) {
	b.writing.Lock()
	defer b.writing.Unlock()
	if _, err := b.out.Write(m.Line()); err != nil {
		b.log.Warn("standard output is closed", "error", err)
	}
}
