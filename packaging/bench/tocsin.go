//go:build bench

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/ruledoc"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// house is a tocsin as a user has it: a data directory, a config, an address.
type house struct {
	dir, address string
}

// newHouse writes a config with the given lines in dir.
func newHouse(dir string, every time.Duration, config string) (house, error) {
	var h house
	var err error
	if h.dir, err = os.MkdirTemp(dir, "tocsin-"); err != nil {
		return h, err
	}
	if h.address, err = freeAddress(); err != nil {
		return h, err
	}
	if err := os.MkdirAll(h.data(), 0o700); err != nil {
		return h, err
	}
	text := fmt.Sprintf("data_dir: %s\nlisten: %s\nevery: %s\nlog: warn\n%s", h.data(), h.address, every, config)
	return h, os.WriteFile(filepath.Join(h.dir, "config.yaml"), []byte(text), 0o600)
}

func (h house) data() string { return filepath.Join(h.dir, "data") }
func (h house) url() string  { return "http://" + h.address }

func (h house) open(ctx context.Context) (*sqlite.Store, error) {
	return sqlite.Open(ctx, filepath.Join(h.data(), "tocsin.db"), sqlite.Options{Migrate: true})
}

// create stores n rules in one transaction; a person takes longer.
func (h house) create(ctx context.Context, n int, doc func(n int) rules.Doc) (err error) {
	store, err := h.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	now := time.Now()
	var batch []*rules.Ledger
	for i := range n {
		d := doc(i)
		d["title"], d["source"] = fmt.Sprintf("Rule %d", i), "home"
		r, err := ruledoc.Parse(d)
		if err != nil {
			return err
		}
		r.ID = fmt.Sprintf("r%06d", i)
		batch = append(batch, rules.NewLedger(r, rules.Actor{Name: "bench", Door: "cli"}, now))
	}
	return store.Save(ctx, batch, nil)
}

// ledgers reads what the daemon has stored.
func (h house) ledgers(ctx context.Context) (out []*rules.Ledger, err error) {
	store, err := h.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return store.Load(ctx)
}

// serve starts the daemon and says how long it took to be ready.
func (h house) serve(ctx context.Context, binary string) (*process, time.Duration, error) {
	began := time.Now()
	p, err := start(ctx, h.dir, h.url()+"/ready", binary, "serve", "--config", filepath.Join(h.dir, "config.yaml"))
	return p, time.Since(began), err
}

// stats asks the daemon what its engine did.
func (h house) stats(ctx context.Context) (evaluator.Stats, error) {
	var status struct{ Engine evaluator.Stats }
	err := fetch(ctx, h.url()+"/status", &status)
	return status.Engine, err
}
