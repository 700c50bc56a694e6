package web

import (
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/rules"
)

// silencesView is a page of silences.
type silencesView struct {
	Silences []app.SilenceView
	Form     map[string]string
	Would    *app.SilenceAnswer // what the one in the form would hide
	Problem  []string
}

func (s *site) silences(w http.ResponseWriter, r *http.Request) {
	list, err := s.app.ListSilences(r.Context(), false)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	v := silencesView{Silences: list, Form: map[string]string{}}
	for _, name := range []string{"rule", "match", "for", "days", "hours", "comment"} {
		v.Form[name] = r.URL.Query().Get(name)
	}
	if r.URL.Query().Has("try") {
		v.try(s, r)
	}
	s.show(w, r, http.StatusOK, "silences", "Silences", v)
}

// try says what the silence of the form would hide, and saves nothing.
func (v *silencesView) try(s *site, r *http.Request) {
	req, err := silenceOf(r)
	if err == nil {
		req.DryRun = true
		var would app.SilenceAnswer
		if would, err = s.app.CreateSilence(r.Context(), rules.Actor{Name: whoAsks(r).name, Door: "web"}, req); err == nil {
			v.Would = &would
		}
	}
	for _, one := range rules.Joined(err) {
		v.Problem = append(v.Problem, dialect.Sentence(one))
	}
}

// silenceOf reads the form of a silence.
func silenceOf(r *http.Request) (req app.SilenceRequest, err error) {
	req = app.SilenceRequest{Comment: r.FormValue("comment")}
	if rule := r.FormValue("rule"); rule != "" {
		req.Rules = []string{rule}
	}
	if match := strings.TrimSpace(r.FormValue("match")); match != "" {
		req.Match = rules.Filter{}
		for part := range strings.SplitSeq(match, ",") {
			name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
			if !ok || name == "" {
				return req, rules.FieldErrorf("match", "must be tags with their values, such as room=kitchen; got %q", part)
			}
			req.Match[name] = append(req.Match[name], value)
		}
	}
	if text := strings.TrimSpace(r.FormValue("for")); text != "" {
		d, err := rules.ParseDuration(text)
		if err != nil {
			return req, rules.FieldErrorf("for", "must be a duration such as 2h or 3d; got %q", text)
		}
		req.For = d.Std()
	}
	if days, hours := r.FormValue("days"), r.FormValue("hours"); days != "" || hours != "" {
		req.Weekly = &rules.Active{Days: days, Hours: hours}
		req.OpenEnded = req.For == 0
	}
	return req, nil
}

func (s *site) actOnSilence(r *http.Request, by rules.Actor) (string, error) {
	if r.PostFormValue("act") == "end" {
		_, err := s.app.EndSilence(r.Context(), by, r.PostFormValue("id"))
		return "silences", err
	}
	req, err := silenceOf(r)
	if err == nil {
		_, err = s.app.CreateSilence(r.Context(), by, req)
	}
	return "silences", err
}

// channelsView is a page of channels.
type channelsView struct {
	Channels []rules.ChannelInfo
	Dead     []app.DeadLetter
	Tested   map[string]string // what came of the last test, by channel
}

// testPatience is how long a test's answer is awaited.
const testPatience = 20 * time.Second

func (s *site) channels(w http.ResponseWriter, r *http.Request) {
	list, err := s.app.ListChannels(r.Context())
	var dead []app.DeadLetter
	if err == nil {
		dead, err = s.app.DeadLetters(r.Context(), "")
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.mu.Lock()
	tested := maps.Clone(s.tested)
	s.mu.Unlock()
	s.show(w, r, http.StatusOK, "channels", "Channels", channelsView{list, dead, tested})
}

func (s *site) actOnChannel(r *http.Request, by rules.Actor) (string, error) {
	ctx, name := r.Context(), r.PostFormValue("name")
	switch r.PostFormValue("act") {
	case "test":
		answer, err := s.app.TestChannel(ctx, by, name, testPatience)
		if err != nil {
			return "", err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tested[name] = answer.Text
		return "channels", nil
	case "resend":
		return "channels", s.app.Resend(ctx, r.PostFormValue("id"))
	case "drop":
		_, err := s.app.DropDeadLetters(ctx, name)
		return "channels", err
	}
	return "", rules.FieldErrorf("act", "must be test, resend or drop")
}

// systemView is how tocsin itself is.
type systemView struct {
	Status app.Status
	Found  []insight.Finding // what the doctor found, where it was asked
}

func (s *site) system(w http.ResponseWriter, r *http.Request) {
	v := systemView{Status: s.app.Status(r.Context())}
	if r.URL.Query().Has("doctor") {
		v.Found = s.analyst.Doctor(r.Context())
	}
	s.show(w, r, http.StatusOK, "system", "System", v)
}

func (s *site) changes(w http.ResponseWriter, r *http.Request) {
	list, _, err := s.app.Changes(r.Context(), app.ChangeFilter{Limit: pageLines, After: r.URL.Query().Get("after")})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.show(w, r, http.StatusOK, "changes", "Changes", list)
}
