package sqlite

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// column reads one column into what it closes over.
type column func(v any) error

// Scan makes column a sql.Scanner.
func (c column) Scan(v any) error { return c(v) }

// millis is a time as it is stored: NULL for none.
func millis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// moment reads what millis wrote.
func moment(to *time.Time) column {
	return func(v any) error {
		switch v := v.(type) {
		case nil:
			*to = time.Time{}
		case int64:
			*to = time.UnixMilli(v).UTC()
		default:
			return fmt.Errorf("a time is stored as %T", v)
		}
		return nil
	}
}

// measured is a number as it is stored: NULL for NaN.
func measured(x float64) any {
	if math.IsNaN(x) {
		return nil
	}
	return x
}

// measurement reads what measured wrote.
func measurement(to *float64) column {
	return func(v any) error {
		switch v := v.(type) {
		case nil:
			*to = math.NaN()
		case float64:
			*to = v
		default:
			return fmt.Errorf("a measured number is stored as %T", v)
		}
		return nil
	}
}

// orNull is a text whose absence is NULL.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// orEmpty reads what orNull wrote.
func orEmpty(to *string) column {
	return func(v any) error {
		*to = ""
		if text, ok := v.(string); ok {
			*to = text
		}
		return nil
	}
}

// document reads a JSON text; NULL leaves to as it is.
func document(to any) column {
	return func(v any) error {
		if v == nil {
			return nil
		}
		text, ok := v.(string)
		if !ok {
			return fmt.Errorf("a document is stored as %T", v)
		}
		return json.Unmarshal([]byte(text), to)
	}
}

func state(to *rules.State) column {
	return func(v any) error {
		for s := rules.OK; s <= rules.Recovering; s++ {
			if s.String() == v {
				*to = s
				return nil
			}
		}
		return fmt.Errorf("no state is called %v", v)
	}
}

// writeSamples writes one "time value verdict" a line. It is not JSON because
// it is the bulk of what a start reads.
func writeSamples(samples []rules.Sample) string {
	var b []byte
	for _, s := range samples {
		b = strconv.AppendInt(b, s.At.UnixMilli(), 10)
		b = append(b, ' ')
		if s.Value != nil {
			b = strconv.AppendFloat(b, *s.Value, 'g', -1, 64)
		}
		b = append(append(append(b, ' '), s.Verdict...), '\n')
	}
	return string(b)
}

// samples reads what writeSamples wrote.
func samples(to *rules.Instance) column {
	return func(v any) error {
		text, _ := v.(string)
		var list []rules.Sample
		for line := range strings.Lines(text) {
			s, err := parseSample(strings.TrimSuffix(line, "\n"))
			if err != nil {
				return err
			}
			list = append(list, s)
		}
		to.Recall(list)
		return nil
	}
}

func parseSample(line string) (s rules.Sample, err error) {
	at, rest, _ := strings.Cut(line, " ")
	value, verdict, _ := strings.Cut(rest, " ")
	ms, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return s, fmt.Errorf("read a recent value: %w", err)
	}
	s = rules.Sample{At: time.UnixMilli(ms).UTC(), Verdict: verdict}
	if value != "" {
		x, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return s, fmt.Errorf("read a recent value: %w", err)
		}
		s.Value = &x
	}
	return s, nil
}
