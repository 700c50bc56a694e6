package stdio_test

import (
	"fmt"
	"testing"
)

// TestAnAnswerDropsNoNotificationBeforeIt: what was said before an answer
// arrives before it, also the very last.
func TestAnAnswerDropsNoNotificationBeforeIt(t *testing.T) {
	h := newHouse(t)
	b := bridge(t, h.local())
	b.say(hello, ready)
	b.hears(`"id":1`)
	preview := `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"preview_alert_rule","arguments":{"measurement":"temperature","field":"celsius","since":"1h",` +
		`"condition":{"type":"threshold","operator":">","value":8}},"_meta":{"progressToken":"p"}}}`
	for id := range 100 {
		b.say(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},%s}}`, 1000+id, modernMeta))
		b.hears(`"method":"notifications/subscriptions/acknowledged"`)
		b.hears(fmt.Sprintf(`"id":%d`, 1000+id), `"result"`)

		b.say(fmt.Sprintf(preview, id))
		last := 0.0
		for m := b.hear(); m["result"] == nil; m = b.hear() {
			last, _ = m["params"].(map[string]any)["progress"].(float64)
		}
		if last != 100 {
			t.Fatalf("the last progress of call %d is %v", id, last)
		}
	}
	b.ends()
}
