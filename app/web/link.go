package web

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the pages of links
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
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
		page: template.Must(template.New("link").Funcs(template.FuncMap{"style": func() template.CSS {
			return template.CSS(linkStyle)
		}}).Parse(linkPage)),
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
		for _, v := range view.Alerts {
			l.options.Log.Info("link followed", "act", view.Act, "alert", v.ID, "status", v.Status)
		}
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
	sentence := dialect.Sentence(err)
	switch {
	case !known:
		l.options.Log.Error("link not answered", "error", err)
		status, sentence = http.StatusInternalServerError, "something went wrong here; see the log of tocsin"
	case status == http.StatusForbidden && !l.wrong.take(time.Now()):
		status, sentence = http.StatusTooManyRequests, tooMany
	}
	p := l.said(sentence)
	p.show(view.Alerts, l.app.Config.Location())
	l.write(w, r, status, p)
}

// linkText is what the page of a link says.
type linkText struct {
	Heading  string
	Sentence string
	Alerts   []alertText
	Button   string // what a POST does, "" for nothing
	One      string // what a POST for one of several alerts does
	Undo     string // the token of the link that takes it back
	Warnings []string
}

// alertText is an alert on the page of a link.
type alertText struct {
	Title, Severity string
	Facts           [][2]string
	Token           string // of the link for this one alone
}

func (l *links) said(sentence string) linkText {
	return linkText{Heading: "Nothing was done", Sentence: capital(sentence) + "."}
}

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// about is the page of a link that works.
func (l *links) about(view app.LinkView) linkText {
	p := asked(view)
	if view.Done {
		p = linkText{Heading: doneText(view), Undo: view.Undo}
		for _, w := range view.Warnings {
			p.Warnings = append(p.Warnings, capital(w)+".")
		}
	}
	p.show(view.Alerts, l.app.Config.Location())
	return p
}

// asked is what a link would do.
func asked(view app.LinkView) linkText {
	open := 0
	for _, v := range view.Alerts {
		if !v.Over() {
			open++
		}
	}
	this, all, they := "this alert", "", "it is over or gets"
	if len(view.Alerts) > 1 {
		this, all, they = fmt.Sprintf("%d alerts", open), fmt.Sprintf(" all %d", open), "they are over or get"
	}
	switch view.Act {
	case notify.LinkSnooze:
		return linkText{
			Heading: "Snooze " + this + "?", Button: "Snooze" + all + " for an hour", One: "Snooze this one",
			Sentence: "You are told after an hour if anything is still wrong.",
		}
	case notify.LinkUndo:
		return linkText{
			Heading: "Take it back?", Button: "Take it back", One: "Take this one back",
			Sentence: "Reminders go on.",
		}
	}
	return linkText{
		Heading: "Acknowledge " + this + "?", Button: "Acknowledge" + all, One: "Acknowledge this one",
		Sentence: "Reminders stop until " + they + " worse.",
	}
}

// doneText says what was done, or is so already.
func doneText(view app.LinkView) string {
	var snoozed, acked int
	for _, v := range view.Alerts {
		switch {
		case v.Over() || v.Status != rules.StatusAcknowledged:
		case v.Until != nil:
			snoozed++
		default:
			acked++
		}
	}
	many := func(n int) string {
		if len(view.Alerts) == 1 {
			return ""
		}
		return fmt.Sprintf(": %d of %d alerts", n, len(view.Alerts))
	}
	switch {
	case view.Act == notify.LinkUndo:
		return "Taken back; reminders go on"
	case view.Act == notify.LinkSnooze && snoozed > 0:
		return "Snoozed for an hour" + many(snoozed)
	case view.Act == notify.LinkSnooze:
		return "Acknowledged already" + many(acked)
	}
	return "Acknowledged" + many(acked)
}

// show adds what is known of the alerts.
func (p *linkText) show(list []app.LinkedAlert, zone *time.Location) {
	for _, v := range list {
		text := alertText{Title: v.Title, Severity: string(v.Severity), Facts: alertFacts(v.AlertView, zone), Token: v.Token}
		if v.Over() {
			text.Severity = "over"
		}
		p.Alerts = append(p.Alerts, text)
	}
}

func alertFacts(v app.AlertView, zone *time.Location) (facts [][2]string) {
	fact := func(name, value string) {
		if value != "" {
			facts = append(facts, [2]string{name, value})
		}
	}
	fact("Series", strings.ReplaceAll(string(rules.SeriesOf(v.Series)), ",", ", "))
	fact("Value", v.Text)
	if v.Text == "" && v.Value != nil {
		fact("Value", rules.FormatNumber(*v.Value))
	}
	severity := string(v.Severity)
	if v.Worst != "" {
		severity += ", " + string(v.Worst) + " at its worst"
	}
	fact("Severity", severity)
	fact("Since", stamp(&v.Since, zone))
	fact("Status", string(v.Status))
	if v.AcknowledgedBy != "" {
		fact("By", v.AcknowledgedBy+", "+stamp(v.AcknowledgedAt, zone))
	}
	fact("Until", stamp(v.Until, zone))
	fact("Resolved", stamp(v.ResolvedAt, zone))
	return facts
}

func stamp(t *time.Time, zone *time.Location) string {
	if t == nil {
		return ""
	}
	return t.In(zone).Format("2006-01-02 15:04:05 MST")
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
	_, _ = io.WriteString(w, rules.Defuse(text.String(), rules.Replacement, "\n\t")) // whoever does not read it gets none
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
