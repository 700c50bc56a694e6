package notify

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// Settings say how a channel is used, as people write them. They hold no
// secret.
type Settings struct {
	Fallback string `json:"fallback,omitempty"` // the channel that is told when this one fails
	// the most messages in a time, "10/m"; "" is what suits the service
	Rate     string         `json:"rate,omitempty"`
	Quiet    *Quiet         `json:"quiet,omitempty"`
	Template *TemplateTexts `json:"template,omitempty"`
	// NeverTwice says that a message which may have arrived is not sent again,
	// where each one costs: better lost than told twice.
	NeverTwice bool `json:"never_twice,omitempty"`
	// Edit says that the end of an alert changes its first message and is told by
	// no other, where the service can change messages: nothing rings then.
	Edit bool `json:"edit,omitempty"`
	// What is told together: see Grouping.
	GroupBy    []string `json:"group_by,omitempty"`
	GroupWait  string   `json:"group_wait,omitempty"`
	GroupEvery string   `json:"group_every,omitempty"`
	// Timeout is how long an answer is awaited before a message may be sent
	// again; "" is a minute.
	Timeout string `json:"timeout,omitempty"`
	// Whom a connection to the service trusts; see rules.Trust. A proxy's
	// address holds no login here.
	CAFile             string `json:"ca_file,omitempty"`
	InsecureSkipVerify bool   `json:"insecure_skip_verify,omitempty"`
	CertFile           string `json:"cert_file,omitempty"`
	KeyFile            string `json:"key_file,omitempty"`
	Proxy              string `json:"proxy,omitempty"`
	// Moved is what the service calls targets that it has moved.
	Moved map[string]string `json:"moved,omitempty"`
}

// Trust is what the settings say of connections.
func (s Settings) Trust() rules.Trust {
	return rules.Trust{
		CAFile: s.CAFile, InsecureSkipVerify: s.InsecureSkipVerify, CertFile: s.CertFile, KeyFile: s.KeyFile,
		Proxy: rules.NewSecret(s.Proxy),
	}
}

// CheckProxy refuses what is no proxy's address, or holds a login, which settings
// may not.
func CheckProxy(text string) error {
	if strings.Contains(text, "@") {
		return rules.FieldErrorf("proxy", "must not hold a login; give that in HTTPS_PROXY of the daemon's environment")
	}
	_, _, err := rules.Trust{Proxy: rules.NewSecret(text)}.ProxyURL()
	return err
}

// Quiet is the time in which a channel keeps its messages back.
type Quiet struct {
	rules.Active
	Except []rules.Severity `json:"except,omitempty"` // alerts so severe are told nonetheless
}

// Policy is Settings that were read, with what suits the service where they
// say nothing. The zero value holds nothing back.
type Policy struct {
	Fallback   string
	Rate       Rate
	Quiet      *Quiet
	Template   *Template
	NeverTwice bool
	Edit       bool
	Group      Grouping
	Timeout    time.Duration // 0 is what the Sender takes to be right
	Trust      rules.Trust
	Moved      map[string]string
}

// Policy reads the settings of a channel of a kind. Its error joins one for
// each thing that is wrong.
func (s Settings) Policy(kind string) (p Policy, err error) {
	var errs []error
	p.Fallback, p.Rate, p.Quiet, p.NeverTwice = s.Fallback, usualRate(kind), s.Quiet, s.NeverTwice
	p.Trust, p.Moved, p.Edit = s.Trust(), s.Moved, s.Edit
	errs = append(errs, CheckProxy(s.Proxy))
	if s.Rate != "" {
		if p.Rate, err = ParseRate(s.Rate); err != nil {
			errs = append(errs, err)
		}
	}
	if s.Timeout != "" {
		p.Timeout, err = ParseTimeout(s.Timeout)
		errs = append(errs, err)
	}
	p.Group, err = s.grouping()
	errs = append(errs, err)
	if s.Quiet != nil {
		errs = append(errs, s.Quiet.check())
	}
	if s.Template != nil {
		p.Template, err = s.Template.Parse()
		errs = append(errs, err)
	}
	return p, errors.Join(errs...)
}

// Rate is a budget: so many messages in a time. The zero value has no limit.
type Rate struct {
	Count int
	Per   time.Duration
}

// usualRates are budgets that the services bear for long, by kind. What is
// over them waits and is folded.
var usualRates = map[string]Rate{
	"ntfy":     {240, 24 * time.Hour}, // ntfy.sh takes 250 a day, and a person fewer
	"smtp":     {60, time.Hour},       // what providers take for spam begins above
	"pushover": {60, time.Hour},       // 10,000 a month
	"telegram": {20, time.Minute},
	"matrix":   {10, time.Minute},
	"generic":  {60, time.Minute},
	"gotify":   {60, time.Minute},
}

func usualRate(kind string) Rate {
	if r, ok := usualRates[kind]; ok {
		return r
	}
	return Rate{30, time.Minute}
}

