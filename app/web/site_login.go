package web

import (
	"net/http"
	"net/url"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// cookieName is what a browser keeps a token under. Scripts cannot read it, and
// no other site can have it sent.
const (
	cookieName = "tocsin"
	cookieAge  = 90 * 24 * time.Hour
)

// remembered is the token that a browser keeps.
func remembered(r *http.Request) (secret rules.Secret, sent bool) {
	if !isPage(r) {
		return secret, false
	}
	c, err := r.Cookie(cookieName)
	if err != nil || c.Value == "" {
		return secret, false
	}
	return rules.NewSecret(c.Value), true
}

// toLogin leads a browser that may not see a page to where it can log in.
func toLogin(w http.ResponseWriter, r *http.Request) {
	to := r.URL.Path[1:]
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	lead(w, query("login", "to", to))
}

// loginView is the page that takes a token.
type loginView struct {
	To      string // where to go afterwards
	Problem string
	None    bool // there is no token yet
}

func (s *site) login(w http.ResponseWriter, r *http.Request) {
	s.showLogin(w, r, http.StatusOK, "")
}

func (s *site) showLogin(w http.ResponseWriter, r *http.Request, status int, problem string) {
	stored, err := s.doorkeeper.Any(r.Context())
	none := err == nil && !stored && s.options.Token.IsZero()
	s.show(w, r, status, "login", "Log in", loginView{To: pageAt(r.FormValue("to")), Problem: problem, None: none})
}

// enter remembers a token that is good.
func (s *site) enter(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if crossOrigin.Check(r) != nil {
		s.showLogin(w, r, http.StatusForbidden, "forms of other sites are refused")
		return
	}
	secret := rules.NewSecret(r.PostFormValue("token"))
	if !s.configured(secret) {
		if _, err := s.doorkeeper.Authenticate(r.Context(), secret); err != nil {
			if !s.wrong.take(time.Now()) {
				s.showLogin(w, r, http.StatusTooManyRequests, tooMany)
				return
			}
			s.showLogin(w, r, http.StatusBadRequest, dialect.Sentence(err))
			return
		}
	}
	s.keep(w, r, secret.Reveal(), cookieAge)
	lead(w, pageAt(r.FormValue("to")))
}

func (s *site) leave(w http.ResponseWriter, r *http.Request) {
	s.keep(w, r, "", -time.Second)
	lead(w, "login")
}

// keep has the browser keep a token; it lasts as long as the token at most, since
// each request is judged by it.
func (s *site) keep(w http.ResponseWriter, r *http.Request, value string, age time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: value, MaxAge: int(age.Seconds()), HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	})
}

// pageAt is a page of ours, never the address of another site.
func pageAt(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.IsAbs() || u.Host != "" || !sitePath.MatchString("/"+u.Path) || u.Path == "logout" {
		return "."
	}
	if u.Path == "" {
		return "."
	}
	return query(u.Path, flat(u.Query())...)
}

func flat(v url.Values) (out []string) {
	for name := range v {
		out = append(out, name, v.Get(name))
	}
	return out
}
