//go:build bench

// Command bench measures the built tocsin as a whole process against a real
// influxd on the same machine: what a tick costs, how much memory it takes and
// how long a point takes to become a call of a webhook. It prints a table and
// judges by the targets in it; packaging/bench.sh runs it.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// settings are what the command line says.
type settings struct {
	tocsin   string // the binary
	influxd  string
	vmalert  string // a peer, "" for none
	victoria string // the database that the peer asks
	only     string // run what has this in its name
	runs     int
	ticks    int
	every    time.Duration
	samples  int
	keep     bool
}

func main() {
	var s settings
	flag.StringVar(&s.tocsin, "tocsin", "", "the tocsin binary to measure")
	flag.StringVar(&s.influxd, "influxd", "influxd", "the InfluxDB 1.x server to run")
	flag.StringVar(&s.vmalert, "vmalert", "", "a vmalert to compare with; needs -victoria")
	flag.StringVar(&s.victoria, "victoria", "", "the VictoriaMetrics that vmalert asks")
	flag.StringVar(&s.only, "only", "", "measure only what has one of these words, apart by commas, in its name")
	flag.IntVar(&s.runs, "runs", 3, "how often each is measured")
	flag.IntVar(&s.ticks, "ticks", 12, "over how many ticks")
	flag.DurationVar(&s.every, "every", 5*time.Second, "how far they are apart")
	flag.IntVar(&s.samples, "samples", 200, "how many points are timed on their way to a webhook")
	flag.BoolVar(&s.keep, "keep", false, "keep the scratch directories")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures everything. What fails is said and does not keep the rest from
// being measured.
func run(ctx context.Context, s settings) error {
	if s.tocsin == "" {
		return errors.New("name the binary with -tocsin; packaging/bench.sh builds one")
	}
	if (s.vmalert == "") != (s.victoria == "") {
		return errors.New("-vmalert and -victoria belong together")
	}
	for _, program := range []*string{&s.tocsin, &s.influxd, &s.vmalert, &s.victoria} {
		if err := find(program); err != nil {
			return err
		}
	}
	var errs []error
	try := func(name string, measure func() error) {
		if !s.wants(name) || ctx.Err() != nil {
			return
		}
		if err := measure(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	header()
	for _, w := range workloads() {
		try(w.name, func() error { return s.measure(ctx, w) })
	}
	fmt.Println()
	try("storm", func() error { return s.storm(ctx) })
	try("latency, polling", func() error { return s.polling(ctx) })
	try("latency, live", func() error { return s.live(ctx) })
	try("backtest", func() error { return s.backtest(ctx) })
	return cmp.Or(errors.Join(errs...), ctx.Err())
}

// find makes the path of a program whole: each runs in a directory of its own.
func find(program *string) error {
	if *program == "" {
		return nil
	}
	path, err := exec.LookPath(*program)
	if err != nil {
		return err
	}
	*program, err = filepath.Abs(path)
	return err
}

func (s settings) wants(name string) bool {
	if s.only == "" {
		return true
	}
	for word := range strings.SplitSeq(s.only, ",") {
		if strings.Contains(name, strings.TrimSpace(word)) {
			return true
		}
	}
	return false
}

// scratch makes a directory that end removes.
func (s settings) scratch() (dir string, end func(), err error) {
	dir, err = os.MkdirTemp("", "tocsin-bench-")
	return dir, func() {
		if s.keep {
			fmt.Fprintln(os.Stderr, "kept", dir)
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}, err
}
