package app

import (
	"context"
	"time"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

const (
	linkLife   = 7 * 24 * time.Hour
	linkSnooze = time.Hour
	undoLife   = time.Hour
)

// LinkActions are the links that a message about an alert carries: none
// without a public address, and none about what is over.
func (a *App) LinkActions(n rules.Notification) []notify.Action {
	if a.Links == nil || a.Config.PublicURL == "" || n.AlertID == "" || n.Reason == rules.Resolved {
		return nil
	}
	var out []notify.Action
	for _, offer := range []struct {
		act   notify.LinkAct
		label string
	}{{notify.LinkAck, "Acknowledge"}, {notify.LinkSnooze, "Snooze 1 h"}} {
		token := a.Links.Sign(notify.Link{Alert: n.AlertID, Act: offer.act, Channel: n.Channel, Expires: a.now().Add(linkLife)})
		out = append(out, notify.Action{Label: offer.label, URL: notify.LinkURL(a.Config.PublicURL, token), POST: true})
	}
	return out
}

// LinkView is what a link is about.
type LinkView struct {
	Act   notify.LinkAct
	Done  bool // the act has been done
	Alert AlertView
	// Undo is the token of a link that takes the act back, "" for none.
	Undo string
}

// ReadLink says what a signed link would do, and does nothing.
func (a *App) ReadLink(ctx context.Context, token string) (LinkView, error) {
	_, view, err := a.readLink(ctx, token)
	return view, err
}

func (a *App) readLink(ctx context.Context, token string) (notify.Link, LinkView, error) {
	if a.Links == nil {
		return notify.Link{}, LinkView{}, rules.Errorf(rules.NotFound, "no links are answered here: public_url is not in the config")
	}
	l, err := a.Links.Read(token, a.now())
	if err != nil {
		return l, LinkView{}, err
	}
	v, err := a.Alert(ctx, l.Alert)
	view := LinkView{Act: l.Act, Alert: v}
	switch {
	case rules.CodeOf(err) == rules.NotFound:
		return l, view, rules.Errorf(rules.Conflict, "this alert is long over, and tocsin has forgotten it; there is nothing left to do")
	case err != nil:
		return l, view, err
	case v.Status == rules.StatusResolved:
		return l, view, rules.Errorf(rules.Conflict, "this alert is over; there is nothing left to do")
	}
	return l, view, nil
}

// FollowLink does what a signed link says. The signature is the credential,
// and the act is recorded as that of whoever reads the channel.
func (a *App) FollowLink(ctx context.Context, token string) (LinkView, error) {
	l, view, err := a.readLink(ctx, token)
	if err != nil {
		return view, err
	}
	by := rules.Actor{Name: "link via " + l.Channel, Door: "link"}
	view.Alert, err = a.follow(ctx, by, l, view.Alert)
	if err != nil {
		return view, err
	}
	view.Done = true
	if l.Act != notify.LinkUndo {
		view.Undo = a.Links.Sign(notify.Link{Alert: l.Alert, Act: notify.LinkUndo, Channel: l.Channel, Expires: a.now().Add(undoLife)})
	}
	return view, nil
}

// follow does an act, unless it is done already: a second press must not take
// the name of the one who acknowledged.
func (a *App) follow(ctx context.Context, by rules.Actor, l notify.Link, v AlertView) (AlertView, error) {
	acked := v.Status == rules.StatusAcknowledged
	req := AckRequest{}
	switch {
	case l.Act == notify.LinkAck && acked && v.Until == nil, l.Act == notify.LinkUndo && !acked:
		return v, nil
	case l.Act == notify.LinkSnooze:
		req.Until = a.now().Add(linkSnooze)
	case l.Act == notify.LinkUndo:
		req.Undo = true
	case l.Act != notify.LinkAck:
		return v, rules.Errorf(rules.Invalid, "this link asks for what this version of tocsin cannot do; open a newer message")
	}
	v, _, err := a.Acknowledge(ctx, by, l.Alert, req)
	return v, err
}
