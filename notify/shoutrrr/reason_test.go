package shoutrrr_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// refusals are what the services answer to what they do not deliver, with what it
// means. State is Dead where it is empty.
var refusals = []struct {
	channel, body string
	status        int
	class         string
	state         rules.Delivery
}{
	{"telegram", `{"ok":false,"error_code":401,"description":"Unauthorized"}`, 401, "auth", ""},
	{"telegram", `{"ok":false,"error_code":404,"description":"Not Found"}`, 404, "auth", ""},
	{"telegram", `{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`, 400, "no_chat", ""},
	{
		"telegram", `{"ok":false,"error_code":400,"description":"Bad Request: message thread not found"}`, 400, "no_chat", "",
	},
	{
		"telegram", `{"ok":false,"error_code":400,"description":"Bad Request: not enough rights to send text messages to the ` +
			`chat"}`, 400, "prohibited", "",
	},
	{
		"telegram", `{"ok":false,"error_code":403,"description":"Forbidden: bot was kicked from the supergroup chat"}`, 403,
		"not_member", "",
	},
	{
		"telegram", `{"ok":false,"error_code":403,"description":"Forbidden: bot was blocked by the user"}`, 403, "not_member",
		"",
	},
	{
		"telegram", `{"ok":false,"error_code":400,"description":"Bad Request: can't parse entities"}`, 400, "rejected", "",
	},
	{"slack bot", `{"ok":false,"error":"channel_not_found"}`, 200, "no_chat", ""},
	{"slack bot", `{"ok":false,"error":"not_in_channel"}`, 200, "not_member", ""},
	{"slack bot", `{"ok":false,"error":"is_archived"}`, 200, "archived", ""},
	{"slack bot", `{"ok":false,"error":"restricted_action"}`, 200, "prohibited", ""},
	{"slack bot", `{"ok":false,"error":"missing_scope","needed":"chat:write"}`, 200, "scope", ""},
	{"slack bot", `{"ok":false,"error":"token_revoked"}`, 200, "auth", ""},
	{"slack bot", `{"ok":false,"error":"invalid_blocks"}`, 200, "rejected", ""},
	{"slack bot", `{"ok":false,"error":"fatal_error"}`, 200, "server", rules.Owed},
	{"slack webhook", `action_prohibited`, 403, "prohibited", ""},
	{"slack webhook", `channel_is_archived`, 410, "archived", ""},
	{"slack webhook", `channel_not_found`, 404, "no_chat", ""},
	{"slack webhook", `no_service`, 404, "gone", ""},
	{"slack webhook", `invalid_token`, 403, "auth", ""},
	{"slack webhook", `invalid_payload`, 400, "rejected", ""},
	{"discord", `{"message":"Unknown Webhook","code":10015}`, 404, "gone", ""},
	{"discord", `{"message":"Invalid Webhook Token","code":50027}`, 401, "auth", ""},
	{"discord", `{"message":"Unknown Channel","code":10003}`, 404, "no_chat", ""},
	{"discord", `{"message":"Invalid Form Body","code":50035,"errors":{}}`, 400, "rejected", ""},
	{
		"teams pasted", "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with " +
			"ContextId tcid=0", 200, "rate_limited", rules.Owed,
	},
	{
		"teams pasted", "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 413 with " +
			"ContextId tcid=0", 200, "rejected", "",
	},
	{"teams pasted", "Webhook message delivery failed with error: something", 200, "server", rules.Owed},
	{"teams pasted", `{"error":{"code":"WorkflowTriggerIsNotEnabled","message":"x"}}`, 400, "off", rules.Owed},
	{"teams pasted", `{"error":{"code":"WorkflowNotFound","message":"x"}}`, 404, "gone", ""},
	{"gotify", `{"error":"Unauthorized","errorCode":401}`, 401, "auth", ""},
	{"ntfy", `{"code":40301,"http":403,"error":"forbidden"}`, 403, "prohibited", ""},
	{"ntfy", `{"code":42908,"http":429,"error":"limit reached: daily message quota reached"}`, 429, "quota", rules.Owed},
	{"ntfy", `{"code":42901,"http":429,"error":"limit reached: too many requests"}`, 429, "rate_limited", rules.Owed},
	{
		"pushover", `{"token":"invalid","errors":["application token is invalid"],"status":0}`, 400, "auth", "",
	},
	{"pushover", `{"user":"invalid","errors":["user identifier is not valid"],"status":0}`, 400, "receiver", ""},
	{"pushover", `{"errors":["application is over its quota"],"status":0}`, 429, "quota", rules.Owed},
	{"pushbullet", `{"error":{"code":"invalid_access_token","type":"invalid_request"}}`, 401, "auth", ""},
	{"pushbullet", `{"error":{"code":"pushbullet_pro_required","type":"invalid_request"}}`, 400, "quota", rules.Owed},
	{"pushbullet", `{"error":{"type":"invalid_request","param":"device_iden"}}`, 400, "receiver", ""},
	{"matrix", `{"errcode":"M_FORBIDDEN","error":"User @t:x not in room !r:x"}`, 403, "not_member", ""},
	{"matrix", `{"errcode":"M_UNKNOWN_TOKEN","error":"Unrecognised access token"}`, 401, "auth", ""},
	{"matrix", `{"errcode":"M_NOT_FOUND"}`, 404, "no_chat", ""},
	{"matrix", `{"errcode":"M_TOO_LARGE"}`, 413, "rejected", ""},
	{"mattermost", `{"id":"web.incoming_webhook.channel.app_error","status_code":404}`, 404, "no_chat", ""},
	{"mattermost", `{"id":"web.incoming_webhook.permissions.app_error","status_code":403}`, 403, "prohibited", ""},
	{"mattermost", `{"id":"web.incoming_webhook.disabled.app_error","status_code":501}`, 501, "off", rules.Owed},
	{"rocketchat", `{"success":false,"error":"invalid-channel"}`, 200, "no_chat", ""},
	{"rocketchat", `{"success":false,"error":"Invalid integration id or token provided."}`, 400, "gone", ""},
	{"rocketchat", `{"success":false}`, 200, "rejected", ""},
	{"googlechat", `{"error":{"code":404,"status":"NOT_FOUND"}}`, 404, "gone", ""},
	{"googlechat", `{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}`, 429, "rate_limited", rules.Owed},
	{"googlechat", `{"error":{"code":400,"status":"INVALID_ARGUMENT"}}`, 400, "rejected", ""},
	{"zulip", `{"result":"error","msg":"x","code":"STREAM_DOES_NOT_EXIST"}`, 400, "no_chat", ""},
	{"zulip", `{"result":"error","msg":"x","code":"INVALID_API_KEY"}`, 401, "auth", ""},
	{
		"bark", `{"code":400,"message":"failed to get device token: failed to get [k] device token from database"}`, 400,
		"receiver", "",
	},
	{"join", `{"success":false,"userAuthError":true,"errorMessage":"User not authenticated"}`, 200, "auth", ""},
	{"join", `{"success":false,"errorMessage":"No devices found"}`, 200, "receiver", ""},
	{"opsgenie", `{"message":"Api Key doesn't exist"}`, 401, "auth", ""},
	{"opsgenie", `{"message":"Your plan does not include it"}`, 402, "plan", rules.Owed},
	{"opsgenie", `{"message":"You are not allowed"}`, 403, "auth", ""},
	{"opsgenie", `{"message":"Request body is not processable"}`, 422, "rejected", ""},
}

