//go:build bench

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// hook is a webhook that says when it was called on which path.
type hook struct {
	*httptest.Server
	calls chan call
}

type call struct {
	path string
	at   time.Time
}

func newHook(most int) *hook {
	h := &hook{calls: make(chan call, 2*most)}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.calls <- call{r.URL.Path, time.Now()}
	}))
	return h
}

// channels are as many channels as there are samples: messages to one and the
// same would be folded.
func (h *hook) channels(n int) string {
	var b strings.Builder
	b.WriteString("channels:\n")
	for i := range n {
		fmt.Fprintf(&b, "  c%d: {url: \"generic://%s/c%d?disabletls=yes&template=json\"}\n", i,
			strings.TrimPrefix(h.URL, "http://"), i)
	}
	return b.String()
}

// toChannel is a rule that fires with one point and tells one channel.
func toChannel(n int) rules.Doc {
	doc := latest(watch("m", "f0", 90, onHost(n)))
	doc["channels"] = []any{fmt.Sprint("c", n)}
	return doc
}

// delays writes a point for one rule after the other and times the webhook.
func (h *hook) delays(ctx context.Context, samples int, pause func() time.Duration,
	write func(line string) error,
) (out []time.Duration, err error) {
	for i := range samples {
		if err := until(ctx, time.Now().Add(pause())); err != nil {
			return nil, err
		}
		began := time.Now()
		if err := write(fmt.Sprintf("m,host=h%d f0=95", i)); err != nil {
			return nil, err
		}
		d, err := h.await(ctx, fmt.Sprint("/c", i), began)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	slices.Sort(out)
	return out, nil
}

func (h *hook) await(ctx context.Context, path string, began time.Time) (time.Duration, error) {
	late := time.After(30 * time.Second)
	for {
		select {
		case c := <-h.calls:
			if c.path == path {
				return c.at.Sub(began), nil
			}
		case <-late:
			return 0, fmt.Errorf("%s was not called for 30 s after its point", path)
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// polling times the way from a point in influxd to the webhook, at any moment
// between two ticks.
func (s settings) polling(ctx context.Context) (err error) {
	const every, samples = time.Second, 30
	dir, db, end, err := s.scratchInfluxd(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	if err := db.load(ctx, time.Now().Add(-time.Minute), time.Now(), 10*time.Second,
		hostLines("m", samples, 1)); err != nil {
		return err
	}
	source := fmt.Sprintf("sources:\n  home: {kind: influxdb, url: %q, database: %s}\n", db.url, databaseName)
	all, err := s.timed(ctx, dir, source, every, samples, func() time.Duration { return rand.N(every) },
		func(house) string {
			return db.url + "/write?db=" + databaseName
		})
	if err != nil {
		return err
	}
	most := all[len(all)-1]
	fmt.Printf("point to webhook, polling every %s: median %.0f ms, at most %.0f ms, "+
		"that is the interval and %s ms more\n",
		every, ms(all[len(all)/2]), ms(most), verdict(ms(most-every), ms(most-every), 100))
	return nil
}

// live times the way from a point pushed to the daemon to the webhook.
func (s settings) live(ctx context.Context) error {
	dir, end, err := s.scratch()
	if err != nil {
		return err
	}
	defer end()
	all, err := s.timed(ctx, dir, "sources:\n  home: {kind: live}\n", 30*time.Second, s.samples,
		func() time.Duration { return 20*time.Millisecond + rand.N(60*time.Millisecond) },
		func(h house) string { return h.url() + "/write?db=live" })
	if err != nil {
		return err
	}
	median, p99 := ms(all[len(all)/2]), ms(all[len(all)*99/100])
	fmt.Printf("point to webhook, live, %d samples: median %s ms, p99 %s ms, at most %.1f ms\n",
		len(all), verdict(median, median, 5), verdict(p99, p99, 20), ms(all[len(all)-1]))
	return nil
}

// timed runs a daemon with a rule and a channel for each sample.
func (s settings) timed(ctx context.Context, dir, source string, every time.Duration, samples int,
	pause func() time.Duration, to func(house) string,
) (all []time.Duration, err error) {
	hook := newHook(samples)
	defer hook.Close()
	h, err := newHouse(dir, every, source+hook.channels(samples))
	if err != nil {
		return nil, err
	}
	if err := h.create(ctx, samples, toChannel); err != nil {
		return nil, err
	}
	p, _, err := h.serve(ctx, s.tocsin)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if err := until(ctx, time.Now().Add(2*time.Second)); err != nil {
		return nil, err
	}
	address := to(h)
	return hook.delays(ctx, samples, pause, func(line string) error { return post(ctx, address, []byte(line)) })
}

// storm has a thousand alerts fire in one tick, and looks into the database
// how many commits that took.
func (s settings) storm(ctx context.Context) (err error) {
	const every, alerts = 2 * time.Second, 1000
	dir, db, end, err := s.scratchInfluxd(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	h, err := newHouse(dir, every,
		fmt.Sprintf("sources:\n  home: {kind: influxdb, url: %q, database: %s}\n", db.url, databaseName))
	if err != nil {
		return err
	}
	if err := h.create(ctx, alerts, func(n int) rules.Doc { return watch("m", "f0", 5, onHost(n)) }); err != nil {
		return err
	}
	p, _, err := h.serve(ctx, s.tocsin)
	if err != nil {
		return err
	}
	if err := until(ctx, time.Now().Truncate(every).Add(3*every+every/2)); err != nil {
		return errors.Join(err, p.stop())
	}
	before, err := p.proc("io", "write_bytes")
	if err != nil {
		return errors.Join(err, p.stop())
	}
	now := time.Now()
	if err := db.load(ctx, now.Add(-5*time.Second), now.Add(-4*time.Second), time.Second,
		hostLines("m", alerts, 1)); err != nil {
		return errors.Join(err, p.stop())
	}
	if err := until(ctx, now.Add(2*every)); err != nil {
		return errors.Join(err, p.stop())
	}
	after, err := p.proc("io", "write_bytes")
	// Killed, so that what it writes at its end does not hide the commits.
	if err := errors.Join(err, p.Process.Kill(), p.stop()); err != nil {
		return err
	}
	return h.countCommits(ctx, after-before)
}

// countCommits says how many revisions the ledgers with alerts have: one
// commit gives all that it writes the same.
func (h house) countCommits(ctx context.Context, written int64) error {
	list, err := h.ledgers(ctx)
	if err != nil {
		return err
	}
	firing, revisions := 0, map[int64]bool{}
	for _, l := range list {
		l.Alerts(func(*rules.Alert) bool {
			firing++
			revisions[l.Revision] = true
			return true
		})
	}
	fmt.Printf("storm: %d alerts fired, %s commits, %d KB written\n", firing,
		verdict(float64(len(revisions)), float64(len(revisions)), 1), written/1024)
	return nil
}
