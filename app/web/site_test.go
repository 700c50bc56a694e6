package web_test

import (
	"context"
	"html"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/web"
	"github.com/9bikes/tocsin/rules"
)

// browser is a person at a listener that others than this machine reach.
type browser struct {
	*testing.T
	handler http.Handler
	cookie  string
	header  map[string]string
}

func (h *house) browser() *browser {
	return &browser{T: h.T, handler: web.New(h.app, web.Options{}), header: map[string]string{}}
}

// ask sends a request as a page of the daemon does; a form is posted.
func (b *browser) ask(path string, form url.Values) *httptest.ResponseRecorder {
	b.Helper()
	method, body := http.MethodGet, ""
	if form != nil {
		method, body = http.MethodPost, form.Encode()
	}
	r := httptest.NewRequestWithContext(
		context.WithValue(b.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(192, 168, 1, 5), Port: 8627}),
		method, path, strings.NewReader(body))
	r.Host = "192.168.1.5:8627"
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "http://192.168.1.5:8627")
	}
	if b.cookie != "" {
		r.AddCookie(&http.Cookie{Name: "tocsin", Value: b.cookie})
	}
	for name, value := range b.header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return w
}

// login makes a token and gives it to the form.
func (b *browser) login(h *house, scope app.Scope) {
	b.Helper()
	_, secret, err := h.app.AddToken(b.Context(), rules.Actor{Name: "t", Door: "cli"},
		app.TokenRequest{Name: "of-" + string(scope), Scope: scope})
	if err != nil {
		b.Fatal(err)
	}
	w := b.ask("/login", url.Values{"token": {secret.Reveal()}, "to": {"rules"}})
	cookies := w.Result().Cookies()
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "rules" && w.Header().Get("Location") != "rules?" ||
		len(cookies) != 1 {
		b.Fatalf("login: %d to %q, cookies %v\n%s", w.Code, w.Header().Get("Location"), cookies, w.Body)
	}
	c := cookies[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure {
		b.Errorf("the cookie is %+v", c)
	}
	b.cookie = c.Value
}

var siteTitle = `<b>"Fr&eezer"</b>` + "\u202e"

// full is a house with a rule, whose title breaks out where it can, that fires.
func full(t *testing.T) (h *house, alert string) {
	h = newHouse(t)
	h.rule(siteTitle, "live", true)
	h.tick(-2)
	list, _, err := h.app.Alerts(t.Context(), app.AlertFilter{})
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	return h, list[0].ID
}

func (h *house) ruleName() string {
	h.Helper()
	list, _, err := h.app.ListRules(h.Context(), app.RuleFilter{})
	if err != nil || len(list) != 1 {
		h.Fatal(list, err)
	}
	return list[0].Name
}

// pagesOf are the addresses of all pages.
func pagesOf(h *house, alert string) []string {
	name := url.QueryEscape(h.ruleName())
	return []string{
		"/", "/alerts", "/alerts?status=firing&severity=medium", "/alert?id=" + alert, "/rules", "/rules?text=fr",
		"/rule?name=" + name + "&span=6h", "/silences", "/silences?try=1&rule=" + name + "&for=2h", "/silences?try=1&match=x",
		"/channels", "/system", "/system?doctor=1", "/changes", "/help", "/help?topic=rules",
		"/edit", "/edit?measurement=temperature&look=1&title=x", "/edit?name=" + name,
	}
}

// TestEveryPageShowsAndHidesWhatItShould: what data says does not become
// markup, and no credential is shown.
func TestEveryPageShowsAndHidesWhatItShould(t *testing.T) {
	h, alert := full(t)
	b := h.browser()
	b.login(h, app.ScopeWrite)
	titled := 0
	for _, path := range pagesOf(h, alert) {
		w := b.ask(path, nil)
		text := w.Body.String()
		if w.Code != http.StatusOK || !strings.Contains(text, "</html>") {
			t.Errorf("%s: %d %.300s", path, w.Code, text)
		}
		for _, secret := range []string{b.cookie, token, influxKey, "s3cret-topic", "<b>", "\u202e", "ZgotmplZ"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %q", path, secret)
			}
		}
		if strings.Contains(text, "&lt;b&gt;") {
			titled++
		}
		policy := w.Header().Get("Content-Security-Policy")
		if strings.Contains(policy, "unsafe") || !strings.Contains(policy, "script-src 'self'") {
			t.Errorf("%s: policy %q", path, policy)
		}
		for _, found := range regexp.MustCompile(`(?:href|src|action)="(/|https?:)`).FindAllString(text, -1) {
			t.Errorf("%s: %s is not relative, and breaks below the path of a proxy", path, found)
		}
		if regexp.MustCompile(`\son[a-z]+=|style=|<script>`).MatchString(text) {
			t.Errorf("%s has something inline, which the policy forbids", path)
		}
	}
	if titled < 6 {
		t.Errorf("%d pages name the rule", titled)
	}
}

