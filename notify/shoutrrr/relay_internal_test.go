package shoutrrr

import (
	"context"
	"errors"
	"io"
	"net"
	"net/textproto"
	"net/url"
	"testing"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// The relay's port is nobody's business, so this test is inside.
func TestRelayServesNobodyElse(t *testing.T) {
	r, err := newRelay(mailServer{host: "127.0.0.1", port: "1", hello: "localhost", encryption: inClear})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out := r.through(ctx, func() error {
		address, err := url.Parse(r.address("a@b", "c@d"))
		if err != nil {
			return err
		}
		conn, err := net.Dial("tcp", address.Host)
		if err != nil {
			return err
		}
		defer conn.Close()
		text := textproto.NewConn(conn)
		if _, _, err := text.ReadResponse(220); err != nil {
			return err
		}
		if err := text.PrintfLine("EHLO stranger"); err != nil {
			return err
		}
		if line, err := text.ReadLine(); !errors.Is(err, io.EOF) {
			t.Errorf("the stranger was told %q, %v", line, err)
		}
		return send(r.address("a@b", "c@d"), "Subject: x\r\n\r\ny")
	})
	if out.State != rules.Owed || out.Class != "refused" {
		t.Errorf("outcome = %+v: the letter should have come to the server, which is down", out)
	}
}
