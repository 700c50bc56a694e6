package local

import (
	"context"
	"net/http"
	"net/url"

	"github.com/9bikes/tocsin/app"
)

const alertsPath = "/alerts"

// alertsPage is the answer to who asks for alerts, with how many there are in
// all.
type alertsPage struct {
	Alerts   []app.AlertView `json:"alerts"`
	Total    int             `json:"total"`
	Warnings []string        `json:"warnings"`
}

// oneAlert is the answer about one alert.
type oneAlert struct {
	Alert    app.AlertView `json:"alert"`
	Warnings []string      `json:"warnings"`
}

func (d door) alerts(w http.ResponseWriter, r *http.Request) {
	var f app.AlertFilter
	_, err := read(w, r, &f)
	if err != nil {
		d.answer(w, nil, err)
		return
	}
	list, total, err := d.Alerts(r.Context(), f)
	d.answer(w, alertsPage{list, total, d.Warnings()}, err)
}

func (d door) alert(w http.ResponseWriter, r *http.Request) {
	d.known(w, r, func() (any, error) {
		v, err := d.Alert(r.Context(), r.PathValue("id"))
		return oneAlert{v, d.Warnings()}, err
	})
}

func (d door) acknowledge(w http.ResponseWriter, r *http.Request) {
	var req app.AckRequest
	by, err := read(w, r, &req)
	if err != nil {
		d.answer(w, nil, err)
		return
	}
	v, warnings, err := d.Acknowledge(r.Context(), by, r.PathValue("id"), req)
	d.answer(w, oneAlert{v, warnings}, err)
}

// Alerts asks for a page of alerts, and for how many there are, with the
// daemon's warnings.
func (c *Client) Alerts(ctx context.Context, f app.AlertFilter) ([]app.AlertView, int, []string, error) {
	var got alertsPage
	err := c.ask(ctx, http.MethodPost, alertsPath, f, &got)
	return got.Alerts, got.Total, got.Warnings, err
}

// Alert asks for one alert.
func (c *Client) Alert(ctx context.Context, id string) (app.AlertView, []string, error) {
	var got oneAlert
	err := c.ask(ctx, http.MethodGet, alertsPath+"/"+url.PathEscape(id), nil, &got)
	return got.Alert, got.Warnings, err
}

// Acknowledge has the daemon acknowledge an alert, snooze it or take that back,
// for the user at this end of the socket.
func (c *Client) Acknowledge(ctx context.Context, id string, req app.AckRequest) (app.AlertView, []string, error) {
	var got oneAlert
	err := c.ask(ctx, http.MethodPost, alertsPath+"/"+url.PathEscape(id)+"/acknowledgement", req, &got)
	return got.Alert, got.Warnings, err
}