func TestAnEmptyHouseHasPagesToo(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.login(h, app.ScopeRead)
	for _, path := range []string{"/", "/alerts", "/rules", "/silences", "/channels", "/system", "/changes"} {
		if w := b.ask(path, nil); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "<no value>") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	for _, path := range []string{"/alert?id=a1", "/rule?name=none"} {
		if w := b.ask(path, nil); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "Not done") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// TestNobodyIsLetInWithoutAToken, nor by one that is gone; a program is told
// so, and a browser led to the form.
func TestNobodyIsLetInWithoutAToken(t *testing.T) {
	h, alert := full(t)
	b := h.browser()
	for _, path := range pagesOf(h, alert) {
		w := b.ask(path, nil)
		if to := w.Header().Get("Location"); w.Code != http.StatusSeeOther || !strings.HasPrefix(to, "login?to=") {
			t.Errorf("%s: %d to %q", path, w.Code, to)
		}
	}
	if w := b.ask("/login", nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "tocsin tokens add") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w := b.ask("/login", url.Values{"token": {"guess"}})
	if w.Code != http.StatusBadRequest || len(w.Result().Cookies()) > 0 {
		t.Errorf("a guess: %d", w.Code)
	}
	b.login(h, app.ScopeWrite)
	if _, err := h.app.RevokeToken(t.Context(), "of-write"); err != nil {
		t.Fatal(err)
	}
	if w := b.ask("/", nil); w.Code != http.StatusSeeOther {
		t.Errorf("with a token that was revoked: %d", w.Code)
	}
	if w := b.ask("/status", nil); w.Code == http.StatusOK {
		t.Errorf("/status for the cookie: %d", w.Code)
	}
}

// TestALoginLeadsToPagesOfOursOnly.
func TestALoginLeadsToPagesOfOursOnly(t *testing.T) {
	h := newHouse(t)
	for to, want := range map[string]string{
		"alert?id=a1": "alert?id=a1", "": ".", "https://evil.example/": ".", "//evil.example": ".", "/\\evil.example": ".",
		"javascript:alert(1)": ".", "logout": ".", "../x": ".", "status": ".", "rules?text=a%0d%0ab": "rules?text=a%0D%0Ab",
	} {
		b := &browser{T: t, handler: web.New(h.app, web.Options{Token: rules.NewSecret(token)})}
		w := b.ask("/login", url.Values{"token": {token}, "to": {to}})
		if got := w.Header().Get("Location"); got != want {
			t.Errorf("%q leads to %q, want %q", to, got, want)
		}
	}
}

// TestFormsOfOtherSitesDoNothing.
func TestFormsOfOtherSitesDoNothing(t *testing.T) {
	h, alert := full(t)
	b := h.browser()
	b.login(h, app.ScopeWrite)
	for _, header := range []map[string]string{
		{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
	} {
		b.header = header
		if w := b.ask("/alert", url.Values{"act": {"ack"}, "id": {alert}}); w.Code != http.StatusForbidden {
			t.Errorf("%v: %d", header, w.Code)
		}
		if w := b.ask("/rule", url.Values{"act": {"delete"}, "name": {h.ruleName()}}); w.Code != http.StatusForbidden {
			t.Errorf("%v: %d", header, w.Code)
		}
	}
	b.header = nil
	if a, err := h.app.Alert(t.Context(), alert); err != nil || a.AcknowledgedBy != "" {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestWhatFormsDo, for who may.
func TestWhatFormsDo(t *testing.T) {
	h, alert := full(t)
	name := h.ruleName()
	steps := []struct {
		path   string
		form   url.Values
		needs  app.Scope
		leads  string
		worked func() bool
	}{
		{"/alert", url.Values{"act": {"ack"}, "id": {alert}, "note": {"mine"}}, app.ScopeAck, "alert?id=" + alert, func() bool {
			a, err := h.app.Alert(t.Context(), alert)
			return err == nil && a.AcknowledgedBy != "" && a.Note == "mine"
		}},
		{"/alert", url.Values{"act": {"undo"}, "id": {alert}, "to": {"now"}}, app.ScopeAck, ".", func() bool {
			a, err := h.app.Alert(t.Context(), alert)
			return err == nil && a.Status == rules.StatusFiring
		}},
		{"/alert", url.Values{"act": {"snooze"}, "for": {"2h"}, "id": {alert}}, app.ScopeAck, "alert?id=" + alert, func() bool {
			a, err := h.app.Alert(t.Context(), alert)
			return err == nil && a.Until != nil
		}},
		{"/silences", url.Values{"act": {"create"}, "rule": {name}, "for": {"2h"}}, app.ScopeWrite, "silences", func() bool {
			list, err := h.app.ListSilences(t.Context(), false)
			return err == nil && len(list) == 1 && list[0].Rule == name
		}},
		{"/rule", url.Values{"act": {"disable"}, "name": {name}}, app.ScopeWrite, "rule?name=" + name, func() bool {
			r, err := h.app.Rule(t.Context(), name)
			return err == nil && !r.Enabled
		}},
		{"/rule", url.Values{"act": {"restore"}, "name": {name}, "version": {"1"}}, app.ScopeWrite, "rule?name=" + name, func() bool {
			r, err := h.app.Rule(t.Context(), name)
			return err == nil && r.Enabled
		}},
		{"/rule", url.Values{"act": {"delete"}, "name": {name}}, app.ScopeWrite, "rules", func() bool {
			_, err := h.app.Rule(t.Context(), name)
			return rules.CodeOf(err) == rules.NotFound
		}},
	}
	readers := map[app.Scope]*browser{}
	for _, scope := range []app.Scope{app.ScopeRead, app.ScopeAck, app.ScopeWrite} {
		readers[scope] = h.browser()
		readers[scope].login(h, scope)
	}
	for _, step := range steps {
		for _, scope := range []app.Scope{app.ScopeRead, app.ScopeAck, app.ScopeWrite} {
			w := readers[scope].ask(step.path, step.form)
			if !scope.Allows(step.needs) {
				if w.Code != http.StatusForbidden {
					t.Errorf("%s %v with %s: %d", step.path, step.form, scope, w.Code)
				}
				continue
			}
			if w.Code != http.StatusSeeOther || w.Header().Get("Location") != step.leads || !step.worked() {
				t.Errorf("%s %v with %s: %d to %q\n%s", step.path, step.form, scope, w.Code, w.Header().Get("Location"), w.Body)
			}
			break
		}
	}
}

// TestARuleIsMadeAndChangedInABrowser: the form writes the text, a trial saves
// nothing, what is refused stands beside what was written.
func TestARuleIsMadeAndChangedInABrowser(t *testing.T) {
	h, _ := full(t)
	b := h.browser()
	b.login(h, app.ScopeWrite)
	form := url.Values{
		"act": {"write"}, "title": {"Hall"}, "source": {"live"}, "measurement": {"temperature"}, "field": {"celsius"},
		"condition.aggregation": {"mean"}, "condition.window": {"5m"}, "condition.operator": {">"}, "condition.value": {"-9"},
		"severity": {"high"}, "for": {"2m"},
	}
	w := b.ask("/edit", form)
	text := textarea(t, w.Body.String())
	if w.Code != http.StatusOK || !strings.Contains(text, "title: Hall") ||
		!strings.Contains(w.Body.String(), "would not have fired") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if _, total, err := h.app.ListRules(t.Context(), app.RuleFilter{}); err != nil || total != 1 {
		t.Errorf("a trial saved: %d rules, %v", total, err)
	}
	w = b.ask("/edit", url.Values{"act": {"save"}, "text": {text + "sumary: x\n"}})
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "sumary") ||
		!strings.Contains(textarea(t, w.Body.String()), "sumary: x") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w = b.ask("/edit", url.Values{"act": {"save"}, "text": {text}}); w.Header().Get("Location") != "rule?name=hall" {
		t.Fatalf("%d to %q\n%s", w.Code, w.Header().Get("Location"), w.Body)
	}
	w = b.ask("/edit?name=hall", nil)
	text = textarea(t, w.Body.String())
	changed := strings.Replace(text, "for: 2m\n", "", 1)
	save := url.Values{"act": {"save"}, "name": {"hall"}, "version": {"1"}, "text": {changed}}
	if w = b.ask("/edit", save); w.Code != http.StatusSeeOther || changed == text {
		t.Fatalf("%q: %d %s", text, w.Code, w.Body)
	}
	if r, err := h.app.Rule(t.Context(), "hall"); err != nil || r.For != 0 || r.Version != 2 || r.CreatedBy == "" {
		t.Errorf("%+v, %v", r.Rule, err)
	}
	save.Set("text", text) // by somebody who has not seen version 2
	w = b.ask("/edit", save)
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "is at version 2 now") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// textarea is what stands in the only one of a page.
func textarea(t *testing.T, page string) string {
	t.Helper()
	_, after, ok := strings.Cut(page, "<textarea")
	_, after, _ = strings.Cut(after, ">")
	text, _, end := strings.Cut(after, "</textarea>")
	if !ok || !end {
		t.Fatalf("no text in %s", page)
	}
	return html.UnescapeString(text)
}
