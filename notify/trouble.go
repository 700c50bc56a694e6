package notify

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// trouble is what a worker has to say of its channel, which others say for it.
type trouble struct {
	dead     int       // dead letters that nobody was told of
	untold   int       // messages among them, or of tocsin's own, that the fallback has not
	fellBack int       // and that it has
	why      string    // of the last of them
	deadTold time.Time // when somebody was
	told     bool      // that the channel fails
	before   bool      // told so by a worker before this one, to some at least
}

// bury makes messages dead letters: for good, but for the fallback and for
// whoever sends them again.
func (w *worker) bury(ctx context.Context, p Policy, list []rules.Notification, o rules.Outcome) {
	w.record(ctx, list, o)
	fellBack := w.fallback(ctx, p, list)
	w.trouble.untold += len(list) - fellBack
	w.trouble.fellBack += fellBack
	w.trouble.why = Trouble(o.Class, len(unknown(list)) > 0 || o.Unknown)
	for _, n := range list {
		// Those of tocsin's own are not counted, or two dead channels would go on
		// telling of each other.
		if n.AlertID != "" {
			w.trouble.dead++
		}
	}
	w.notifyOfDead(ctx, p)
}

// notifyOfDead tells the operators of dead letters, once for all that was refused
// together, and at most once an hour.
func (w *worker) notifyOfDead(ctx context.Context, p Policy) {
	now, t := time.Now(), &w.trouble
	switch {
	case len(w.parts) > 0:
		return
	case t.dead == 0:
		t.untold, t.fellBack = 0, 0
		return
	case !t.deadTold.IsZero() && now.Sub(t.deadTold) < time.Hour:
		return
	}
	text := fmt.Sprintf("%d %s could not be delivered%s: %s. `tocsin channels dead` lists what is lost, `tocsin "+
		"channels resend --all %s` sends it when the channel is mended.",
		t.dead, plural(t.dead, "message", "messages"), strings.Replace(w.whom(), "for", "to", 1), t.why, w.name)
	switch {
	case t.untold == 0:
		text += " It was told on " + p.Fallback + " instead."
	case t.fellBack > 0:
		text += " Some of it was told on " + p.Fallback + " instead."
	}
	t.dead, t.untold, t.fellBack, t.deadTold = 0, 0, 0, now
	w.notifyOthers(ctx, p, "", "Channel "+w.name+" refuses messages"+w.whom(), text)
}

// fallback gives messages to the fallback, and returns how many it has.
func (w *worker) fallback(ctx context.Context, p Policy, list []rules.Notification) int {
	if p.Fallback == "" || len(list) == 0 {
		return 0
	}
	has, err := w.outbox.Fallback(context.WithoutCancel(ctx), list, p.Fallback)
	if err != nil {
		w.log.Error("messages not given to the fallback", "channel", w.name, "fallback", p.Fallback, "error", err)
	}
	return has
}

// fallBackStuck gives to the fallback what has failed for long, and all that is
// owed once the channel has.
func (w *worker) fallBackStuck(ctx context.Context, p Policy, list []rules.Notification, now time.Time) {
	w.fallback(ctx, p, only(list, func(n rules.Notification) bool {
		wait, stuck := w.untilStuck(p, n, now)
		return stuck && wait <= 0
	}))
}

// untilFallback shortens a wait to the time at which the fallback is to be told.
func (w *worker) untilFallback(p Policy, list []rules.Notification, wait time.Duration, now time.Time) time.Duration {
	if p.Fallback == "" {
		return wait
	}
	for _, n := range list {
		if until, stuck := w.untilStuck(p, n, now); stuck {
			wait = min(wait, until)
		}
	}
	return max(time.Millisecond, wait)
}

// untilStuck is how long it takes until the fallback is to be told of what is
// owed; false while it need not be.
func (w *worker) untilStuck(p Policy, n rules.Notification, now time.Time) (time.Duration, bool) {
	since := w.failsSince(w.to)
	if n.Failed() && (since.IsZero() || n.Due.Before(since)) {
		since = n.Due
	}
	return since.Add(w.options.FallbackAfter).Sub(now), !since.IsZero() && n.Fallback == "" && n.MayGoTo(p.Fallback)
}

// notifyOfMove tells the operators that the service has moved a target, and keeps
// where to.
func (w *worker) notifyOfMove(ctx context.Context, p Policy, o rules.Outcome) {
	if o.Moved == (rules.Move{}) {
		return
	}
	text := fmt.Sprintf("The group %s is a supergroup now and its number is %s. Messages go there", o.Moved.From,
		o.Moved.To)
	if w.options.Moved(context.WithoutCancel(ctx), w.name, o.Moved) {
		text += "; nothing is left to do."
	} else {
		text += fmt.Sprintf(", but only as long as this daemon runs, or Telegram says it again: write %s in the place of "+
			"the old number into the url of the channel.", o.Moved.To)
	}
	to := w.operators(p)
	if len(to) == 0 { // it does well, so it can say so itself
		to = []rules.Address{w.to}
	}
	w.notify(ctx, to, "channel "+w.name+" moved to "+o.Moved.To, "Channel "+w.name+": a chat has moved"+w.whom(), text)
}

