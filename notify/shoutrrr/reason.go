package shoutrrr

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/9bikes/tocsin/rules"
)

// reason is something that a service says in an answer, and the class of what it
// means. It is a key of the answer's JSON with its value, or the whole of a plain
// text, or the status as HTTP=402; a star in it is anything.
type reason struct{ said, class string }

// reasons are what the services say, by kind; what stands in no table is judged by
// its status. The first that is found counts.
var reasons = map[string][]reason{
	"telegram": {
		{"description=Bad Request: chat not found", "no_chat"},
		{"description=Bad Request: message thread not found", "no_chat"},
		{"description=Bad Request: not enough rights*", "prohibited"},
		{"description=Bad Request: need administrator rights*", "prohibited"},
		{"description=Bad Request: CHAT_WRITE_FORBIDDEN", "prohibited"},
		{"error_code=403", "not_member"}, // kicked, blocked, or never let in
		{"error_code=404", "auth"},       // of a token that it cannot read
	},
	"slack": {
		{"error=channel_not_found", "no_chat"},
		{"=channel_not_found", "no_chat"},
		{"error=not_in_channel", "not_member"},
		{"error=is_archived", "archived"},
		{"=channel_is_archived", "archived"},
		{"error=action_prohibited", "prohibited"},
		{"=action_prohibited", "prohibited"},
		{"error=restricted_action*", "prohibited"},
		{"=posting_to_general_channel_denied", "prohibited"},
		{"error=missing_scope", "scope"},
		{"error=no_permission", "scope"},
		{"error=not_allowed_token_type", "scope"},
		{"=no_active_hooks", "gone"},
		{"=no_team", "gone"},
		{"=team_disabled", "gone"},
		{"=invalid_token", "auth"},
		{"error=ratelimited", "rate_limited"},
		{"error=rate_limited", "rate_limited"},
		{"error=message_limit_exceeded", "quota"},
		{"error=not_authed", "auth"},
		{"error=invalid_auth", "auth"},
		{"error=account_inactive", "auth"},
		{"error=token_revoked", "auth"},
		{"error=token_expired", "auth"},
		{"error=internal_error", "server"},
		{"error=fatal_error", "server"},
		{"error=service_unavailable", "server"},
		{"error=request_timeout", "server"},
		{"error=team_added_to_org", "server"},
	},
	"discord": {
		{"code=10015", "gone"},
		{"code=10003", "no_chat"},
		{"code=50027", "auth"},
		{"code=50013", "prohibited"},
		{"code=50001", "prohibited"},
		{"code=50083", "archived"},
	},
	"teams": {
		{"=Webhook message delivery failed*HTTP error 429*", "rate_limited"},
		{"=Webhook message delivery failed*HTTP error 413*", "rejected"},
		{"=Webhook message delivery failed*HTTP error 403*", "prohibited"},
		{"=Webhook message delivery failed*HTTP error 404*", "no_chat"},
		{"=Webhook message delivery failed*", "server"},
		{"error.code=WorkflowTriggerIsNotEnabled", "off"},
		{"error.code=WorkflowNotFound", "gone"},
		{"error.code=WorkflowDisabled", "off"},
	},
	"ntfy": {
		{"code=42908", "quota"}, {"code=41301", "rejected"}, {"code=40301", "prohibited"},
	},
	"pushover": {
		{"token=invalid", "auth"}, {"user=invalid", "receiver"}, {"device=invalid*", "receiver"}, {"HTTP=429", "quota"},
	},
	"pushbullet": {
		{"error.code=pushbullet_pro_required", "quota"},
		{"error.code=invalid_access_token", "auth"},
		{"error.param=device_iden", "receiver"},
		{"error.param=channel_tag", "receiver"},
		{"error.param=email", "receiver"},
	},
	"matrix": {
		{"errcode=M_FORBIDDEN", "not_member"},
		{"errcode=M_NOT_FOUND", "no_chat"},
		{"errcode=M_CONSENT_NOT_GIVEN", "prohibited"},
		{"errcode=M_USER_DEACTIVATED", "auth"},
		{"errcode=M_USER_SUSPENDED", "prohibited"},
		{"errcode=M_RESOURCE_LIMIT_EXCEEDED", "quota"},
	},
	"mattermost": {
		{"id=web.incoming_webhook.invalid.app_error", "gone"},
		{"id=web.incoming_webhook.channel.app_error", "no_chat"},
		{"id=web.incoming_webhook.permissions.app_error", "prohibited"},
		{"id=web.incoming_webhook.channel_locked.app_error", "prohibited"},
		{"id=web.incoming_webhook.disabled.app_error", "off"},
		{"id=store.sql_webhooks.get_incoming.app_error", "gone"},
	},
	"rocketchat": {
		{"error=Invalid integration id or token provided.", "gone"},
		{"error=invalid-channel*", "no_chat"},
		{"error=error-not-allowed*", "prohibited"},
		{"error=error-too-many-requests*", "rate_limited"},
		{"success=false", "rejected"},
	},
	"googlechat": {
		{"error.status=NOT_FOUND", "gone"},
		{"error.status=UNAUTHENTICATED", "auth"},
		{"error.status=RESOURCE_EXHAUSTED", "rate_limited"},
		{"error.status=INVALID_ARGUMENT", "rejected"},
	},
	"zulip": {
		{"code=STREAM_DOES_NOT_EXIST", "no_chat"},
		{"code=CHANNEL_DOES_NOT_EXIST", "no_chat"},
		{"code=RATE_LIMIT_HIT", "rate_limited"},
		{"code=UNAUTHORIZED", "auth"},
		{"code=INVALID_API_KEY", "auth"},
		{"code=USER_DEACTIVATED", "auth"},
		{"code=REALM_DEACTIVATED", "gone"},
	},
	"bark": {
		{"message=failed to get device token*", "receiver"},
		{"message=device key is empty", "receiver"},
		{"message=push failed: BadDeviceToken*", "receiver"},
		{"message=push failed: Unregistered*", "receiver"},
	},
	"join": {
		{"userAuthError=true", "auth"}, {"errorMessage=*evice*", "receiver"},
	},
	"opsgenie": {
		{"HTTP=402", "plan"},
	},
}

