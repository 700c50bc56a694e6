package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/rules"
)

//go:embed site
var siteFiles embed.FS

// site is the pages for people. Their addresses are flat and relative, so that
// they work below any path of a proxy.
type site struct {
	*Handler
	analyst *insight.Analyst
	pages   map[string]*template.Template
	wrong   *bucket // logins that failed

	mu     sync.Mutex
	tested map[string]string // what came of the last test of a channel
}

// pageFiles are the templates of the pages, by the name of the file.
var pageFiles = []string{
	"now", "alerts", "alert", "rules", "rule", "edit", "silences", "channels", "system", "changes", "help", "login",
	"refused",
}

func newSite(h *Handler) *site {
	s := &site{
		Handler: h, analyst: insight.New(h.app), pages: map[string]*template.Template{},
		wrong: newBucket(20, time.Minute), tested: map[string]string{},
	}
	for _, name := range pageFiles {
		s.pages[name] = template.Must(template.New(name).Funcs(words).
			ParseFS(siteFiles, "site/layout.html", "site/"+name+".html"))
	}
	return s
}

// sitePath are the paths of pages, which a cookie opens too.
var sitePath = regexp.MustCompile(`^/(|alerts|alert|rules|rule|edit|chart|silences|channels|system|changes|help|logout)$`)

// assetPath are the files of the pages, which hold no data.
var assetPath = regexp.MustCompile(`^/(login|site\.css|site\.js|htmx\.js)$`)

func isPage(r *http.Request) bool { return sitePath.MatchString(r.URL.Path) }

// byBrowser reports whether somebody looks at a page, who can be led to a form.
func byBrowser(r *http.Request) bool {
	return isPage(r) && strings.Contains(r.Header.Get("Accept"), "text/html") && r.Header.Get("Authorization") == ""
}

// routes are the pages and what their forms do.
func (s *site) routes() []Route {
	const formsOf = "what the forms of that page do: "
	return []Route{
		{"GET /{$}", "the first page: what is wrong now, and how tocsin itself is", s.now},
		{"GET /alerts", "a page of alerts, with their history", s.alerts},
		{"GET /alert", "a page about one alert: why, what comes next, who was told", s.alert},
		{"POST /alert", formsOf + "acknowledge, snooze, take back", s.act(app.ScopeAck, s.actOnAlert)},
		{"GET /rules", "a page of rules", s.rules},
		{"GET /rule", "a page about one rule, with its versions", s.rule},
		{"POST /rule", formsOf + "enable, disable, restore a version, delete", s.act(app.ScopeWrite, s.actOnRule)},
		{"GET /edit", "a page on which a rule is made or changed", s.edit},
		{"POST /edit", formsOf + "try the rule on the past, save it", s.change},
		{"GET /chart", "a picture of a rule's series, with where it fired", s.chart},
		{"GET /silences", "a page of silences, and what a new one would hide", s.silences},
		{"POST /silences", formsOf + "create and end", s.act(app.ScopeWrite, s.actOnSilence)},
		{"GET /channels", "a page of channels and of messages that were not delivered", s.channels},
		{"POST /channels", formsOf + "send a test, send again, drop", s.act(app.ScopeWrite, s.actOnChannel)},
		{"GET /system", "a page about tocsin itself: sources, engine, problems", s.system},
		{"GET /changes", "a page of what was changed, by whom", s.changes},
		{"GET /help", "the documents", s.help},
		{"GET /login", "a page that takes a token", s.login},
		{"POST /login", "remembers a token in a cookie", s.enter},
		{"POST /logout", "forgets it", s.leave},
		{"GET /site.css", "how the pages look", s.file("text/css; charset=utf-8")},
		{"GET /site.js", "puts times into the reader's zone", s.file("text/javascript; charset=utf-8")},
		{"GET /htmx.js", "keeps pages up to date", s.file("text/javascript; charset=utf-8")},
	}
}

// policy is that of content security: nothing runs or is shown that is not ours.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// file serves an embedded file as what it is.
func (s *site) file(kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		text, err := siteFiles.ReadFile("site" + r.URL.Path)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "max-age=3600")
		_, _ = w.Write(text) // whoever does not read it gets none
	}
}

// view is what every page is made of.
type view struct {
	Title string
	Here  string // the path of the page, for the menu
	Who   string
	Scope app.Scope
	// Version is that of tocsin.
	Version string
	Data    any
}

// May reports whether the reader may do what needs a scope.
func (v view) May(scope string) bool { return v.Scope.Allows(app.Scope(scope)) }

