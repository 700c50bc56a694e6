package app

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// looksSecret is what nothing that is told or kept may hold: an address with a user in it, the
// webhook of a service, a key that opens something.
var looksSecret = []*regexp.Regexp{
	regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*://[^\s/?#]*@`),
	regexp.MustCompile(`(?i)\b(hooks\.slack\.com|discord(app)?\.com/api/webhooks|webhook\.office\.com|logic\.azure\.com|api\.telegram\.org/bot|chat\.googleapis\.com|maker\.ifttt\.com)`),
	regexp.MustCompile(`(?i)\b(bark|discord|generic|googlechat|gotify|ifttt|join|matrix|mattermost|ntfy|opsgenie|pushbullet|pushover|rocketchat|slack|smtp|teams|telegram|zulip)(\+https?)?://`),
	regexp.MustCompile(`(?i)[?&;](access_?token|api_?key|auth|key|password|pass|secret|sig|signature|token)=[^&\s]`),
	regexp.MustCompile(`\b((tcs_|xox[a-z]-|xapp-|ghp_|github_pat_|glpat-|sk-)[A-Za-z0-9_-]{16,}|AKIA[0-9A-Z]{12}|eyJ[A-Za-z0-9_-]{10,}\.|[0-9]{8,10}:[A-Za-z0-9_-]{30,})`),
	regexp.MustCompile(`(?i)\bauthorization: *\S|\bbearer +[A-Za-z0-9+/_.=-]{16,}`),
}

// FindCredential returns where in v, which is at a path of keys, a credential is
// or the address of a channel; "" when there is none.
func FindCredential(path string, v any) string {
	switch v := v.(type) {
	case string:
		if slices.ContainsFunc(looksSecret, func(r *regexp.Regexp) bool { return r.MatchString(v) }) ||
			namesNoChannel(path, v) {
			return path
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if FindCredential("", name) != "" {
				return path
			}
			if found := FindCredential(path+"."+name, v[name]); found != "" {
				return found
			}
		}
	case []any:
		for i, item := range v {
			if found := FindCredential(fmt.Sprintf("%s[%d]", path, i), item); found != "" {
				return found
			}
		}
	}
	return ""
}

// channelPath is where the names of channels stand.
var channelPath = regexp.MustCompile(`^(escalate\.|levels(\[\d+\])?\.)?channels(\[\d+\])?$`)

// namesNoChannel reports whether a text stands where a channel's name belongs
// and is more than a name: an address, or a key.
func namesNoChannel(path, v string) bool {
	if !channelPath.MatchString(path) {
		return false
	}
	return strings.ContainsAny(v, ":/@?=&") && !strings.HasPrefix(strings.TrimSpace(v), "[") || len(v) > 63
}
