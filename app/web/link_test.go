package web_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/web"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// porch is a house whose messages carry links, beyond loopback and with a
// token, and with an alert that fires.
type porch struct {
	*house
	door  *web.Handler
	key   string // the path of the key
	said  bytes.Buffer
	now   time.Time
	alert string
}

func newPorch(t *testing.T) *porch {
	t.Helper()
	p := &porch{house: newHouse(t), key: filepath.Join(t.TempDir(), "links.key"), now: noon.Add(time.Minute)}
	p.app.Now = func() time.Time { return p.now }
	p.app.Config.PublicURL, p.app.Config.Zone = "https://bell.example/tocsin", "UTC"
	key, err := notify.OpenKey(p.key, true)
	if err != nil {
		t.Fatal(err)
	}
	p.app.Links = notify.NewSigner(key)
	p.reopen()
	p.rule("Freezer <b>warm</b>", "live", true)
	p.tick(-2)
	p.alert = p.open().ID
	return p
}

// reopen makes a new door, whose limits are fresh.
func (p *porch) reopen() {
	p.door = web.New(p.app, web.Options{
		Token: rules.NewSecret(token), Hosts: []string{"bell.example"},
		Log: slog.New(slog.NewTextHandler(&p.said, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
}

// open returns the newest alert.
func (p *porch) open() app.AlertView {
	p.Helper()
	list, _, err := p.app.Alerts(p.Context(), app.AlertFilter{Limit: 1})
	if err != nil || len(list) != 1 {
		p.Fatalf("alerts = %v, %v", list, err)
	}
	return list[0]
}

// path returns what a link in a message opens: 0 acknowledges, 1 snoozes.
func (p *porch) path(which int) string {
	p.Helper()
	actions := p.app.LinkActions("m1", []rules.Notification{{AlertID: p.alert, Channel: "phone", Reason: rules.FirstNews}})
	if len(actions) != 2 {
		p.Fatalf("actions = %+v", actions)
	}
	path, ours := strings.CutPrefix(actions[which].URL, "https://bell.example/tocsin")
	if !ours || !actions[which].POST {
		p.Fatalf("action = %+v", actions[which])
	}
	return path
}

func (p *porch) ask(method, path string) *httptest.ResponseRecorder {
	p.Helper()
	return ask(p.T, p.door, request{method: method, path: path, host: "bell.example", header: header{"Origin": "null"}})
}

func (p *porch) wants(w *httptest.ResponseRecorder, code int, texts ...string) {
	p.Helper()
	if w.Code != code {
		p.Errorf("status = %d, want %d: %s", w.Code, code, w.Body)
	}
	for _, want := range texts {
		if !strings.Contains(w.Body.String(), want) {
			p.Errorf("the page does not say %q:\n%s", want, w.Body)
		}
	}
}

func TestALinkShowsAndOnlyAPostActs(t *testing.T) {
	p := newPorch(t)
	for which, want := range []string{"Acknowledge this alert?", "Snooze this alert?"} {
		for _, method := range []string{"GET", "HEAD", "GET"} {
			w := p.ask(method, p.path(which))
			p.wants(w, 200)
			if method == "GET" {
				p.wants(w, 200, want, "Freezer &lt;b&gt;warm&lt;/b&gt;", "<dt>Value</dt><dd>-2</dd>",
					"<dt>Since</dt><dd>2026-03-02 12:00:30 UTC</dd>", `<form method="post">`)
			}
			for name, value := range map[string]string{
				"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow",
				"X-Content-Type-Options": "nosniff",
			} {
				if got := w.Header().Get(name); got != value {
					t.Errorf("%s = %q, want %q", name, got, value)
				}
			}
		}
	}
	if a := p.open(); a.Status != rules.StatusFiring || len(a.History) != 0 {
		t.Fatalf("looking acted: %+v", a)
	}
	for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS"} {
		if w := p.ask(method, p.path(0)); w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s = %d, want 405", method, w.Code)
		}
	}
	if a := p.open(); a.Status != rules.StatusFiring {
		t.Fatalf("another method acted: %+v", a)
	}
	p.wants(p.ask("POST", p.path(0)), 200, "<h1>Acknowledged</h1>", "Take it back", "link via phone")
	a, err := p.app.Store.Alert(t.Context(), p.alert)
	if err != nil || a.Ack == nil || a.Ack.By != (rules.Actor{Name: "link via phone", Door: "link"}) ||
		!a.Ack.Until.IsZero() {
		t.Errorf("alert = %+v, %v", a.Ack, err)
	}
}

func sha256Base64(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func TestTheStyleOfThePageIsAllowedByItsPolicy(t *testing.T) {
	p := newPorch(t)
	w := p.ask("GET", p.path(0))
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(w.Body.String())
	policy := w.Header().Get("Content-Security-Policy")
	if style == nil || !strings.Contains(style[1], "color-scheme: light dark") ||
		!strings.Contains(policy, "'sha256-"+sha256Base64(style[1])+"'") {
		t.Errorf("policy = %q, style = %.200q", policy, style)
	}
	if !strings.Contains(policy, "form-action 'self'") || strings.Contains(w.Body.String(), "<script") {
		t.Errorf("policy = %q, page = %s", policy, w.Body)
	}
}

// several makes two more alerts and returns the links of a message about all
// three.
func (p *porch) several() (ack, snooze string, ids []string) {
	p.Helper()
	p.rule("Fridge", "live", true)
	p.rule("Cellar", "live", true)
	p.judge(-2)
	list, _, err := p.app.Alerts(p.Context(), app.AlertFilter{Status: rules.StatusOpen})
	if err != nil || len(list) != 3 {
		p.Fatalf("alerts = %+v, %v", list, err)
	}
	for _, v := range list {
		ids = append(ids, v.ID)
	}
	outbox := notify.LedgerOutbox{LedgerCache: p.app.Ledgers}
	about, err := outbox.Claim(p.Context(), outbox.Owed(p.now), "m1")
	if err != nil || len(about) != 3 {
		p.Fatalf("told of %+v, %v", about, err)
	}
	actions := p.app.LinkActions("m1", about)
	if len(actions[0].URL) > 140 {
		p.Errorf("the link is long: %s", actions[0].URL)
	}
	if actions[0].Label != "Acknowledge all 3" || actions[1].Label != "Snooze all 3 for 1 h" {
		p.Errorf("actions = %+v", actions)
	}
	path := func(i int) string { return strings.TrimPrefix(actions[i].URL, "https://bell.example/tocsin") }
	return path(0), path(1), ids
}

// status tells how the alerts are, in the order of ids.
func (p *porch) status(ids []string) (out string) {
	p.Helper()
	for _, id := range ids {
		v, err := p.app.Alert(p.Context(), id)
		if err != nil {
			p.Fatal(err)
		}
		out += string(v.Status) + " " + v.AcknowledgedBy + ";"
	}
	return out
}

func TestALinkAnswersForAllAlertsOfItsMessage(t *testing.T) {
	p := newPorch(t)
	path, _, ids := p.several()
	w := p.ask("GET", path)
	p.wants(w, 200, "Acknowledge 3 alerts?", "<button>Acknowledge all 3</button>", "Fridge", "Cellar",
		"Acknowledge this one")
	one := regexp.MustCompile(`action="([A-Za-z0-9_-]+)"><button class="one">`).FindAllStringSubmatch(w.Body.String(), -1)
	if len(one) != 3 || p.status(ids) != "firing ;firing ;firing ;" {
		t.Fatalf("%d single links, alerts are %s", len(one), p.status(ids))
	}
	p.wants(p.ask("POST", "/a/"+one[1][1]), 200, "<h1>Acknowledged</h1>")
	if got := p.status(ids); got != "firing ;acknowledged link via phone;firing ;" {
		t.Errorf("alerts are %s", got)
	}
	if _, _, err := p.app.Acknowledge(t.Context(), rules.Actor{Name: "ann", Door: "cli"}, ids[0],
		app.AckRequest{}); err != nil {
		t.Fatal(err)
	}
	w = p.ask("POST", path)
	p.wants(w, 200, "<h1>Acknowledged: 3 of 3 alerts</h1>", "Take it back")
	if got := p.status(ids); got != "acknowledged ann;acknowledged link via phone;acknowledged link via phone;" {
		t.Errorf("alerts are %s", got)
	}
	undo := regexp.MustCompile(`action="([A-Za-z0-9_-]+)"><button class="undo">`).FindStringSubmatch(w.Body.String())
	p.wants(p.ask("POST", "/a/"+undo[1]), 200, "Taken back")
	if got := p.status(ids); got != "acknowledged ann;firing ;firing ;" {
		t.Errorf("what others acknowledged was taken back: %s", got)
	}
}

func TestALinkOfSeveralLeavesOutWhatIsOver(t *testing.T) {
	p := newPorch(t)
	_, path, ids := p.several()
	if _, err := p.app.DeleteRule(t.Context(), rules.Actor{Name: "ann"}, "fridge", app.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	p.wants(p.ask("GET", path), 200, "Snooze 2 alerts?", "<dd>resolved</dd>")
	p.wants(p.ask("POST", path), 200, "<h1>Snoozed for an hour: 2 of 3 alerts</h1>")
	if got := strings.Count(p.status(ids), "acknowledged link via phone"); got != 2 {
		t.Errorf("alerts are %s", p.status(ids))
	}
	p.judge(-18)
	p.wants(p.ask("POST", path), 410, "Nothing was done", "All these alerts are over")
}

func TestASnoozeDoesNotShortenAnAcknowledgement(t *testing.T) {
	p := newPorch(t)
	p.wants(p.ask("POST", p.path(0)), 200)
	p.wants(p.ask("POST", p.path(1)), 200, "<h1>Acknowledged already</h1>")
	if a := p.open(); a.Until != nil {
		t.Errorf("alert = %+v", a)
	}
}

func TestALinkSnoozesForAnHour(t *testing.T) {
	p := newPorch(t)
	p.wants(p.ask("POST", p.path(1)), 200, "<h1>Snoozed for an hour</h1>",
		"<dt>Until</dt><dd>2026-03-02 13:01:00 UTC</dd>")
	if a := p.open(); a.Until == nil || !a.Until.Equal(p.now.Add(time.Hour)) {
		t.Errorf("alert = %+v", a)
	}
}

func TestWhatALinkDidCanBeTakenBack(t *testing.T) {
	p := newPorch(t)
	w := p.ask("POST", p.path(0))
	found := regexp.MustCompile(`action="([A-Za-z0-9_-]+)"`).FindStringSubmatch(w.Body.String())
	if found == nil {
		t.Fatalf("no way back: %s", w.Body)
	}
	p.wants(p.ask("GET", "/a/"+found[1]), 200, "Take it back?")
	if a := p.open(); a.Status != rules.StatusAcknowledged {
		t.Fatalf("looking took it back: %+v", a)
	}
	p.wants(p.ask("POST", "/a/"+found[1]), 200, "Taken back")
	if a := p.open(); a.Status != rules.StatusFiring {
		t.Errorf("alert = %+v", a)
	}
	p.wants(p.ask("POST", "/a/"+found[1]), 200, "Taken back") // again: it is so already
}

func TestASecondPressTakesNobodysName(t *testing.T) {
	p := newPorch(t)
	if _, _, err := p.app.Acknowledge(t.Context(), rules.Actor{Name: "ann", Door: "cli"}, p.alert,
		app.AckRequest{Note: "mine"}); err != nil {
		t.Fatal(err)
	}
	p.wants(p.ask("POST", p.path(0)), 200, "Acknowledged", "ann")
	if a := p.open(); a.AcknowledgedBy != "ann" || a.Note != "mine" {
		t.Errorf("alert = %+v", a)
	}
}

func TestALinkDiesWithItsEpisode(t *testing.T) {
	p := newPorch(t)
	path := p.path(0)
	p.wants(p.ask("POST", path), 200)
	p.judge(-18)
	if a := p.open(); a.Status != rules.StatusResolved {
		t.Fatalf("alert = %+v", a)
	}
	p.judge(-2) // the same series fires again
	again := p.open()
	if again.ID == p.alert || again.Status != rules.StatusFiring {
		t.Fatalf("alert = %+v", again)
	}
	for _, method := range []string{"GET", "POST"} {
		p.wants(p.ask(method, path), 410, "Nothing was done", "This alert is over")
	}
	if a := p.open(); a.Status != rules.StatusFiring {
		t.Errorf("the link of another episode acted: %+v", a)
	}
}

// judge lets some ticks pass with another value.
func (p *porch) judge(celsius float64) {
	p.Helper()
	for range 4 {
		line := fmt.Appendf(nil, "temperature celsius=%g %d", celsius, p.now.Add(-time.Second).UnixNano())
		if err := p.points.Write(line, time.Nanosecond, p.now); err != nil {
			p.Fatal(err)
		}
		if err := p.app.Engine.Tick(p.Context(), p.now); err != nil {
			p.Fatal(err)
		}
		p.now = p.now.Add(30 * time.Second)
	}
}

func TestLinksThatAreNoneAreRefusedKindly(t *testing.T) {
	p := newPorch(t)
	good := p.path(0)
	sign := func(l notify.Link) string { return "/a/" + p.app.Links.Sign(l) }
	for _, tt := range []struct {
		name, path string
		code       int
		says       string
	}{
		{"cut by a mail program", good[:len(good)-5], 403, "This link is not complete, or not one of this tocsin"},
		{"bent", good[:20] + "x" + good[21:], 403, "not complete"},
		{
			"expired", sign(notify.Link{Alerts: []string{p.alert}, Act: notify.LinkAck, Channel: "phone", Expires: p.now}), 410,
			"This link is too old",
		},
		{"of an alert that is forgotten", sign(notify.Link{
			Alerts: []string{"a-gone"}, Act: notify.LinkAck, Channel: "phone",
			Expires: p.now.Add(time.Hour),
		}), 410, "This alert is long over"},
		{"of a message that nothing is known of", sign(notify.Link{
			Message: "m-gone", Act: notify.LinkAck, Channel: "phone", Expires: p.now.Add(time.Hour),
		}), 410, "a newer message tells of it"},
		{"of an act that is none", sign(notify.Link{
			Alerts: []string{p.alert}, Act: "explode", Channel: "phone",
			Expires: p.now.Add(time.Hour),
		}), 400, "open a newer message"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.wants(p.ask("POST", tt.path), tt.code, "Nothing was done", tt.says, "viewport")
		})
	}
	if a := p.open(); a.Status != rules.StatusFiring {
		t.Errorf("alert = %+v", a)
	}
}

func TestLinksAreAnsweredUnderOurNamesOnly(t *testing.T) {
	p := newPorch(t)
	path := p.path(0)
	for host, want := range map[string]int{
		"bell.example": 200, "bell.example:8627": 200, "192.168.1.5:8627": 200,
		"127.0.0.1:8627": 200, "evil.example": 403,
	} {
		if w := ask(t, p.door, request{path: path, host: host}); w.Code != want {
			t.Errorf("as %s: %d, want %d", host, w.Code, want)
		}
	}
	p.wants(ask(t, p.door, request{path: "/a/", host: "bell.example"}), 404)
	p.wants(ask(t, p.door, request{path: "/status", host: "bell.example"}), 401)
	// to /status, which asks for the token
	p.wants(ask(t, p.door, request{path: "/a/../status", host: "bell.example"}), 307)
	p.app.Links = nil
	p.wants(p.ask("GET", path), 404, "public_url is not in the config")
}

func TestGuessingLinksIsSlowedDown(t *testing.T) {
	p := newPorch(t)
	counts := map[int]int{}
	for i := range 100 {
		counts[p.ask("GET", fmt.Sprintf("/a/guess%d", i)).Code]++
	}
	if counts[403] < 30 || counts[403] > 35 || counts[429] != 100-counts[403] {
		t.Errorf("guesses were answered %v", counts)
	}
	p.wants(p.ask("GET", p.path(0)), 200, "Acknowledge this alert?") // others' guesses do not shut out people
	for range 100 {
		counts[1000+p.ask("POST", p.path(0)).Code]++
	}
	if counts[1200] < 60 || counts[1429] < 30 {
		t.Errorf("acts were answered %v", counts)
	}
}

// TestTheKeyOfLinksNeverShows, nor does a link in a log: whoever has it may
// act.
func TestTheKeyOfLinksNeverShows(t *testing.T) {
	p := newPorch(t)
	key, err := os.ReadFile(p.key)
	if err != nil {
		t.Fatal(err)
	}
	path := p.path(0)
	var pages bytes.Buffer
	for _, q := range []request{
		{path: path},
		{method: "POST", path: path},
		{path: path + "x"},
		{path: "/a/x"},
		{path: "/status"},
		{path: "/metrics"},
	} {
		for _, host := range []string{"bell.example", "evil.example"} {
			q.host = host
			w := ask(t, p.door, q)
			pages.WriteString(w.Body.String())
			if err := w.Result().Header.Write(&pages); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !strings.Contains(p.said.String(), "request refused") || !strings.Contains(p.said.String(), "link followed") ||
		!strings.Contains(pages.String(), "Acknowledged") {
		t.Fatalf("nothing was said:\n%s", p.said.String())
	}
	if strings.Contains(p.said.String(), strings.TrimPrefix(path, "/a/")) {
		t.Errorf("the log shows a link:\n%s", p.said.String())
	}
	p.close()
	files := []string{path, pages.String(), p.said.String()}
	stored, err := filepath.Glob(filepath.Join(filepath.Dir(p.database), "*"))
	if err != nil || len(stored) == 0 {
		t.Fatalf("stored files: %v, %v", stored, err)
	}
	for _, name := range stored {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, string(text))
	}
	for _, text := range files {
		for _, form := range []string{
			string(key), hex.EncodeToString(key), base64.StdEncoding.EncodeToString(key),
			base64.RawURLEncoding.EncodeToString(key), fmt.Sprint(key),
		} {
			if strings.Contains(text, form) {
				t.Errorf("the key shows in %.200q", text)
			}
		}
	}
}
