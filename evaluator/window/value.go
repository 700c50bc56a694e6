package window

import (
	"math"
	"slices"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/aggregate"
	"github.com/9bikes/tocsin/rules"
)

// answer makes the rows of a question, of spans and of the points behind them.
func (g *group) answer(q evaluator.Query, each func(evaluator.Row)) {
	row := evaluator.Row{At: q.To, Values: make([]float64, len(g.columns))}
	whole := make([]float64, len(g.parts))
	from := q.From.UnixNano()
	for name, s := range g.series {
		g.sum(s, whole)
		row.Series, row.Texts = name, nil
		if !g.reduce(s, whole, &row) {
			if len(s.parts) == 0 || empty(s.parts) {
				delete(g.series, name)
			}
			continue
		}
		if row.Last = (time.Time{}); s.last > from {
			row.Last = time.Unix(0, s.last).UTC()
		}
		each(row)
	}
}

func empty(parts []float64) bool {
	return !slices.ContainsFunc(parts, func(x float64) bool { return x == x && x != 0 })
}

// sum merges the spans of a series and its points.
func (g *group) sum(s *series, whole []float64) {
	k := len(g.parts)
	for i, join := range g.joins {
		all := math.NaN()
		for at := i; at < len(s.parts); at += k {
			all = join(all, s.parts[at])
		}
		whole[i] = all
	}
	for field, points := range s.points {
		for _, p := range points {
			g.merge(whole, field, p)
		}
	}
}

// reduce makes the values of a row; false where no column has a point.
func (g *group) reduce(s *series, whole []float64, row *evaluator.Row) (found bool) {
	for i := range g.columns {
		c := &g.columns[i]
		var value float64
		var has bool
		switch points := s.points[c.field]; {
		case c.parts[0] < 0:
			value, has = c.of(points), len(points) > 0
		default:
			first, second := whole[c.parts[0]], math.NaN()
			if c.parts[1] >= 0 {
				second = whole[c.parts[1]]
			}
			value = aggregate.Whole(c.how, first, second)
			has = !math.IsNaN(first) && (c.how != rules.Count || first > 0)
			g.word(i, s.points[c.field], row)
		}
		if c.how == rules.Count && math.IsNaN(value) {
			value = 0
		}
		if row.Values[i] = value; has || hasText(row, i) {
			found = true
		}
	}
	return found
}

func hasText(row *evaluator.Row, i int) bool {
	_, ok := row.Text(i)
	return ok
}

// word sets the text of a column whose points are text, which spans never hold.
func (g *group) word(column int, points []sample, row *evaluator.Row) {
	c := &g.columns[column]
	if len(points) == 0 || c.how != rules.Latest && c.how != rules.First {
		return
	}
	p := points[0]
	if c.how == rules.Latest {
		p = points[len(points)-1]
	}
	if p.text == nil {
		return
	}
	if row.Texts == nil {
		row.Texts = slices.Repeat([]string{evaluator.NoText}, len(g.columns))
	}
	row.Texts[column] = *p.text
}

// of is what the column makes of all points of its window.
func (c *column) of(points []sample) float64 {
	if len(points) == 0 {
		return math.NaN()
	}
	if c.how == rules.Stddev {
		return deviation(points)
	}
	values := make([]float64, len(points))
	for i, p := range points {
		values[i] = p.value
	}
	slices.Sort(values)
	return values[max(1, (len(values)*c.percent+50)/100)-1]
}

// deviation is that of a sample, NaN for one point.
func deviation(points []sample) float64 {
	mean, squares := 0.0, 0.0
	for i, p := range points {
		step := p.value - mean
		mean += step / float64(i+1)
		squares += step * (p.value - mean)
	}
	return math.Sqrt(squares / float64(len(points)-1))
}
