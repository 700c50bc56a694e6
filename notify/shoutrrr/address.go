package shoutrrr

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// service is a channel's URL, read: it renders messages for the targets that
// the URL names.
type service interface {
	render(m notify.Message) []delivery
}

// address is a channel's URL with its query read.
type address struct {
	*url.URL
	query url.Values
}

// parsers holds for each scheme what reads its URLs.
var parsers = map[string]func(address) (service, error){
	"bark":       parseBark,
	"discord":    parseDiscord,
	"generic":    parseGeneric,
	"googlechat": parseGoogleChat,
	"gotify":     parseGotify,
	"hangouts":   parseGoogleChat,
	"join":       parseJoin,
	"matrix":     parseMatrix,
	"mattermost": parseMattermost,
	"ntfy":       parseNtfy,
	"opsgenie":   parseOpsgenie,
	"pushbullet": parsePushbullet,
	"pushover":   parsePushover,
	"rocketchat": parseRocketchat,
	"slack":      parseSlack,
	"smtp":       parseSMTP,
	"teams":      parseTeams,
	"telegram":   parseTelegram,
	"zulip":      parseZulip,
}

// hooked are the services whose webhooks can be given as KIND+https://…, for
// servers of one's own.
var hooked = map[string]func(address) (service, error){
	"discord":    hookDiscord,
	"generic":    hookGeneric,
	"googlechat": hookGoogleChat,
	"mattermost": hookMattermost,
	"rocketchat": hookRocketchat,
	"slack":      hookSlack,
	"teams":      hookTeams,
}

// wrong makes an error about a channel's URL. It must not quote any of it.
func wrong(format string, args ...any) error {
	return rules.FieldErrorf("url", format, args...)
}

// parse reads a channel's URL, in shoutrrr's form or as the service's own
// pages show it.
func parse(raw string) (kind string, s service, err error) {
	a, err := split(strings.TrimSpace(raw))
	if err != nil {
		return "", nil, err
	}
	kind, parser, err := pick(a)
	if err != nil {
		return "", nil, err
	}
	s, err = parser(a)
	if err != nil {
		return "", nil, err
	}
	return kind, s, nil
}

func split(raw string) (address, error) {
	if raw == "" {
		return address{}, wrong("is missing; for example ntfy://ntfy.sh/my-topic")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return address{}, wrong("cannot be read; special characters in a user, " +
			"password or token must be percent-encoded, # is %%23 and @ is %%40")
	}
	u.RawQuery = strings.ReplaceAll(u.RawQuery, ";", "%3B") // ntfy's actions have them bare
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return address{}, wrong("has options that cannot be read; special characters must be percent-encoded, %% is %%25")
	}
	a := address{URL: u, query: query}
	if a.unprintable() {
		return address{}, wrong("has control characters or line breaks in it; copy it again")
	}
	if _, empty := query[""]; empty {
		return address{}, wrong("has an option without a name; write ?name=value&name=value")
	}
	return a, nil
}

func (a address) unprintable() bool {
	password, _ := a.User.Password()
	parts := []string{a.User.Username(), password, a.Host, a.Path, a.Fragment}
	for key, values := range a.query {
		parts = append(append(parts, key), values...)
	}
	return slices.ContainsFunc(parts, func(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) })
}

// pick says which service a URL is for and what reads it.
func pick(a address) (kind string, parser func(address) (service, error), err error) {
	kind, over, custom := strings.Cut(strings.ToLower(a.Scheme), "+")
	switch {
	case custom && (over == "https" || over == "http") && hooked[kind] != nil:
		a.Scheme = over
		return kind, hooked[kind], nil
	case kind == "https" || kind == "http":
		return pasted(a)
	case kind == "hangouts":
		return "googlechat", parsers[kind], nil
	case !custom && parsers[kind] != nil:
		return kind, parsers[kind], nil
	case kind == "ifttt":
		return "", nil, wrong("is for IFTTT, which is not supported; " +
			"use its Webhooks address as it is, https://maker.ifttt.com/trigger/EVENT/json/with/key/KEY")
	}
	return "", nil, wrong("names no service that is known; "+
		"known: %s, or a webhook's https:// address", strings.Join(slices.Sorted(maps.Keys(parsers)), ", "))
}

// pasted tells the addresses that services show on their own pages apart. What
// is not known is a webhook that takes JSON.
func pasted(a address) (kind string, parser func(address) (service, error), err error) {
	host := strings.ToLower(a.Hostname())
	under := func(domain string) bool { return host == domain || strings.HasSuffix(host, "."+domain) }
	switch {
	case host == "hooks.slack.com" && strings.HasPrefix(a.Path, "/services/"):
		return "slack", hookSlack, nil
	case (under("discord.com") || under("discordapp.com")) && strings.HasPrefix(a.Path, "/api/"):
		return "discord", hookDiscord, nil
	case under("logic.azure.com"), under("api.powerplatform.com"):
		return "teams", hookTeams, nil
	case under("webhook.office.com"), host == "outlook.office.com":
		return "", nil, errTeamsRetired
	case host == "api.telegram.org":
		return "telegram", hookTelegram, nil
	case host == "ntfy.sh":
		return "ntfy", hookNtfy, nil
	case host == "chat.googleapis.com":
		return "googlechat", hookGoogleChat, nil
	}
	return "generic", hookGeneric, nil
}

// hook returns the address of a pasted webhook without user and options.
func (a address) hook() *url.URL {
	u := *a.URL
	_, over, custom := strings.Cut(strings.ToLower(u.Scheme), "+")
	if custom {
		u.Scheme = over
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	return &u
}

// list splits an option at its commas.
func list(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// segments are the parts of the path that are not empty.
func (a address) segments() []string {
	return strings.FieldsFunc(a.Path, func(r rune) bool { return r == '/' })
}
