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

// peer is vmalert with the same rules over the same points, which lie in a
// VictoriaMetrics: it cannot ask an InfluxDB.
func (s settings) peer(ctx context.Context, w workload, dir string) (*contender, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	url := "http://" + address
	db, err := start(ctx, dir, url+"/health", s.victoria, "-storageDataPath", filepath.Join(dir, "victoria"),
		"-httpListenAddr", address)
	if err != nil {
		return nil, err
	}
	every := max(s.every, w.every)
	from, to := w.span(s, every)
	err = errors.Join(
		loadInto(from, to, w.step(), w.lines, func(body []byte) error { return post(ctx, url+"/write?precision=s", body) }),
		os.WriteFile(filepath.Join(dir, "rules.yml"), w.peerRules(every), 0o600))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("load points: %w", err), db.stop())
	}
	return &contender{
		once:  func() (reading, error) { return s.oncePeer(ctx, dir, url, every) },
		end:   db.stop,
		shape: "  vmalert: " + w.shape,
	}, nil
}

func (s settings) oncePeer(ctx context.Context, dir, url string, every time.Duration) (r reading, err error) {
	address, err := freeAddress()
	if err != nil {
		return r, err
	}
	began := time.Now()
	p, err := start(ctx, dir, "http://"+address+"/health", s.vmalert, "-rule", filepath.Join(dir, "rules.yml"),
		"-datasource.url", url,
		"-notifier.url", "http://127.0.0.1:9", "-httpListenAddr", address, "-evaluationInterval", every.String())
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
