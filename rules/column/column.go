// Package column says how what tocsin keeps is written in the columns of a
// database, the same for every store: a time is unix milliseconds, NULL for
// none; a length of time is nanoseconds; a measured number that is none is NULL;
// a document is JSON. It holds no SQL and knows no driver.
package column

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// Reader reads one column into what it closes over. Texts may come as bytes,
// which are not kept.
type Reader func(v any) error

// Scan makes Reader a sql.Scanner.
func (r Reader) Scan(v any) error { return r(v) }

// Row is a row of a query's answer.
type Row interface {
	Scan(into ...any) error
}

// Millis is a time as it is stored: NULL for none.
func Millis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// Moment reads what Millis wrote.
func Moment(to *time.Time) Reader {
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

// Measured is a number as it is stored: NULL for NaN.
func Measured(x float64) any {
	if math.IsNaN(x) {
		return nil
	}
	return x
}

// Measurement reads what Measured wrote.
func Measurement(to *float64) Reader {
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

// OrNull is a text whose absence is NULL.
func OrNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// OrEmpty reads what OrNull wrote.
func OrEmpty(to *string) Reader {
	return func(v any) error {
		text, _, err := textOf(v)
		*to = text
		return err
	}
}

// textOf is a text as a driver gives it; some is false for NULL.
func textOf(v any) (text string, some bool, err error) {
	switch v := v.(type) {
	case nil:
		return "", false, nil
	case string:
		return v, true, nil
	case []byte:
		return string(v), true, nil
	}
	return "", false, fmt.Errorf("a text is stored as %T", v)
}

// Document reads a JSON text; NULL leaves to as it is.
func Document(to any) Reader {
	return func(v any) error {
		if text, ok := v.([]byte); ok {
			return json.Unmarshal(text, to)
		}
		text, some, err := textOf(v)
		if err != nil || !some {
			return err
		}
		return json.Unmarshal([]byte(text), to)
	}
}

func state(to *rules.State) Reader {
	return func(v any) error {
		text, _, err := textOf(v)
		if err != nil {
			return err
		}
		for s := rules.OK; s <= rules.Recovering; s++ {
			if s.String() == text {
				*to = s
				return nil
			}
		}
		return fmt.Errorf("no state is called %q", text)
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
func samples(to *rules.Instance) Reader {
	return func(v any) error {
		text, _, err := textOf(v)
		if err != nil {
			return err
		}
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
