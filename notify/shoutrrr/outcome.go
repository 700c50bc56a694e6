package shoutrrr

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/9bikes/tocsin/rules"
)

func dead(class string, code int) rules.Outcome {
	return rules.Outcome{State: rules.Dead, Class: class, Code: code}
}

func owed(class string, code int, retry time.Duration) rules.Outcome {
	return rules.Outcome{State: rules.Owed, Class: class, Code: code, Retry: retry}
}

// unknown is for a request that left and was not answered for.
func unknown(class string, code int) rules.Outcome {
	return rules.Outcome{State: rules.Owed, Unknown: true, Class: class, Code: code}
}

// response is what came back for one request.
type response struct {
	status int
	header http.Header
	body   []byte
	whole  bool  // body is all of it
	left   bool  // the request had been written
	err    error // of the connection, before or within the response
}

// outcome judges a response by what is known of what its service says, or else by
// its status. A 2xx counts only when the body, as failure tells, says so too; it
// returns the class of the failure, or "".
func (r response) outcome(known []reason, failure func(body []byte) string) rules.Outcome {
	class := ""
	if r.whole {
		class = r.because(known)
	}
	switch {
	case r.status == 0:
		return r.broken()
	case class != "":
		return r.decided(class)
	case r.status == http.StatusTooManyRequests:
		return r.decided("rate_limited")
	case r.status >= 500, r.status == http.StatusRequestTimeout, r.status == http.StatusTooEarly:
		return r.decided("server")
	case r.status == http.StatusUnauthorized, r.status == http.StatusForbidden, r.status == http.StatusProxyAuthRequired:
		return dead("auth", r.status)
	case r.status >= 300 && r.status < 400:
		return dead("moved", r.status)
	case r.status >= 300:
		return dead("rejected", r.status)
	case r.err != nil:
		return unknown(classOf(r.err, "server"), r.status)
	}
	return r.judged(failure)
}

func (r response) judged(failure func(body []byte) string) rules.Outcome {
	class := ""
	if failure != nil {
		class = failure(r.body)
	}
	switch {
	case failure != nil && !r.whole: // none of the services says so much
		return unknown("server", r.status)
	case class == "":
		return rules.Outcome{State: rules.Sent, Code: r.status}
	}
	return r.decided(class)
}

// broken is for a connection without a response: what had left may have arrived.
func (r response) broken() rules.Outcome {
	if r.left {
		return unknown(classOf(r.err, "server"), 0)
	}
	return owed(classOf(r.err, "refused"), 0, 0)
}

// classOf names what a connection failed of.
func classOf(err error, otherwise string) string {
	var network net.Error
	trouble, _ := rules.TLSTrouble(err)
	switch {
	case trouble != "":
		return trouble
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "timeout"
	}
	return otherwise
}

// maxRetry bounds what a service may ask us to wait, maxReset for what it has a
// month of.
const maxRetry, maxReset = 24 * time.Hour, 31 * 24 * time.Hour

// retry is how long the service asked to wait: the longest of what its header
// and its body say.
func (r response) retry(class string) time.Duration {
	longest := headerRetry(r.header)
	if class == "quota" || class == "rate_limited" {
		longest = max(longest, r.reset())
	}
	var said struct {
		RetryAfter   float64 `json:"retry_after"`    // Discord, in seconds
		Zulip        float64 `json:"retry-after"`    // in seconds too
		RetryAfterMS float64 `json:"retry_after_ms"` // Matrix
		Parameters   struct {
			RetryAfter float64 `json:"retry_after"` // Telegram
		} `json:"parameters"`
	}
	if json.Unmarshal(r.body, &said) == nil {
		longest = max(longest, seconds(said.RetryAfter), seconds(said.RetryAfterMS/1000),
			seconds(said.Parameters.RetryAfter), seconds(said.Zulip))
	}
	if class == "quota" {
		return min(longest, maxReset)
	}
	return min(longest, maxRetry)
}

// reset is how long it is until a budget is full again, by the service's clock: of
// Pushover the month's, of Pushbullet the account's, of ntfy the day's, which ends
// at midnight UTC.
func (r response) reset() time.Duration {
	now := r.now()
	for _, name := range []string{"X-Limit-App-Reset", "X-Ratelimit-Reset"} {
		if at, err := strconv.ParseInt(r.header.Get(name), 10, 64); err == nil {
			return max(0, time.Unix(at, 0).Sub(now))
		}
	}
	if slices.Contains(statements(r.body), "code=42908") {
		return now.Truncate(24 * time.Hour).Add(24 * time.Hour).Sub(now)
	}
	return 0
}

// now is the time by the service's own clock, because ours may be wrong.
func (r response) now() time.Time {
	if now, err := http.ParseTime(r.header.Get("Date")); err == nil {
		return now
	}
	return time.Now().UTC()
}

func seconds(n float64) time.Duration {
	return time.Duration(max(0, min(n, maxRetry.Seconds())) * float64(time.Second))
}

// headerRetry reads Retry-After.
func headerRetry(h http.Header) time.Duration {
	after := h.Get("Retry-After")
	if n, err := strconv.ParseFloat(after, 64); err == nil {
		return seconds(n)
	}
	until, err := http.ParseTime(after)
	if err != nil {
		return 0
	}
	return max(0, until.Sub(response{header: h}.now()))
}
