package web

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// scrapeTimeout bounds what one scrape may ask of the database.
const scrapeTimeout = 5 * time.Second

// meter keeps and tells the numbers of one session, on a registry of its own.
type meter struct {
	handler    http.Handler
	deliveries *prometheus.CounterVec
}

func newMeter(a *app.App, log *slog.Logger) *meter {
	m := &meter{deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tocsin_deliveries_total", Help: "Deliveries that were tried, by what became of them.",
	}, []string{"channel", "outcome"})}
	for channel := range a.Config.Channels {
		for _, o := range []rules.Outcome{{State: rules.Sent}, {State: rules.Owed}, {State: rules.Dead}, {Unknown: true}} {
			m.deliveries.WithLabelValues(channel, outcomeOf(o)) // there from the start, at zero
		}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.deliveries, reading{a})
	m.handler = promhttp.HandlerFor(registry,
		promhttp.HandlerOpts{ErrorLog: scrapeLog{log}, ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4})
	return m
}

// outcomeOf is the word for what became of a delivery.
func outcomeOf(o rules.Outcome) string {
	switch {
	case o.Unknown:
		return "unknown"
	case o.State == rules.Owed:
		return "retry"
	case o.State == rules.Dead:
		return "permanent"
	}
	return string(o.State)
}

func (m *meter) delivered(channel string, o rules.Outcome) {
	m.deliveries.WithLabelValues(channel, outcomeOf(o)).Inc()
}

// scrapeLog is where promhttp says what it could not gather.
type scrapeLog struct{ log *slog.Logger }

func (l scrapeLog) Println(v ...any) {
	l.log.Error("metrics not gathered whole", "error", fmt.Sprint(v...))
}

// reading reads the state of the daemon at each scrape.
type reading struct{ app *app.App }

var _ prometheus.Collector = reading{}

// Describe tells nothing beforehand: which numbers there are depends on what
// can be read.
func (reading) Describe(chan<- *prometheus.Desc) {}

// Collect tells the state. Numbers that are not known are left out: a zero
// would look as if all were well.
func (r reading) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	s := r.app.Status(ctx)
	t := teller(out)
	t.gauge("build_info", "The version that runs; always 1.", 1, label{"version", s.Version})
	t.gauge("database_up", "Whether the database answers and can be written.", truth(s.Database == "ok"))
	for _, source := range s.Sources {
		t.gauge("source_up", "Whether the source answered last time.", truth(source.OK), label{"source", source.Name})
	}
	if s.Database == "ok" {
		t.counts(s)
	}
	if r.app.Engine != nil {
		t.engine(r.app.Engine.Stats())
		t.gauge("outbox", "Messages that are due and not out yet.", float64(len(r.app.Ledgers.Owed(time.Now()))))
	}
}

// teller makes metrics.
type teller chan<- prometheus.Metric

type label struct{ name, value string }

func (t teller) tell(kind prometheus.ValueType, name, help string, value float64, labels []label) {
	var names, values []string
	for _, l := range labels {
		names, values = append(names, l.name), append(values, l.value)
	}
	t <- prometheus.MustNewConstMetric(prometheus.NewDesc("tocsin_"+name, help, names, nil), kind, value, values...)
}

func (t teller) gauge(name, help string, value float64, labels ...label) {
	t.tell(prometheus.GaugeValue, name, help, value, labels)
}

func (t teller) count(name, help string, n int) {
	t.tell(prometheus.CounterValue, name, help, float64(n), nil)
}

func (t teller) counts(s app.Status) {
	const help = "Rules, by whether they are enabled."
	t.gauge("rules", help, float64(s.Rules.Enabled), label{"enabled", "true"})
	t.gauge("rules", help, float64(s.Rules.Total-s.Rules.Enabled), label{"enabled", "false"})
	t.gauge("rules_unjudged", "Enabled rules that were not judged for three of their intervals.",
		float64(s.Rules.Unjudged))
	for status, n := range s.Alerts {
		t.gauge("alerts", "Alerts that are not resolved, by status.", float64(n), label{"status", status})
	}
	t.channels(s)
}

// channels tells how the channels are doing. Letters of one that was removed
// are told too, while they are kept.
func (t teller) channels(s app.Status) {
	dead := maps.Clone(s.DeadBy)
	for _, c := range s.Channels {
		dead[c.Name] += 0
		if c.Health == "ok" || c.Health == "failing" || c.Health == app.FailingInPart {
			t.gauge("channel_up", "Whether the channel took the last message.", truth(c.Health == "ok"),
				label{"channel", c.Name})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(dead)) {
		t.gauge("dead_letters", "Messages that could not be delivered and are kept to be sent again.", float64(dead[name]),
			label{"channel", name})
	}
}

func (t teller) engine(s evaluator.Stats) {
	t.count("ticks_total", "Ticks that were judged.", s.Ticks)
	t.count("missed_ticks_total", "Ticks of a source that were skipped because it still answered the one before.",
		s.Missed)
	t.gauge("plans", "Queries that all rules together are planned as.", float64(s.Plans))
	t.count("queries_total", "Queries that sources were asked.", s.QueriesTotal)
	if s.Ticks > 0 {
		t.gauge("tick_seconds", "How long the last tick took.", s.LastTook.Std().Seconds())
		t.gauge("last_tick_timestamp_seconds", "Nominal time of the last tick.", float64(s.LastTick.UnixMilli())/1000)
	}
	if s.Queries > 0 {
		t.gauge("rules_per_query", "Rules judged in the last tick for each query that it took.",
			float64(s.Rules)/float64(s.Queries))
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
