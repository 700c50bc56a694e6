package web

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the pages of links
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

//go:embed link.html
var linkPage string

//go:embed link.css
var linkStyle string

// linkPath begins the paths of signed links. Their signature is the
// credential, so whoever holds one needs no token, and no log shows it.
const linkPath = "/a/"

func isLink(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, linkPath) }

// links is the door of the signed links in messages.
type links struct {
	*Handler
	page   *template.Template
	policy string  // of content security
	wrong  *bucket // tokens that are none
	acts   *bucket
}

func newLinks(h *Handler) *links {
	sum := sha256.Sum256([]byte(linkStyle))
	return &links{
		Handler: h,
		page:    template.Must(template.New("link").Funcs(template.FuncMap{"style": func() template.CSS { return template.CSS(linkStyle) }}).Parse(linkPage)),
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
		wrong: newBucket(30, time.Minute), acts: newBucket(60, time.Minute),
	}
}

// show says what a link would do. It does nothing: programs that preview links
// open them too.
func (l *links) show(w http.ResponseWriter, r *http.Request) {
	view, err := l.app.ReadLink(r.Context(), r.PathValue("token"))
	l.reply(w, r, view, err)
}

// act does what a link says.
func (l *links) act(w http.ResponseWriter, r *http.Request) {
	// The buttons of ntfy's web app are requests of its page, which shows an
	// error unless it may read the answer.
	w.Header().Set("Access-Control-Allow-Origin", "*")
	if !l.acts.take(time.Now()) {
		l.write(w, r, http.StatusTooManyRequests, l.said(tooMany))
		return
	}
	view, err := l.app.FollowLink(r.Context(), r.PathValue("token"))
	if err == nil {
		l.options.Log.Info("link followed", "act", view.Act, "alert", view.Alert.ID)
	}
	l.reply(w, r, view, err)
}

const tooMany = "too many requests; wait a minute and try again"

func (l *links) reply(w http.ResponseWriter, r *http.Request, view app.LinkView, err error) {
	if err == nil {
		l.write(w, r, http.StatusOK, l.about(view))
		return
	}
	status, known := map[rules.Code]int{
		rules.Forbidden: http.StatusForbidden, rules.NotFound: http.StatusNotFound, rules.Conflict: http.StatusGone,
		rules.Invalid: http.StatusBadRequest, rules.Unavailable: http.StatusServiceUnavailable,
	}[rules.CodeOf(err)]
	sentence := err.Error()
	switch {
	case !known:
		l.options.Log.Error("link not answered", "error", err)
		status, sentence = http.StatusInternalServerError, "something went wrong here; see the log of tocsin"
	case status == http.StatusForbidden && !l.wrong.take(time.Now()):
		status, sentence = http.StatusTooManyRequests, tooMany
	}
	p := l.said(sentence)
	if view.Alert.ID != "" {
		p.show(view.Alert, l.zone())
	}
	l.write(w, r, status, p)
}

// linkText is what the page of a link says.
type linkText struct {
	Heading  string
	Sentence string
	Facts    [][2]string
	Title    string // of the alert, "" when there is none to show
	Severity string
	Button   string // what a POST does, "" for nothing
	Undo     string // the token of the link that takes it back
}

func (l *links) said(sentence string) linkText {
	return linkText{Heading: "Nothing was done", Sentence: strings.ToUpper(sentence[:1]) + sentence[1:] + "."}
}

// about is the page of a link that works.
func (l *links) about(view app.LinkView) linkText {
	p := linkText{Heading: "Acknowledge this alert?", Button: "Acknowledge", Sentence: "Reminders stop until it is over or gets worse."}
	switch {
	case view.Act == notify.LinkSnooze:
		p = linkText{Heading: "Snooze this alert?", Button: "Snooze for an hour", Sentence: "If it is still wrong after an hour, you are told."}
	case view.Act == notify.LinkUndo:
		p = linkText{Heading: "Take it back?", Button: "Take it back", Sentence: "Reminders go on."}
	}
	if view.Done {
		p = linkText{Heading: doneText(view), Undo: view.Undo}
	}
	p.show(view.Alert, l.zone())
	return p
}

func doneText(view app.LinkView) string {
	switch view.Act {
	case notify.LinkSnooze:
		return "Snoozed for an hour"
	case notify.LinkUndo:
		return "Taken back; reminders go on"
	}
	return "Acknowledged"
}

// show adds what is known of an alert.
func (p *linkText) show(v app.AlertView, zone *time.Location) {
	p.Title, p.Severity = v.Title, string(v.Severity)
	fact := func(name, value string) {
		if value != "" {
			p.Facts = append(p.Facts, [2]string{name, value})
		}
	}
	fact("Series", strings.ReplaceAll(string(rules.SeriesOf(v.Series)), ",", ", "))
	fact("Value", v.Text)
	if v.Text == "" && v.Value != nil {
		fact("Value", rules.FormatNumber(*v.Value))
	}
	fact("Severity", string(v.Severity))
	fact("Since", stamp(&v.Since, zone))
	fact("Status", string(v.Status))
	if v.AcknowledgedBy != "" {
		fact("By", v.AcknowledgedBy+", "+stamp(v.AcknowledgedAt, zone))
	}
	fact("Until", stamp(v.Until, zone))
	fact("Resolved", stamp(v.ResolvedAt, zone))
}

func stamp(t *time.Time, zone *time.Location) string {
	if t == nil {
		return ""
	}
	return t.In(zone).Format("2006-01-02 15:04:05 MST")
}

func (l *links) zone() *time.Location {
	if zone, err := time.LoadLocation(l.app.Config.Zone); err == nil && l.app.Config.Zone != "" {
		return zone
	}
	return time.Local
}

func (l *links) write(w http.ResponseWriter, _ *http.Request, status int, p linkText) {
	var text bytes.Buffer
	if err := l.page.Execute(&text, p); err != nil {
		l.options.Log.Error("page of a link not made", "error", err)
		http.Error(w, "an internal error; see the log of tocsin", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", l.policy)
	w.Header().Set("X-Robots-Tag", "noindex, nofollow")
	w.WriteHeader(status)
	_, _ = text.WriteTo(w) // whoever does not read it gets none
}

// bucket lets so many through in a time, and then as they drip.
type bucket struct {
	mu    sync.Mutex
	size  float64
	every time.Duration // for a whole bucket
	level float64
	last  time.Time
}

func newBucket(size float64, every time.Duration) *bucket {
	return &bucket{size: size, every: every, level: size}
}

func (b *bucket) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.last.IsZero() {
		b.level = min(b.size, b.level+b.size*float64(now.Sub(b.last))/float64(b.every))
	}
	b.last = now
	if b.level < 1 {
		return false
	}
	b.level--
	return true
}