// notifyOfFailing tells the operators once that the channel has failed for long,
// and that it is over.
func (w *worker) notifyOfFailing(ctx context.Context, p Policy, o rules.Outcome) {
	since := w.failsSince(w.to)
	switch {
	case since.IsZero() && (w.trouble.told || w.trouble.before):
		w.trouble.told, w.trouble.before = false, false
		w.notifyOthers(ctx, p, "", "Channel "+w.name+" works again"+w.whom(), "What had waited is told there now.")
	case !since.IsZero() && !w.trouble.told && (time.Since(since) >= w.options.TroubleAfter || o.Class == "quota"):
		w.trouble.told = true
		w.notifyOthers(ctx, p, w.failure(since), "Channel "+w.name+" fails"+w.whom(),
			fmt.Sprintf("%s: %s. Messages wait up to three days; `tocsin channels test %s` tries it.",
				failed(time.Since(since)), Trouble(o.Class, o.Unknown)+w.until(o, time.Now()), w.name))
	}
}

// failed says for how long a channel has, if that is of any length.
func failed(d time.Duration) string {
	if d < time.Minute {
		return "It fails"
	}
	return "It has failed for " + length(d)
}

// failure names one that began then. A second more or less is the same, as two
// dispatchers see it.
func (w *worker) failure(since time.Time) string {
	return fmt.Sprintf("channel %s fails since %d%s", w.name, since.Round(time.Minute).Unix(), w.whom())
}

// recallTrouble finds out whether a worker before this one told of the failure
// that goes on.
func (w *worker) recallTrouble(ctx context.Context) {
	since := w.failsSince(w.to)
	if since.IsZero() {
		return
	}
	w.trouble.before = slices.ContainsFunc(w.operators(w.options.Policy(w.name)), func(a rules.Address) bool {
		return w.options.Known(ctx, rules.OnceID(w.failure(since), a))
	})
}

// notifyOthers tells the operators through others than this one; what has a name,
// once.
func (w *worker) notifyOthers(ctx context.Context, p Policy, name, title, text string) {
	w.notify(ctx, w.operators(p), name, title, text)
}

func (w *worker) notify(ctx context.Context, to []rules.Address, name, title, text string) {
	ctx = context.WithoutCancel(ctx)
	to = slices.DeleteFunc(to, func(a rules.Address) bool {
		return name != "" && w.options.Known(ctx, rules.OnceID(name, a))
	})
	w.log.Warn("trouble with a channel", "channel", w.name, "target", w.to.Target, "trouble", title, "told", to)
	if len(to) == 0 {
		return
	}
	if err := w.outbox.Notify(ctx, name, to, rules.Operational, rules.Facts{Title: title, Text: text}); err != nil {
		w.log.Error("message to the operators not saved", "error", err)
	}
}

// operators are where the operators hear of this one: their other channels, or
// else its fallback, or else those targets of its own channel that do well.
func (w *worker) operators(p Policy) (to []rules.Address) {
	all := w.options.Operators()
	for _, channel := range all {
		if channel != w.name {
			to = append(to, rules.Address{Channel: channel})
		}
	}
	switch {
	case len(to) > 0 || len(all) == 0:
	case p.Fallback != "":
		to = []rules.Address{{Channel: p.Fallback}}
	case w.to.Target != "":
		for _, target := range w.targets() {
			if a := (rules.Address{Channel: w.name, Target: target}); a != w.to && w.failsSince(a).IsZero() {
				to = append(to, a)
			}
		}
	}
	return to
}

// troubles say in words what the classes of failures mean.
var troubles = map[string]string{
	"refused": "it cannot be reached", "timeout": "it does not answer in time",
	"tls": "there is no safe connection to it (TLS)",
	"tls_issuer": "its certificate is of an authority that this machine does not know; give that to the channel as " +
		"ca_file",
	"tls_name":     "its certificate is for another name; write the name that it is for into the channel's address",
	"tls_expired":  "its certificate has expired, or this machine's clock is wrong; renew it",
	"tls_client":   "it wants a client certificate; give the channel cert_file and key_file",
	"tls_files":    "the channel's ca_file, cert_file or key_file cannot be read or used",
	"rate_limited": "it takes no more messages for now", "auth": "it refuses the channel's credential",
	"rejected":   "it refuses the message or does not know the address",
	"quota":      "its budget of messages is used up",
	"plan":       "the account's plan does not include it, or has run out; look at its account page",
	"receiver":   "it does not know the receiver; correct the address, user or device",
	"no_chat":    "it knows no such chat, room, channel or topic; correct it, or let the bot in",
	"not_member": "the bot is not in the chat, was removed from it, or is blocked there; add it again",
	"archived":   "the channel there is archived; take it out of the archive, or choose another",
	"prohibited": "it does not let the channel write there; an administrator of it must allow that",
	"scope":      "the token lacks a right, such as chat:write; give it that and install the app again",
	"off":        "it is switched off there; switch the webhook or workflow on again",
	"moved": "it has moved and says so instead of taking the message; give the channel the new address, or the final " +
		"one behind a redirect",
	"gone":   "there is no such webhook any more; make a new one at the service and give its address to the channel",
	"server": "it has trouble itself", "invalid": "the channel's address cannot be used",
	"panic":           "tocsin failed to write the message for it",
	"gave_up":         "it took nothing for three days",
	"no_such_channel": "there is no such channel, or its credential cannot be opened",
	"no_such_target":  "the channel has other receivers by now", "restart": "tocsin was ended meanwhile",
	"unread": "tocsin cannot read its own database now",
}

// until says until when a service takes nothing, "" where it did not say.
func (w *worker) until(o rules.Outcome, now time.Time) string {
	if o.Retry < 2*time.Minute {
		return ""
	}
	return ", until " + rules.Shown(now.Add(o.Retry), now, w.options.Composer.Zone)
}

// Trouble says in words what the class of a failure means, in a clause about the
// service; unknown is that the message may have arrived.
func Trouble(class string, unknown bool) string {
	text := cmp.Or(troubles[class], class)
	if unknown {
		text += ", so that nobody knows whether the message arrived"
	}
	return text
}