// TestWhatServicesSayIsUnderstood, and none of it is ever taken for sent. What
// people are told is a sentence.
func TestWhatServicesSayIsUnderstood(t *testing.T) {
	address := map[string]string{}
	for _, c := range channels {
		address[c.name] = c.url
	}
	for i, tt := range refusals {
		t.Run(fmt.Sprint(i, " ", tt.channel, " ", tt.class), func(t *testing.T) {
			s := toward(t, newInbox(t, says(tt.status, tt.body)).URL, time.Minute)
			out := s.Send(context.Background(), channel(address[tt.channel]), ordinary())
			want := rules.Outcome{State: rules.Dead, Class: tt.class, Code: tt.status, Retry: out.Retry}
			if tt.state != "" {
				want.State = tt.state
			}
			if out != want {
				t.Errorf("%s: outcome = %+v, want %+v", tt.body, out, want)
			}
			if notify.Trouble(out.Class, false) == out.Class {
				t.Errorf("people are told %q", out.Class)
			}
		})
	}
}

// TestABudgetThatIsUsedUpSaysUntilWhen, by the service's own clock.
func TestABudgetThatIsUsedUpSaysUntilWhen(t *testing.T) {
	const date = "Sun, 01 Mar 2026 12:00:00 GMT"
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		url, header, body string
		want              time.Duration
	}{
		{"pushover://x:T@U/", "X-Limit-App-Reset", `{"status":0}`, 20 * 24 * time.Hour},
		{"pushbullet://T", "X-Ratelimit-Reset", `{"error":{"code":"ratelimited"}}`, time.Hour},
		{"ntfy://ntfy.sh/t", "", `{"code":42908}`, 12 * time.Hour},
		{"zulip://b%40z:K@h/?stream=s", "", `{"code":"RATE_LIMIT_HIT","retry-after":28.5}`, 28500 * time.Millisecond},
	} {
		in := newInbox(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", date)
			if tt.header != "" {
				w.Header().Set(tt.header, fmt.Sprint(at.Add(tt.want).Unix()))
			}
			w.WriteHeader(429)
			_, _ = io.WriteString(w, tt.body)
		})
		out := toward(t, in.URL, time.Minute).Send(context.Background(), channel(tt.url), ordinary())
		if out.State != rules.Owed || out.Retry != tt.want {
			t.Errorf("%s: outcome = %+v, want %s", tt.url, out, tt.want)
		}
	}
}
