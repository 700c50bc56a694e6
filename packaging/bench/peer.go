//go:build bench

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// peer measures vmalert with the same rules over the same points, which lie in
// a VictoriaMetrics: it cannot ask an InfluxDB.
func (s settings) peer(ctx context.Context, w workload) (err error) {
	dir, end, err := s.scratch()
	if err != nil {
		return err
	}
	defer end()
	address, err := freeAddress()
	if err != nil {
		return err
	}
	url := "http://" + address
	db, err := start(ctx, dir, url+"/health", s.victoria, "-storageDataPath", filepath.Join(dir, "data"), "-httpListenAddr", address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.stop()) }()
	every := max(s.every, w.every)
	from, to := w.span(s, every)
	err = loadInto(from, to, w.step(), w.lines, func(body []byte) error { return post(ctx, url+"/write?precision=s", body) })
	if err != nil {
		return fmt.Errorf("load points: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "rules.yml"), w.peerRules(every), 0o600); err != nil {
		return err
	}
	var all []reading
	for range s.runs {
		r, err := s.oncePeer(ctx, dir, url, every)
		if err != nil {
			return err
		}
		all = append(all, r)
	}
	w.shape, w.most = "  vmalert: "+w.shape, targets{}
	report(w, all)
	return nil
}

func (s settings) oncePeer(ctx context.Context, dir, url string, every time.Duration) (r reading, err error) {
	address, err := freeAddress()
	if err != nil {
		return r, err
	}
	began := time.Now()
	p, err := start(ctx, dir, "http://"+address+"/health", s.vmalert, "-rule", filepath.Join(dir, "rules.yml"), "-datasource.url", url,
		"-notifier.blackhole", "-httpListenAddr", address, "-evaluationInterval", every.String())
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	r.ready = ms(time.Since(began))
	return r, r.watch(ctx, p, nil, every, s.ticks)
}

// peerRules are the rules of a workload in the peer's words, in groups because
// it asks one rule of a group after the other.
func (w workload) peerRules(every time.Duration) []byte {
	var b bytes.Buffer
	b.WriteString("groups:\n")
	for n := range w.rules {
		if n%1000 == 0 {
			fmt.Fprintf(&b, "  - name: g%d\n    interval: %s\n    concurrency: 4\n    rules:\n", n/1000, every)
		}
		fmt.Fprintf(&b, "      - {alert: r%d, expr: '%s'}\n", n, w.peer(n))
	}
	return b.Bytes()
}