// Local reports whether the reader is let in without a token.
func (v view) Local() bool { return v.Who == "local" }

func whoAsks(r *http.Request) caller {
	who, _ := r.Context().Value(callerKey{}).(caller)
	return who
}

// show writes a page. Data from outside is defused: no control or direction
// mark of a tag's value reaches a terminal or turns a line around.
func (s *site) show(w http.ResponseWriter, r *http.Request, status int, name, title string, data any) {
	who := whoAsks(r)
	v := view{
		Title: title, Here: strings.TrimPrefix(r.URL.Path, "/"), Who: who.name, Scope: who.scope,
		Version: s.app.Version, Data: data,
	}
	var text bytes.Buffer
	if err := s.pages[name].ExecuteTemplate(&text, "layout.html", v); err != nil {
		s.options.Log.Error("page not made", "page", name, "error", err)
		http.Error(w, "an internal error; see the log of tocsin", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("Referrer-Policy", "same-origin") // else the Origin of our own forms is null
	w.WriteHeader(status)
	_, _ = io.WriteString(w, rules.Defuse(text.String(), rules.Replacement, "\n\t"))
}

// fail shows why a page or an act is refused.
func (s *site) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusInternalServerError
	switch rules.CodeOf(err) {
	case rules.Invalid:
		status = http.StatusBadRequest
	case rules.NotFound:
		status = http.StatusNotFound
	case rules.Conflict:
		status = http.StatusConflict
	case rules.Forbidden:
		status = http.StatusForbidden
	case rules.Unavailable:
		status = http.StatusServiceUnavailable
	default:
		s.options.Log.Error("page not made", "path", r.URL.Path, "error", err)
		err = rules.Errorf(rules.Unavailable, "an internal error; see the log of tocsin")
	}
	var sentences []string
	for _, one := range rules.Joined(err) {
		sentences = append(sentences, dialect.Sentence(one))
	}
	s.show(w, r, status, "refused", "Not done", sentences)
}

// act does what a form asks, for who may, and leads back to a page.
func (s *site) act(needed app.Scope, do func(r *http.Request, by rules.Actor) (to string, err error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.may(w, r, needed) {
			return
		}
		to, err := do(r, rules.Actor{Name: whoAsks(r).name, Door: "web"})
		if err != nil {
			s.fail(w, r, err)
			return
		}
		lead(w, to)
	}
}

// may reads a form of our own, if who sends it has the scope for it, and else says
// what is missing.
func (s *site) may(w http.ResponseWriter, r *http.Request, needed app.Scope) bool {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	switch {
	case crossOrigin.Check(r) != nil:
		s.fail(w, r, rules.Errorf(rules.Forbidden, "forms of other sites are refused"))
	case !whoAsks(r).scope.Allows(needed):
		s.fail(w, r, rules.Errorf(rules.Forbidden, "this needs a token with scope %s: log in with one that "+
			"`tocsin tokens add NAME --scope %s` makes", needed, needed))
	case r.ParseForm() != nil:
		s.fail(w, r, rules.Errorf(rules.Invalid, "the form cannot be read, or is larger than 1 MB"))
	default:
		return true
	}
	return false
}

// lead sends a browser on to a page of ours, whatever path of a proxy that is
// below: http.Redirect would make the address absolute.
func lead(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

var crossOrigin = http.NewCrossOriginProtection()

// words are the functions of the templates.
var words = template.FuncMap{
	"labels": labelsText,
	"number": func(x *float64) string {
		if x == nil {
			return "-"
		}
		return rules.FormatNumber(*x)
	},
	"when":  when,
	"query": query,
	"join":  func(list []string) string { return strings.Join(list, ", ") },
	"list":  func(items ...string) []string { return items },
}

func labelsText(l rules.Labels) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(l)) {
		out = append(out, name+"="+l[name])
	}
	return strings.Join(out, ", ")
}

// when is a time that the reader's browser puts into the reader's zone.
func when(t any) template.HTML {
	at, ok := t.(time.Time)
	if p, is := t.(*time.Time); is && p != nil {
		at, ok = *p, true
	}
	if !ok || at.IsZero() {
		return "-"
	}
	at = at.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s">%s UTC</time>`, at.Format(time.RFC3339),
		at.Format("2006-01-02 15:04:05")))
}

// query is an address with parameters: a path, names and values.
func query(path string, pairs ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return path + "?" + v.Encode()
}
