package stdio

import (
	"testing"

	"github.com/9bikes/tocsin/app/jsonrpc"
)

// TestAServerIsReachedBeforeAListenerIsSent: a stream that is asked for in that
// moment has nothing to move.
func TestAServerIsReachedBeforeAListenerIsSent(t *testing.T) {
	b := NewBridge([]Target{{Name: "daemon"}}, Options{})
	m, wrong := jsonrpc.Parse([]byte(`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{}}`))
	if wrong != nil {
		t.Fatal("it is no message")
	}
	c, _ := b.open(t.Context(), m)
	defer c.cancel()
	if !c.listens() {
		t.Fatalf("%s does not listen", m.Method)
	}
	b.reached(b.upstreams[0])
	if b.at != b.upstreams[0] {
		t.Error("the server that was reached is not the one that answers")
	}
}
