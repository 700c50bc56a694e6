package app

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

const (
	linkLife   = 7 * 24 * time.Hour
	linkSnooze = time.Hour
	undoLife   = time.Hour
)

// LinkActions are the links of a message about alerts that fire: none without
// a public address. With several alerts a link answers for all of them, and
// says so.
func (a *App) LinkActions(message string, about []rules.Notification) []notify.Action {
	if a.Links == nil || a.Config.PublicURL == "" || len(about) == 0 {
		return nil
	}
	l := notify.Link{Channel: about[0].Channel, Expires: a.Time().Add(linkLife)}
	ack, snooze := "Acknowledge", "Snooze 1 h"
	if len(about) == 1 {
		l.Alerts = []string{about[0].AlertID}
	} else {
		l.Message = message // a list of them is longer than services take
	}
	if n := len(about); n > 1 {
		ack, snooze = fmt.Sprintf("Acknowledge all %d", n), fmt.Sprintf("Snooze all %d for 1 h", n)
	}
	offer := func(label string, act notify.LinkAct) notify.Action {
		l.Act = act
		return notify.Action{Label: label, URL: notify.LinkURL(a.Config.PublicURL, a.Links.Sign(l)), POST: true}
	}
	return []notify.Action{offer(ack, notify.LinkAck), offer(snooze, notify.LinkSnooze)}
}

// LinkView is what a link is about.
type LinkView struct {
	Act      notify.LinkAct
	Done     bool // the act has been done
	Alerts   []LinkedAlert
	Undo     string   // the token of a link that takes back what was done, "" for none
	Warnings []string // that it is known in memory only
}

// LinkedAlert is one of the alerts that a link answers for.
type LinkedAlert struct {
	AlertView
	// Token is that of a link that does the same for this alert alone, "" where
	// it is the only one or there is nothing to do.
	Token string
}

// Over reports whether the alert is resolved.
func (v LinkedAlert) Over() bool { return v.Status == rules.StatusResolved }

// ReadLink says what a signed link would do, and does nothing.
func (a *App) ReadLink(ctx context.Context, token string) (LinkView, error) {
	l, view, err := a.readLink(ctx, token)
	if err != nil || len(view.Alerts) == 1 {
		return view, err
	}
	for i, v := range view.Alerts {
		if !v.Over() && !done(l.Act, v.AlertView) {
			one := l
			one.Alerts, one.Message = []string{v.ID}, ""
			view.Alerts[i].Token = a.Links.Sign(one)
		}
	}
	return view, nil
}

// readLink returns a link that something can still be done with.
func (a *App) readLink(ctx context.Context, token string) (notify.Link, LinkView, error) {
	if a.Links == nil {
		return notify.Link{}, LinkView{}, rules.Errorf(rules.NotFound,
			"no links are answered here: public_url is not in the config")
	}
	l, err := a.Links.Read(token, a.Time())
	if err != nil {
		return l, LinkView{}, err
	}
	view := LinkView{Act: l.Act}
	if l.Message != "" {
		if l.Alerts, err = a.toldIn(ctx, l); err != nil {
			return l, view, err
		}
	}
	for _, id := range l.Alerts {
		v, err := a.Alert(ctx, id)
		switch {
		case rules.CodeOf(err) == rules.NotFound: // long over, and forgotten
		case err != nil:
			return l, view, err
		default:
			view.Alerts = append(view.Alerts, LinkedAlert{AlertView: v})
		}
	}
	slices.SortStableFunc(view.Alerts, func(x, y LinkedAlert) int { return y.Severity.Rank() - x.Severity.Rank() })
	return l, view, stillOpen(l, view)
}

