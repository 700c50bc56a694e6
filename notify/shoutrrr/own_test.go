package shoutrrr_test

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/containrrr/shoutrrr/pkg/router"
	"github.com/containrrr/shoutrrr/pkg/services/gotify"
	"github.com/containrrr/shoutrrr/pkg/types"

	"github.com/9bikes/tocsin/notify/shoutrrr"
)

// wires says for each service who reads its URL, with a URL that its own sender
// in shoutrrr takes and the answer of the real service.
var wires = map[string]struct{ reader, url, answer string }{
	"bark":    {"shoutrrr", "bark://:" + canary + "@bark.example/", `{"code":200}`},
	"discord": {"shoutrrr; `thread_id` tocsin", "discord://" + canary + "@1234", ""},
	"generic": {"options shoutrrr; headers and keys tocsin, as shoutrrr's type hides them", "generic://hooks.example/" +
		canary, ""},
	"googlechat": {
		"tocsin: shoutrrr's type drops `threadKey` and the like",
		"googlechat://chat.googleapis.com/v1/spaces/S/messages?key=k&token=" + canary, "{}",
	},
	"gotify": {"shoutrrr", "gotify://push.example/A" + canary + "0000", `{"id":1}`},
	"join":   {"shoutrrr", "join://shoutrrr:" + canary + "@join/?devices=d1", `{"success":true}`},
	"matrix": {
		"shoutrrr", "matrix://:" + canary + "@matrix.example/?rooms=!room:matrix.example",
		`{"room_id":"!room:matrix.example"}`,
	},
	"mattermost": {"shoutrrr; the port, which its type drops, and `disabletls` tocsin", "mattermost://bot@chat.example/" +
		canary, "ok"},
	"ntfy": {"shoutrrr", "ntfy://:tk_" + canary + "@ntfy.example/alerts", `{}`},
	"opsgenie": {
		"shoutrrr; `responders` tocsin, as schedules and escalations are refused",
		"opsgenie://api.opsgenie.com/" + canary, `{"result":"Request will be processed"}`,
	},
	"pushbullet": {
		"options shoutrrr; the token tocsin, as only one of 34 bytes is taken",
		"pushbullet://o." + canary + strings.Repeat("0", 22), `{"active":true,"type":"note","title":"The title"}`,
	},
	"pushover": {
		"shoutrrr; `retry`, `expire` and `sound` tocsin", "pushover://shoutrrr:" + canary + "@user/",
		`{"status":1}`,
	},
	"rocketchat": {"shoutrrr; `disabletls` tocsin", "rocketchat://chat.example/tokA/" + canary, `{"success":true}`},
	"slack": {"options shoutrrr; the token tocsin, as rotated ones are refused", "slack://hook:T12345678-B12345678-" +
		canary + strings.Repeat("0", 14) + "@webhook", "ok"},
	"smtp":  {"shoutrrr; `auth` tocsin, as LOGIN is not known", "", ""},
	"teams": {"tocsin: shoutrrr knows the retired connectors only", "", ""},
	"telegram": {"options shoutrrr; the token tocsin, as it is for pasted addresses", "telegram://123456:" + canary +
		"@telegram?chats=-100123", `{"ok":true,"result":{}}`},
	"zulip": {"shoutrrr; the port, which its type drops, and `disabletls` tocsin", "zulip://bot%40z.example:" +
		canary + "@z.example/?stream=ops&topic=alerts", `{"result":"success"}`},
}

const deliveryIntro = `# How messages leave

Channels are named by URLs in the form of [shoutrrr](https://containrrr.dev/shoutrrr/), or by the address that a
service shows on its own page. shoutrrr's types read, check and complete these URLs. tocsin sends the messages itself:
HTTP with a client of its own, mail with [go-mail](https://go-mail.dev). It opens no port for that and changes nothing
that other parts of the process use.

shoutrrr's own senders are not used. None can be given a deadline; none tells whether a request had left when the
connection broke, or how long a busy service wants it to wait; those of HTTP follow a redirect with the credential;
and a message is a title and a text to them, without severity, links or buttons. What else each gets wrong is tried by
a test with every version of shoutrrr, which writes this table.

| Service | The URL is read by | Sent by | shoutrrr's own sender |
|---|---|---|---|
`

