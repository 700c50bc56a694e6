//go:build bench

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reading is what one run of a workload showed.
type reading struct {
	queries, requests float64 // a tick
	cpu               float64 // ms a tick
	memory            float64 // MB at most
	written           float64 // bytes a tick
	ready             float64 // ms
}

const lineFormat = "%-7s %-58s %14s %14s %14s %14s %14s %14s\n"

func header() {
	fmt.Printf(lineFormat, "rules", "shape", "queries/tick", "requests/tick", "CPU ms/tick", "RSS MB", "ready ms",
		"written/tick")
}

// contender is a program that can be measured with a workload, more than once.
type contender struct {
	once  func() (reading, error)
	end   func() error
	shape string
	most  targets
	all   []reading
}

// measure runs a workload several times, ours and the peer's in turn, each with
// a database of its own that has the same points.
func (s settings) measure(ctx context.Context, w workload) (err error) {
	dir, end, err := s.scratch()
	if err != nil {
		return err
	}
	defer end()
	setups := []func(context.Context, workload, string) (*contender, error){s.ours}
	if s.vmalert != "" && w.peer != nil {
		setups = append(setups, s.peer)
	}
	var contenders []*contender
	for _, setup := range setups {
		c, err := setup(ctx, w, dir)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.end()) }()
		contenders = append(contenders, c)
	}
	for range s.runs {
		for _, c := range contenders {
			r, err := c.once()
			if err != nil {
				return err
			}
			c.all = append(c.all, r)
		}
	}
	for _, c := range contenders {
		report(strconv.Itoa(w.rules), c.shape, c.most, c.all)
	}
	return nil
}

// ours is tocsin beside an influxd.
func (s settings) ours(ctx context.Context, w workload, dir string) (*contender, error) {
	db, err := s.startInfluxd(ctx, dir)
	if err != nil {
		return nil, err
	}
	every := max(s.every, w.every)
	from, to := w.span(s, every)
	if err := db.load(ctx, from, to, w.step(), w.lines); err != nil {
		return nil, errors.Join(fmt.Errorf("load points: %w", err), db.stop())
	}
	return &contender{
		once:  func() (reading, error) { return s.once(ctx, w, db, dir, every) },
		end:   db.stop,
		shape: w.shape, most: w.most,
	}, nil
}

// span is the time that points are needed for: a window before the first tick,
// and until the last.
func (w workload) span(s settings, every time.Duration) (from, to time.Time) {
	turns := s.runs
	if s.vmalert != "" {
		turns *= 2
	}
	length := time.Duration(turns) * (every*time.Duration(s.ticks+warm+2) + 10*time.Second)
	now := time.Now()
	return now.Add(-6 * time.Minute), now.Add(length + 2*time.Minute)
}

// step is how far apart points are.
func (w workload) step() time.Duration {
	if w.points == 0 {
		return 10 * time.Second
	}
	return w.points
}

// warm is how many ticks pass before the measurement: they meet the series.
const warm = 3

// once starts a daemon with fresh rules and measures it over some ticks.
func (s settings) once(ctx context.Context, w workload, db *database, dir string, every time.Duration) (r reading,
	err error,
) {
	h, err := newHouse(dir, every,
		fmt.Sprintf("sources:\n  home: {kind: influxdb, url: %q, database: %s}\n", db.url, databaseName))
	if err != nil {
		return r, err
	}
	if err := h.create(ctx, w.rules, w.rule); err != nil {
		return r, err
	}
	p, ready, err := h.serve(ctx, s.tocsin)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	r.ready = ms(ready)
	if err := r.watch(ctx, p, db, every, s.ticks); err != nil {
		return r, err
	}
	stats, err := h.stats(ctx)
	if err != nil {
		return r, err
	}
	r.queries = float64(stats.Queries)
	if stats.Missed > 0 || stats.Failures > 0 || stats.Rules != w.rules {
		return r, fmt.Errorf("%d ticks missed, %d rules failed, %d of %d judged: no fair measurement", stats.Missed,
			stats.Failures, stats.Rules, w.rules)
	}
	return r, nil
}

// watch reads the counters of the program just before a tick, and again some
// ticks later.
func (r *reading) watch(ctx context.Context, p *process, db *database, every time.Duration, ticks int) error {
	phase := every * 9 / 10
	first := time.Now().Truncate(every).Add(warm*every + phase)
	before, err := count(ctx, p, db, first)
	if err != nil {
		return err
	}
	last := first.Add(time.Duration(ticks) * every)
	for at := time.Now(); at.Before(last); at = at.Add(100 * time.Millisecond) {
		if err := until(ctx, at); err != nil {
			return err
		}
		rss, err := p.memory()
		if err != nil {
			return err
		}
		r.memory = max(r.memory, rss)
	}
	after, err := count(ctx, p, db, first.Add(time.Duration(ticks)*every))
	if err != nil {
		return err
	}
	n := float64(ticks)
	r.cpu = ms(after.cpu-before.cpu) / n
	r.requests = float64(after.requests-before.requests) / n
	r.written = float64(after.written-before.written) / n
	return nil
}

// counters are what only grows.
type counters struct {
	cpu               time.Duration
	requests, written int64
}

func count(ctx context.Context, p *process, db *database, at time.Time) (c counters, err error) {
	if err := until(ctx, at); err != nil {
		return c, err
	}
	if c.cpu, err = p.cpu(); err != nil {
		return c, err
	}
	if c.written, err = p.proc("io", "write_bytes"); err != nil {
		return c, err
	}
	if db != nil {
		c.requests, err = db.requests(ctx)
	}
	return c, err
}

func until(ctx context.Context, at time.Time) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(at)):
		return nil
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// report writes a line: minimum and maximum of the runs.
func report(rules, shape string, most targets, all []reading) {
	column := func(target float64, of func(reading) float64) string {
		var values []float64
		for _, r := range all {
			values = append(values, of(r))
		}
		return verdict(slices.Min(values), slices.Max(values), target)
	}
	fmt.Printf(lineFormat, rules, shape,
		column(most.queries, func(r reading) float64 { return r.queries }),
		column(most.requests, func(r reading) float64 { return r.requests }),
		column(most.cpu, func(r reading) float64 { return r.cpu }),
		column(most.memory, func(r reading) float64 { return r.memory }),
		column(most.ready, func(r reading) float64 { return r.ready }),
		column(0, func(r reading) float64 { return r.written }))
}

// verdict writes two numbers and, where something is promised, whether it is
// kept; there is none where the runs are more than 30 % apart.
func verdict(least, most, target float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s-%s", short(least), short(most))
	if least == most {
		b.Reset()
		b.WriteString(short(most))
	}
	switch {
	case target == 0:
	case most <= target:
		b.WriteString(" ok")
	case most-least > 0.3*most && least <= target:
		b.WriteString(" ?")
	default:
		fmt.Fprintf(&b, " >%s", short(target))
	}
	return b.String()
}

func short(x float64) string {
	if x == float64(int64(x)) || x >= 100 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.1f", x)
}
