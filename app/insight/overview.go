package insight

import (
	"context"
	"sync"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// What an overview asks at most: so many measurements are described, so many at
// a time, in so much time. Each is a handful of questions to its source.
const (
	mostDescribed    = 15
	describedAtOnce  = 4
	overviewPatience = 6 * time.Second
	overviewValues   = 6
)

// Overview describes the first measurements of a list, in its order. One that
// its source does not describe in time has a name alone.
func (a *Analyst) Overview(ctx context.Context, list []Measurement) []MeasurementView {
	ctx, cancel := context.WithTimeout(ctx, overviewPatience)
	defer cancel()
	out := make([]MeasurementView, len(list))
	turns := make(chan struct{}, describedAtOnce)
	var wait sync.WaitGroup
	for i, m := range list {
		out[i] = MeasurementView{Source: m.Source, Name: m.Name}
		if i >= mostDescribed {
			continue
		}
		wait.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			if v, err := a.DescribeData(ctx, m.Source, m.Name, overviewValues); err == nil {
				out[i] = v
			}
		})
	}
	wait.Wait()
	return out
}

// Kind says what sort of field this is, as far as one look tells: text, state
// (true or false), or number.
func (f FieldView) Kind() string {
	switch f.Type {
	case "string":
		return "text"
	case "boolean":
		return "state"
	}
	return "number"
}

// Newest is the newest value of a field as people read it, "" for none.
func (f FieldView) Newest() string {
	switch {
	case f.Latest != nil && f.Type == "boolean":
		return map[bool]string{true: "true", false: "false"}[*f.Latest != 0]
	case f.Latest != nil:
		return rules.FormatNumber(*f.Latest)
	}
	return f.Text
}
