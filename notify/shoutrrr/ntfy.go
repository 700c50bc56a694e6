package shoutrrr

import (
	"cmp"
	"encoding/base64"
	"maps"
	"regexp"
	"strconv"
	"strings"

	"github.com/containrrr/shoutrrr/pkg/services/ntfy"

	"github.com/9bikes/tocsin/notify"
)

// ntfyTopic is a topic on an ntfy server.
type ntfyTopic struct {
	ntfy.Config
	authorization string
	fixed         bool // the channel's Priority goes before the severity's
}

// parseNtfy reads ntfy://[user:password@]host/topic; a password that begins with
// tk_, without a user, is an access token.
func parseNtfy(a address) (service, error) {
	n := ntfyTopic{authorization: a.authorization("tk_"), fixed: a.option("priority") != ""}
	form := wrong("must name the topic: ntfy://ntfy.sh/my-topic")
	if err := a.into(&n.Config, form); err != nil {
		return nil, err
	}
	if n.Topic == "" {
		return nil, form
	}
	n.Scheme, n.Host = strings.ToLower(n.Scheme), cmp.Or(n.Host, "ntfy.sh")
	if n.Scheme != "http" && n.Scheme != "https" {
		return nil, wrong("has an option scheme that is neither http nor https")
	}
	n.Username, n.Password = "", "" // authorization has them
	return n, nil
}

func hookNtfy(a address) (service, error) {
	a.query = maps.Clone(a.query)
	a.query.Set("scheme", a.Scheme)
	return parseNtfy(a)
}

// authorization returns the header for the URL's user and password, where a
// password of that prefix, or alone, is a token.
func (a address) authorization(token string) string {
	user := a.User.Username()
	password, _ := a.User.Password()
	switch {
	case user == "" && password == "":
		return ""
	case user == "" && strings.HasPrefix(password, token):
		return "Bearer " + password
	case password == "" && strings.HasPrefix(user, token):
		return "Bearer " + user
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// ntfyText is what ntfy shows; a body over 4096 bytes would become a file.
var ntfyText = func() style {
	s := plain(4000, inBytes)
	s.link = nil // it opens on a tap
	return s
}()

// sequence is how ntfy's newer servers know what a message replaces: that which
// comes again, and what was said before about the same alert.
var sequence = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// ntfyButtons are the actions as ntfy's app shows them, three at most: those
// that a POST does are done without a page. A channel that has its own keeps
// them.
func ntfyButtons(actions []notify.Action) string {
	var buttons []string
	for _, a := range actions[:min(len(actions), 3)] {
		if a.POST {
			buttons = append(buttons, "http, "+a.Label+", '"+a.URL+"', method=POST, clear=true")
		} else {
			buttons = append(buttons, "view, "+a.Label+", '"+a.URL+"'")
		}
	}
	return strings.Join(buttons, "; ")
}

func (n ntfyTopic) render(m notify.Message) []delivery {
	header := map[string]string{
		"Authorization": n.authorization,
		"Attach":        n.Attach, "Delay": n.Delay, "Email": n.Email, "Filename": n.Filename, "Icon": n.Icon,
		"Actions": cmp.Or(strings.Join(n.Actions, ";"), ntfyButtons(m.Actions)), "Click": cmp.Or(m.Link, n.Click),
		"Cache": unless(n.Cache), "Firebase": unless(n.Firebase),
	}
	m = tame(m)
	tag := []string{"bell", "large_blue_circle", "warning", "red_circle", "rotating_light"}[urgency(m)]
	if m.Tone == notify.Relief {
		tag = "white_check_mark"
	}
	header["Tags"] = strings.Join(append([]string{tag}, n.Tags...), ",")
	header["Priority"] = strconv.Itoa([]int{3, 2, 3, 4, 5}[urgency(m)])
	if n.fixed {
		header["Priority"] = strconv.Itoa(int(n.Priority))
	}
	header["Title"] = headBytes(m, 250)
	if id := episode(m); sequence.MatchString(id) {
		header["X-Sequence-ID"] = id
	}
	body := ntfyText.body(m)
	if body == "" {
		body = headBytes(m, 4000)
	}
	return []delivery{post{
		url: n.GetAPIURL(), header: header, contentType: "text/plain; charset=utf-8", body: body, failure: notHTML,
	}}
}

// unless is what ntfy wants to hear of something that is on by itself.
func unless(on bool) string {
	if on {
		return ""
	}
	return "no"
}