// ParseRate reads a budget such as 10/m or 60/h.
func ParseRate(text string) (Rate, error) {
	count, unit, _ := strings.Cut(strings.ReplaceAll(text, " ", ""), "/")
	n, err := strconv.Atoi(count)
	per := map[string]time.Duration{"m": time.Minute, "min": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[unit]
	if err != nil || n < 1 || n > 1000 || per == 0 {
		return Rate{}, rules.FieldErrorf("rate",
			"must be a number of messages from 1 to 1000 in a minute, an hour or a day; for example 10/m, 60/h or 200/d")
	}
	return Rate{n, per}, nil
}

// The bounds of a channel's timeout.
const (
	leastTimeout = time.Second
	mostTimeout  = 10 * time.Minute
)

// ParseTimeout reads how long an answer is awaited, such as 90s.
func ParseTimeout(text string) (time.Duration, error) {
	d, err := rules.ParseDuration(text)
	if err != nil || d.Std() < leastTimeout || d.Std() > mostTimeout {
		return 0, rules.FieldErrorf("timeout", "must be a duration from 1s to 10m; for example 90s")
	}
	return d.Std(), nil
}

// longestQuiet is less than the age at which messages are given up.
const longestQuiet = 48 * time.Hour

func (q *Quiet) check() error {
	if q.Hours == "" && q.Days == "" {
		return rules.FieldErrorf("quiet", `needs hours or days; for example {hours: "22:00-07:00", zone: Europe/Berlin}`)
	}
	if err := q.Check("quiet"); err != nil {
		return err
	}
	for _, s := range q.Except {
		if s.Rank() < 0 {
			return rules.FieldErrorf("quiet.except", "must be severities, some of %s; for example [critical]",
				strings.Join(rules.Severities, ", "))
		}
	}
	run := time.Duration(0)
	for t := time.Unix(0, 0); t.Before(time.Unix(0, 0).Add(14 * 24 * time.Hour)); t = t.Add(30 * time.Minute) {
		if run += 30 * time.Minute; !q.Covers(t) {
			run = 0
		}
		if run > longestQuiet {
			return rules.FieldErrorf("quiet",
				"lasts more than two days at a time, and messages wait no longer than three; leave some hours out")
		}
	}
	return nil
}

// holds reports whether a message that would go at t must wait. A test that a
// person asked for never does.
func (q *Quiet) holds(n rules.Notification, t time.Time) bool {
	return q != nil && n.Reason != rules.Test && !slices.Contains(q.Except, n.Facts.Severity) && q.Covers(t)
}

// String says in words when messages wait: "22:00-07:00 Europe/Berlin, except
// critical".
func (q *Quiet) String() string {
	text := q.Active.String()
	for i, s := range q.Except {
		sep := ", "
		if i == 0 {
			sep = ", except "
		}
		text += sep + string(s)
	}
	return text
}

// passing picks what may go now; the rest waits. All news of an alert go together:
// who hears that it is critical need not hear in the morning that it began.
func (q *Quiet) passing(list []rules.Notification, now time.Time) []rules.Notification {
	urgent := map[string]bool{}
	for _, n := range list {
		urgent[n.AlertID] = urgent[n.AlertID] || n.AlertID != "" && !q.holds(n, now)
	}
	return only(list, func(n rules.Notification) bool { return urgent[n.AlertID] || !q.holds(n, now) })
}

// kept reports whether some of list waited for quiet hours to end.
func (q *Quiet) kept(list []rules.Notification) bool {
	return q != nil && slices.ContainsFunc(list, func(n rules.Notification) bool { return q.holds(n, n.BookedAt) })
}

// budget is what a channel has left of its rate. It begins full.
type budget struct {
	rate Rate
	left float64
	at   time.Time
}

// keptBack is the part of a budget that only critical alerts may use: 1 in so
// many.
const keptBack = 5

// wait says how long until one more message may go, 0 for now. The last of a
// budget is kept for what is critical.
func (b *budget) wait(rate Rate, critical bool, now time.Time) time.Duration {
	if rate.Count == 0 {
		return 0
	}
	if rate != b.rate {
		*b = budget{rate: rate, left: float64(rate.Count), at: now}
	}
	each := cmp.Or(rate.Per/time.Duration(rate.Count), 1)
	b.left = min(float64(rate.Count), b.left+float64(now.Sub(b.at))/float64(each))
	b.at = now
	need := 1.0
	if !critical {
		need += float64(rate.Count / keptBack)
	}
	if b.left >= need {
		return 0
	}
	return max(time.Millisecond, time.Duration((need-b.left)*float64(each)))
}

func (b *budget) spend() { b.left-- }

// String writes the rate as people do.
func (r Rate) String() string {
	unit := map[time.Duration]string{time.Minute: "m", time.Hour: "h", 24 * time.Hour: "d"}[r.Per]
	return fmt.Sprintf("%d/%s", r.Count, unit)
}
