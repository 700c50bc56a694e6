package influx

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/9bikes/tocsin/rules"
)

// mostSeries bounds how many label sets a labels remembers.
const mostSeries = 200_000

// labels remembers the Series that each tags object stands for, so that one
// that was seen before costs a look-up.
type labels struct {
	groupBy []string
	series  map[string]rules.Series
}

// of returns the Series of a tags object as it stands in the answer.
func (l *labels) of(tags []byte) (rules.Series, error) {
	if len(l.groupBy) == 0 {
		return "", nil
	}
	if s, ok := l.series[string(tags)]; ok {
		return s, nil
	}
	var values map[string]string
	if len(tags) > 0 {
		if err := json.Unmarshal(tags, &values); err != nil {
			return "", fmt.Errorf("read the tags of a series: %w", err)
		}
	}
	return l.remember(tags, func(tag int) string { return values[l.groupBy[tag]] }), nil
}

// remember returns the Series that a text stands for; value tells those of its
// tags by their place where it is seen for the first time.
func (l *labels) remember(text []byte, value func(tag int) string) rules.Series {
	if s, ok := l.series[string(text)]; ok {
		return s
	}
	var b []byte
	for i, tag := range l.groupBy {
		b = rules.AppendLabel(b, tag, value(i))
	}
	if len(l.series) >= mostSeries {
		clear(l.series)
	}
	l.series[string(text)] = rules.Series(b)
	return rules.Series(b)
}

// books holds the labels of each grouping.
type books map[string]*labels

func (b books) of(groupBy []string) *labels {
	key := strings.Join(groupBy, "\x00")
	if b[key] == nil {
		b[key] = &labels{groupBy: slices.Clone(groupBy), series: map[string]rules.Series{}}
	}
	return b[key]
}