// because is the class of what the answer says, "" where it says nothing that is
// known.
func (r response) because(known []reason) string {
	if r.status == 0 || len(known) == 0 {
		return ""
	}
	said := append(statements(r.body), fmt.Sprint("HTTP=", r.status))
	for _, k := range known {
		for _, s := range said {
			if matches(s, k.said) {
				return k.class
			}
		}
	}
	return ""
}

// matches compares a statement with a pattern in which a star is anything.
func matches(s, pattern string) bool {
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	for i, part := range parts[1:] {
		if i == len(parts)-2 && part == "" {
			return true
		}
		at := strings.Index(s, part)
		if at < 0 {
			return false
		}
		s = s[at+len(part):]
	}
	return s == ""
}

// statements are the single facts of an answer, up to three keys deep: a text that
// is no JSON is one without a key.
func statements(body []byte) (out []string) {
	var any any
	if json.Unmarshal(body, &any) != nil {
		return []string{"=" + strings.TrimSpace(string(body))}
	}
	return stated(nil, "", any, 3)
}

func stated(out []string, path string, v any, deep int) []string {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if deep > 0 {
				out = stated(out, strings.TrimPrefix(path+"."+key, "."), value, deep-1)
			}
		}
	case string:
		out = append(out, path+"="+v)
	case float64:
		out = append(out, path+"="+strconv.FormatFloat(v, 'f', -1, 64))
	case bool:
		out = append(out, fmt.Sprint(path, "=", v))
	}
	return out
}

// passing are the classes after which a message is tried again; all others are
// for good.
var passing = map[string]bool{"server": true, "rate_limited": true, "quota": true, "off": true, "plan": true}

// decided is what becomes of a message that failed for a reason.
func (r response) decided(class string) rules.Outcome {
	if passing[class] {
		return owed(class, r.status, r.retry(class))
	}
	return dead(cmp.Or(class, "rejected"), r.status)
}