// TestWhatShoutrrrGetsWrong tries shoutrrr's own senders and compares what is
// found with the documented reasons to send without them. Where the document
// changes, ask whether one can be used now.
func TestWhatShoutrrrGetsWrong(t *testing.T) {
	var table strings.Builder
	table.WriteString(deliveryIntro)
	for _, form := range shoutrrr.New(options()).Forms() {
		wire, ok := wires[form.Kind]
		if !ok {
			t.Fatalf("%s is not in the table", form.Kind)
		}
		sender, faults := "tocsin", []string{"cannot reach what Microsoft has now"}
		switch {
		case form.Kind == "smtp":
			sender, faults = "go-mail", mailFaults(t)
		case wire.url != "":
			faults = ownFaults(t, form.Kind, wire.url, wire.answer)
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %s |\n", form.Title, wire.reader, sender,
			cmp.Or(strings.Join(faults, "; "), "nothing more"))
	}
	const file = "../../packaging/docs/delivery.md"
	if *update {
		if err := os.WriteFile(file, []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || table.String() != string(want) {
		t.Errorf("%s differs (%v); run with -update to see what changed\nhave:\n%s", file, err, table.String())
	}
}

// ownSender is shoutrrr's own for a URL, on its way to the server at address.
func ownSender(t *testing.T, raw, address string) types.Service {
	t.Helper()
	to, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	before := http.DefaultClient.Transport
	t.Cleanup(func() { http.DefaultClient.Transport = before })
	http.DefaultClient.Transport = astray{to, &http.Transport{DisableKeepAlives: true}}
	var r router.ServiceRouter
	service, err := r.Locate(raw)
	if err != nil {
		t.Fatal(err)
	}
	if g, ok := service.(*gotify.Service); ok {
		g.GetHTTPClient().Transport = http.DefaultClient.Transport
	}
	return service
}

// ownFaults is what a sender of shoutrrr gets wrong of what a message needs.
func ownFaults(t *testing.T, kind, raw, answer string) (faults []string) {
	t.Helper()
	fault := func(is bool, name string) {
		if is {
			faults = append(faults, name)
		}
	}
	var lines []string
	for i := range 25 {
		lines = append(lines, fmt.Sprintf("line-%02d", i))
	}
	status := http.StatusOK
	if kind == "discord" {
		status = http.StatusNoContent
	}
	in, arrived := newInbox(t, says(status, answer)), ""
	_ = ownSender(t, raw, in.URL).Send(strings.Join(lines, "\n"), &types.Params{"title": "The title"})
	for _, g := range in.got() {
		arrived += g.String() + g.query.Encode()
	}
	fault(!strings.Contains(strings.ReplaceAll(arrived, "+", " "), "The title"), "loses the title")
	fault(slices.ContainsFunc(lines, func(line string) bool { return !strings.Contains(arrived, line) }), "loses lines")

	fails := func(address string) error { return ownSender(t, raw, address).Send("text", &types.Params{}) }
	lost := fails("http://127.0.0.1:1")
	fault(lost == nil, "takes a lost connection for sent")
	fault(fails(newInbox(t, says(http.StatusBadGateway, "<html>")).URL) == nil, "takes a gateway's error for sent")
	fault(lost != nil && strings.Contains(lost.Error(), canary), "shows the credential in its error")
	busy := fails(newInbox(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7777")
		w.WriteHeader(http.StatusTooManyRequests)
	}).URL)
	if busy != nil && strings.Contains(busy.Error(), "7777") {
		t.Errorf("%s says now how long to wait", kind)
	}
	moved := newInbox(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	_ = fails(moved.URL)
	if len(moved.got()) < 2 {
		t.Errorf("%s follows no redirect any more", kind)
	}
	return faults
}

// mailFaults is what shoutrrr's sender of mails gets wrong.
func mailFaults(t *testing.T) (faults []string) {
	t.Helper()
	p := openPostOffice(t, &postOffice{answers: map[string]string{"gone@x.example": "550 no"}})
	send := func(to, title string) {
		raw := "smtp://127.0.0.1:" + p.port() + "/?from=t@x.example&starttls=no&to=" + to
		_ = ownSender(t, raw, "http://127.0.0.1:1").Send("text", &types.Params{"title": title})
	}
	send("a@x.example", "The title\r\nBcc: eve@evil.example")
	p.mu.Lock()
	mail := strings.Join(p.mails, "")
	p.mails = nil
	p.mu.Unlock()
	if strings.Contains(mail, "\nBcc:") {
		faults = append(faults, "lets a title write headers")
	}
	if !strings.Contains(strings.ToLower(mail), "\nmessage-id:") {
		faults = append(faults, "gives no Message-ID, so no threads")
	}
	send("gone@x.example,b@x.example", "The title")
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.mails) == 0 {
		faults = append(faults, "stops at the first recipient that is refused")
	}
	return faults
}
