package live

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"github.com/9bikes/tocsin/rules"
)

const (
	maxFields  = 1000     // of a measurement, against a writer that makes up names
	maxName    = 250      // bytes of a measurement, tag or field name, as for rules
	maxTags    = 4 << 10  // bytes of all tags of a series
	maxText    = 64 << 10 // bytes of a text, as InfluxDB
	badLines   = 5        // that an error names
	reasonSize = 200      // bytes of a reason in an error
)

// What InfluxDB calls these refusals: Telegraf looks for the words, to drop the
// points and not to send them for ever.
var (
	errTooOld     = errors.New("points beyond retention policy")
	errUnparsable = errors.New("unable to parse")
)

// Write stores points given as line protocol whose stamps count precision
// since the epoch; zero is a nanosecond. A line without a stamp is as old as its
// arrival at now. A stamp more than five minutes ahead of now, or older than the
// retention, is refused, and so is a field whose type is not that of its points
// before.
//
// A line is taken whole or not at all, and a bad one does not keep back the
// others: the error, which carries rules.Invalid, then names the first bad lines.
func (s *Store) Write(lines []byte, precision time.Duration, now time.Time) error {
	if precision <= 0 {
		precision = time.Nanosecond
	}
	s.sweepIfDue(now)
	src := &lineReader{rest: lines}
	dec := lineprotocol.NewDecoder(src)
	var p point
	var bad refusals
	kept := 0
	for dec.Next() {
		err := p.decode(dec, src, precision, now)
		if err == nil {
			err = s.insert(&p, now)
		}
		if err != nil {
			bad.add(p.line, err)
			continue
		}
		kept++
	}
	if kept > 0 {
		s.announce()
	}
	return bad.error(kept)
}

// keep stores one point that was not written as a line.
func (s *Store) keep(p *point, now time.Time) error {
	if err := p.finish(now.UnixNano()); err != nil {
		return err
	}
	s.sweepIfDue(now)
	if err := s.insert(p, now); err != nil {
		return err
	}
	s.announce()
	return nil
}

// lineReader hands out one line a read. The decoder reads no further than it
// must, so line is the number of the one that it is decoding.
type lineReader struct {
	rest []byte
	line int
	open bool // the last line was handed out in part
}

func (r *lineReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	if !r.open {
		r.line++
	}
	end := len(r.rest)
	for i, c := range r.rest[:min(len(p), end)] {
		if c == '\n' {
			end = i + 1
			break
		}
	}
	n := copy(p, r.rest[:end])
	r.open = r.rest[n-1] != '\n'
	r.rest = r.rest[n:]
	return n, nil
}

// refusals collects what was wrong with the lines of one Write.
type refusals struct {
	count  int
	first  []string
	tooOld bool
}

func (b *refusals) add(line int, err error) {
	b.count++
	b.tooOld = b.tooOld || errors.Is(err, errTooOld)
	if len(b.first) == badLines {
		return
	}
	b.first = append(b.first, fmt.Sprintf("line %d: %s", line, reason(err)))
}

// reason is the text of err without the place in the line, cut to a size.
func reason(err error) string {
	var syntax *lineprotocol.DecodeError
	if errors.As(err, &syntax) {
		err = fmt.Errorf("%w: %w", errUnparsable, syntax.Err)
	}
	reason := err.Error()
	if len(reason) > reasonSize {
		reason = strings.ToValidUTF8(reason[:reasonSize], "") + "…"
	}
	return reason
}

func (b *refusals) error(kept int) error {
	if b.count == 0 {
		return nil
	}
	more := ""
	if n := b.count - len(b.first); n > 0 {
		more = fmt.Sprintf("; and %d more", n)
	}
	return rules.Errorf(rules.Invalid, "partial write: %s%s; kept=%d dropped=%d", strings.Join(b.first, "; "), more, kept,
		b.count)
}

// insert stores a decoded point, or says why it cannot be.
func (s *Store) insert(p *point, now time.Time) error {
	keep := s.spanAt(now)
	if p.at < keep.oldest {
		return fmt.Errorf("%w: %s is older than %s; give precision= if stamps are not in nanoseconds",
			errTooOld, time.Unix(0, p.at).UTC().Format(time.RFC3339), rules.Duration(s.limits.Retention))
	}
	if p.at > keep.newest {
		return fmt.Errorf("the time %s is more than %s ahead of this machine's; set its clock, or give precision= if "+
			"stamps are not in nanoseconds",
			time.Unix(0, p.at).UTC().Format(time.RFC3339), rules.Duration(tolerance))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.measurements[string(p.name)]
	if m == nil {
		m = newMeasurement()
	}
	if err := m.settle(p); err != nil {
		return err
	}
	sr := m.series[string(p.key)]
	if err := s.admit(sr, p); err != nil {
		m.unsettle(p)
		return err
	}
	if sr == nil {
		sr = s.open(m, p)
	}
	s.store(sr, p, keep)
	return nil
}

// settle finds the field of each value, and gives numbers to new ones.
func (m *measurement) settle(p *point) error {
	for i := range p.values {
		v := &p.values[i]
		f, known := m.fields[string(v.name)]
		switch {
		case !known && len(m.fields) >= maxFields:
			m.unsettle(p)
			return fmt.Errorf("measurement %q has %d fields already and takes no more; make names that vary into tags", p.name,
				maxFields)
		case !known:
			m.lastID++
			f = field{m.lastID, v.kind}
			m.fields[string(v.name)], v.fresh = f, true
		case f.kind != v.kind:
			m.unsettle(p)
			return fmt.Errorf("field type conflict: input field %q on measurement %q is type %s, already exists as type %s",
				v.name, p.name, v.kind, f.kind)
		}
		v.field = f.id
	}
	return nil
}

// unsettle takes back what settle did for a point that is refused.
func (m *measurement) unsettle(p *point) {
	for i := range p.values {
		if p.values[i].fresh {
			delete(m.fields, string(p.values[i].name))
		}
	}
}

// admit refuses a point for which there is no room. A nil series is a new one.
func (s *Store) admit(sr *series, p *point) error {
	need := Counts{}
	if sr == nil {
		need.Series = 1
	}
	for i := range p.values {
		v := &p.values[i]
		need.Points += v.cost()
		if sr == nil || sr.column(v.field) == nil {
			need.Fields++
		}
	}
	l := s.limits
	switch {
	case s.held.Series+need.Series > l.MaxSeries:
		return fmt.Errorf("max-series limit exceeded: %d series are held; send fewer tag values, or raise max_series",
			l.MaxSeries)
	case s.held.Fields+need.Fields > l.MaxFields:
		return fmt.Errorf("max-fields limit exceeded: the series have %d fields; send fewer, or raise max_fields",
			l.MaxFields)
	case s.held.Points+need.Points > l.MaxPoints:
		return fmt.Errorf("max-points limit exceeded: %d points are held; send fewer, shorten retention, or raise max_points",
			l.MaxPoints)
	}
	return nil
}

// open makes a new series for a point.
func (s *Store) open(m *measurement, p *point) *series {
	s.measurements[string(p.name)] = m
	sr := &series{key: rules.Series(p.key)}
	m.series[string(sr.key)] = sr
	m.order = append(m.order, sr)
	s.held.Series++
	return sr
}

func (s *Store) store(sr *series, p *point, keep span) {
	for i := range p.values {
		v := &p.values[i]
		s.held.Fields += sr.make(v)
		s.held.Points += sr.column(v.field).put(p.at, v, keep)
	}
}
