//go:build bench

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"time"
)

const (
	backtestDays   = 30
	backtestSeries = 100
	backtestStep   = 30 * time.Second
	backtestMost   = 10 * time.Second
)

// backtest tries a grouped rule on a month of points, one window after the
// other.
func (s settings) backtest(ctx context.Context) (err error) {
	dir, db, end, err := s.scratchInfluxd(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	to := time.Now().Truncate(time.Minute)
	from := to.Add(-backtestDays * 24 * time.Hour)
	if err := db.load(ctx, from.Add(-10*time.Minute), to, backtestStep, month); err != nil {
		return fmt.Errorf("load points: %w", err)
	}
	h, err := newHouse(dir, backtestStep,
		fmt.Sprintf("sources:\n  home: {kind: influxdb, url: %q, database: %s, timeout: 60s}\n", db.url, databaseName))
	if err != nil {
		return err
	}
	store, err := h.open(ctx) // makes it, as the daemon does
	if err != nil {
		return err
	}
	if err := store.Close(); err != nil {
		return err
	}
	for _, window := range []string{"30s", "5m"} {
		if err := s.backtestOnce(ctx, h, window, from, to); err != nil {
			return err
		}
	}
	return nil
}

// month writes one point for each series, hot for an hour a day.
func month(w io.Writer, at time.Time) {
	for n := range backtestSeries {
		v := value(n, 0, at)
		if at.Hour() == n%24 {
			v += 60
		}
		fmt.Fprintf(w, "m,host=h%d f0=%.1f %d\n", n, v, at.Unix())
	}
}

func (s settings) backtestOnce(ctx context.Context, h house, window string, from, to time.Time) error {
	var out, trouble bytes.Buffer
	cmd := exec.CommandContext(ctx, s.tocsin, "backtest", "--json", "--config", filepath.Join(h.dir, "config.yaml"),
		"--measurement", "m", "--field", "f0", "--aggregation", "mean", "--window", window, "--operator", ">", "--value",
		"90", "--group-by", "host", "--every", backtestStep.String(),
		"--from", from.Format(time.RFC3339), "--to", to.Format(time.RFC3339))
	cmd.Stdout, cmd.Stderr = &out, &trouble
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("backtest: %w: %s", err, trouble.Bytes())
	}
	took := time.Since(began)
	var answer struct {
		Backtest struct{ Ticks, Series, Count int }
	}
	if err := json.Unmarshal(out.Bytes(), &answer); err != nil {
		return err
	}
	fmt.Printf("backtest, %d days x %d series every %s, window %s: %s s, %.1f s of CPU, %d ticks, %d episodes\n",
		backtestDays, answer.Backtest.Series, backtestStep, window,
		verdict(took.Seconds(), took.Seconds(), backtestMost.Seconds()),
		(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), answer.Backtest.Ticks, answer.Backtest.Count)
	return nil
}