// toldIn names the alerts that a message told of on its channel: all that are open,
// and those that have ended since.
func (a *App) toldIn(ctx context.Context, l notify.Link) (ids []string, err error) {
	open, _, err := a.Store.Alerts(ctx, AlertFilter{Status: rules.StatusOpen})
	if err != nil {
		return nil, err
	}
	over, _, err := a.Store.Alerts(ctx, AlertFilter{
		Status: rules.StatusResolved, Since: l.Expires.Add(-2 * linkLife), Limit: 1000,
	})
	for _, row := range append(open, over...) {
		if slices.ContainsFunc(row.Notifications, func(n rules.Notification) bool {
			return n.Message == l.Message && n.Channel == l.Channel && n.Reason.Announces()
		}) {
			ids = append(ids, row.ID)
		}
	}
	if err == nil && ids == nil {
		err = rules.WithHint(rules.Errorf(rules.Conflict,
			"nothing of this message is open, or a newer message tells of it; look there"), rules.SeeAlerts, "")
	}
	return ids, err
}

// stillOpen refuses a link whose alerts are all over.
func stillOpen(l notify.Link, view LinkView) error {
	this, is := "this alert", "is"
	if len(l.Alerts) > 1 || l.Message != "" {
		this, is = "all these alerts", "are"
	}
	switch {
	case len(view.Alerts) == 0:
		return rules.Errorf(rules.Conflict, "%s %s long over, and tocsin has forgotten about it; there is nothing left to do",
			this, is)
	case !slices.ContainsFunc(view.Alerts, func(v LinkedAlert) bool { return !v.Over() }):
		return rules.Errorf(rules.Conflict, "%s %s over; there is nothing left to do", this, is)
	}
	return nil
}

// done reports whether an alert is already as an act would leave it, or
// quieter: a snooze does not shorten an acknowledgement.
func done(act notify.LinkAct, v AlertView) bool {
	acked := v.Status == rules.StatusAcknowledged
	if act == notify.LinkUndo {
		return !acked
	}
	return acked && v.Until == nil
}

// FollowLink does what a signed link says. The signature is the credential,
// and the act is recorded as that of whoever reads the channel. What is over by
// now is left out.
func (a *App) FollowLink(ctx context.Context, token string) (LinkView, error) {
	l, view, err := a.readLink(ctx, token)
	if err != nil {
		return view, err
	}
	req, err := a.linkRequest(l.Act)
	if err != nil {
		return view, err
	}
	by := rules.Actor{Name: "link via " + l.Channel, Door: "link"}
	var mine []string // what this link did, now or at a press before
	for i, v := range view.Alerts {
		if v.Over() {
			continue
		}
		if err := a.follow(ctx, by, l.Act, req, &view, i); err != nil {
			return view, err
		}
		if view.Alerts[i].AcknowledgedBy == by.Name {
			mine = append(mine, v.ID)
		}
	}
	view.Done = true
	if l.Act != notify.LinkUndo && mine != nil {
		view.Undo = a.Links.Sign(notify.Link{
			Alerts: mine, Act: notify.LinkUndo, Channel: l.Channel,
			Expires: a.Time().Add(undoLife),
		})
	}
	return view, nil
}

// linkRequest is an act of a link in the words of every door.
func (a *App) linkRequest(act notify.LinkAct) (req AckRequest, err error) {
	switch act {
	case notify.LinkAck:
	case notify.LinkSnooze:
		req.Until = a.Time().Add(linkSnooze)
	case notify.LinkUndo:
		req.Undo = true
	default:
		err = rules.Errorf(rules.Invalid, "this link asks for what this version of tocsin cannot do; open a newer message")
	}
	return req, err
}

// follow does an act on one alert, unless it is done already: a second press
// must not take the name of the one who acknowledged. One that is over since it
// was looked at is shown so.
func (a *App) follow(ctx context.Context, by rules.Actor, act notify.LinkAct, req AckRequest, view *LinkView,
	i int,
) error {
	at := &view.Alerts[i].AlertView
	if done(act, *at) {
		return nil
	}
	v, warnings, err := a.Acknowledge(ctx, by, at.ID, req)
	if rules.CodeOf(err) == rules.Conflict && len(view.Alerts) > 1 {
		v, err = a.Alert(ctx, at.ID)
	}
	if err != nil {
		return err
	}
	*at = v
	for _, w := range warnings {
		if !slices.Contains(view.Warnings, w) {
			view.Warnings = append(view.Warnings, w)
		}
	}
	return nil
}
