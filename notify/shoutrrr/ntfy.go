package shoutrrr

import (
	"encoding/base64"
	"maps"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/9bikes/tocsin/notify"
)

// ntfy is a topic on an ntfy server.
type ntfy struct {
	url    string
	header map[string]string // what every message of the channel has
	fixed  string            // priority, when the channel sets one
	tags   []string
}

// ntfyHeaders are the options that ntfy takes as headers just as they are.
var ntfyHeaders = map[string]string{
	"actions": "Actions", "attach": "Attach", "click": "Click", "delay": "Delay", "email": "Email",
	"filename": "Filename", "icon": "Icon",
}

// readNtfy reads ntfy://[user:password@]host/topic; a password that begins with
// tk_, without a user, is an access token.
func readNtfy(a address) (service, error) {
	q, err := a.options("actions", "at", "attach", "cache", "click", "delay", "email", "filename", "firebase", "icon", "in",
		"priority", "scheme", "tags", "title")
	if err != nil {
		return nil, err
	}
	scheme := strings.ToLower(q.Get("scheme"))
	if scheme != "" && scheme != "http" && scheme != "https" {
		return nil, wrong("has an option scheme that is neither http nor https")
	}
	if scheme == "" {
		scheme = "https"
	}
	host := a.Host
	if host == "" {
		host = "ntfy.sh"
	}
	return newNtfy(scheme+"://"+host, a, q)
}

func hookNtfy(a address) (service, error) { return newNtfy(a.Scheme+"://"+a.Host, a, a.query) }

func newNtfy(origin string, a address, q url.Values) (service, error) {
	topic := a.segments()
	if len(topic) == 0 {
		return nil, wrong("must name the topic: ntfy://ntfy.sh/my-topic")
	}
	n := ntfy{url: origin, tags: list(q.Get("tags")), header: map[string]string{}}
	for _, t := range topic {
		n.url += "/" + url.PathEscape(t)
	}
	for option, name := range ntfyHeaders {
		if v := q.Get(option); v != "" {
			n.header[name] = v
		}
	}
	if when := q.Get("at") + q.Get("in"); when != "" {
		n.header["Delay"] = when
	}
	if auth := a.authorization("tk_"); auth != "" {
		n.header["Authorization"] = auth
	}
	for _, option := range []string{"cache", "firebase"} {
		on, err := flag(q, option, true)
		if err != nil {
			return nil, err
		}
		if !on {
			n.header[strings.ToUpper(option[:1])+option[1:]] = "no"
		}
	}
	var ok bool
	if n.fixed, ok = ntfyPriority(q.Get("priority")); !ok {
		return nil, wrong("has an option priority that is none of 1 to 5, min, low, default, high, max")
	}
	return n, nil
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

func ntfyPriority(text string) (string, bool) {
	names := map[string]string{
		"": "", "default": "3", "min": "1", "low": "2", "high": "4", "max": "5", "urgent": "5",
		"1": "1", "2": "2", "3": "3", "4": "4", "5": "5",
	}
	p, ok := names[strings.ToLower(text)]
	return p, ok
}

// ntfyText is what ntfy shows; a body over 4096 bytes would become a file.
var ntfyText = func() style {
	s := plain(4000, inBytes)
	s.link = nil // it opens on a tap
	return s
}()

// sequence is how ntfy's newer servers know a message that comes again.
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

func (n ntfy) dress(m notify.Message) []parcel {
	header := maps.Clone(n.header)
	if m.Link != "" {
		header["Click"] = m.Link
	}
	if buttons := ntfyButtons(m.Actions); buttons != "" && header["Actions"] == "" {
		header["Actions"] = buttons
	}
	m = tame(m)
	tag := []string{"bell", "large_blue_circle", "warning", "red_circle", "rotating_light"}[urgency(m)]
	if m.Tone == notify.Relief {
		tag = "white_check_mark"
	}
	header["Tags"] = strings.Join(append([]string{tag}, n.tags...), ",")
	header["Priority"] = n.fixed
	if n.fixed == "" {
		header["Priority"] = strconv.Itoa([]int{3, 2, 3, 4, 5}[urgency(m)])
	}
	if m.Title != "" {
		header["Title"] = fitBytes(m.Title, 250)
	}
	if sequence.MatchString(m.ID) {
		header["X-Sequence-ID"] = m.ID
	}
	body := ntfyText.body(m)
	if body == "" {
		body = fitBytes(m.Title, 4000)
	}
	return []parcel{post{url: n.url, header: header, contentType: "text/plain; charset=utf-8", body: body, read: notHTML}}
}
