package app_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/9bikes/tocsin/app/apptest"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// barred is a source that may not be read until it is opened.
type barred struct {
	evaluator.Source
	open atomic.Bool
}

func (b *barred) Ping(context.Context) (string, error) {
	if b.open.Load() {
		return "InfluxDB 1.8.10", nil
	}
	return "", rules.Errorf(rules.Unavailable, `no database "tset"`)
}

// TestASourceThatNoRuleAsksIsCheckedAllTheSame: at the start and then each
// minute, and status says what came of it.
func TestASourceThatNoRuleAsksIsCheckedAllTheSame(t *testing.T) {
	n := newNight(t)
	source := &barred{Source: n.Points}
	n.Daemon.Sources["home"] = source
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		var log apptest.Buffer
		done := make(chan error)
		go func() { done <- n.Daemon.WatchSources(ctx, slog.New(slog.NewTextHandler(&log, nil))) }()
		synctest.Wait()
		if v := n.Daemon.SourceView("home"); v.OK || !strings.Contains(v.Error, "tset") {
			t.Errorf("at the start: %+v", v)
		}
		if text := log.String(); !strings.Contains(text, "level=WARN") || !strings.Contains(text, "tset") {
			t.Errorf("the log says %q", text)
		}
		source.open.Store(true)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if v := n.Daemon.SourceView("home"); !v.OK || v.Version != "InfluxDB 1.8.10" {
			t.Errorf("later: %+v", v)
		}
		end()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
