package shoutrrr

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// dialTimeout bounds the way to a service. What ends there has surely not
// arrived, so that nothing is gained by waiting as long as for an answer.
const dialTimeout = 10 * time.Second

// dial makes the connections of which an inFlight knows what was written.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &counted{Conn: conn}, nil
}

// counted is a connection that counts what it took.
type counted struct {
	net.Conn
	written atomic.Int64
}

// Write writes p and counts what was taken of it, and meanwhile all of it.
func (c *counted) Write(p []byte) (int, error) {
	c.written.Add(int64(len(p)))
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n - len(p)))
	return n, err
}

// inFlight watches whether any of one request leaves. That it was written says
// little: it may have stayed in a buffer in front of a connection that is gone.
type inFlight struct {
	wrote  atomic.Bool
	conn   atomic.Pointer[counted]
	before atomic.Int64 // what had left of the handshake
}

// watch returns the context for the request.
func (c *inFlight) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			conn := info.Conn
			if secure, ok := conn.(*tls.Conn); ok {
				conn = secure.NetConn()
			}
			if known, ok := conn.(*counted); ok {
				c.before.Store(known.written.Load())
				c.conn.Store(known)
			}
		},
		WroteRequest: func(httptrace.WroteRequestInfo) { c.wrote.Store(true) },
	})
}

// left reports whether a byte of the request may have left.
func (c *inFlight) left() bool {
	if conn := c.conn.Load(); conn != nil {
		return conn.written.Load() > c.before.Load()
	}
	return c.wrote.Load()
}
