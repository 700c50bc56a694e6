package live

import (
	"slices"

	"github.com/9bikes/tocsin/rules"
)

// kind is the type of a field, which InfluxDB settles with its first point.
type kind uint8

const (
	kindFloat kind = iota
	kindInteger
	kindUnsigned
	kindBoolean
	kindText
)

// String names the kind as InfluxDB's errors do.
func (k kind) String() string {
	return [...]string{"float", "integer", "unsigned", "boolean", "string"}[k]
}

// measurement is a table: fields with types, and a series for each tag set.
type measurement struct {
	fields map[string]field
	lastID int // of a field; numbers are not given twice
	series map[string]*series
	order  []*series // as they came, for walking
}

type field struct {
	id   int
	kind kind
}

func newMeasurement() *measurement {
	return &measurement{fields: map[string]field{}, series: map[string]*series{}}
}

// series holds the points of one tag set, a column for each field.
type series struct {
	key     rules.Series
	columns []column // by field id
}

func (s *series) find(id int) (at int, found bool) {
	return slices.BinarySearchFunc(s.columns, id, func(c column, id int) int { return c.field - id })
}

// column returns the column of a field, nil when the series has none.
func (s *series) column(id int) *column {
	if at, found := s.find(id); found {
		return &s.columns[at]
	}
	return nil
}

// make adds the column of a value if it is not there, and returns how many it
// has added.
func (s *series) make(v *value) (added int) {
	at, found := s.find(v.field)
	if found {
		return 0
	}
	s.columns = slices.Insert(s.columns, at, column{field: v.field, kind: v.kind})
	return 1
}

// column holds the values of one field in time order: in texts when it is
// text, else in nums.
type column struct {
	field int
	kind  kind
	at    []int64
	nums  []float64
	texts []string
}

// cost is what a text takes of MaxPoints.
func cost(text string) int { return 1 + len(text)/16 }

// put stores a value, in place of the one with the same stamp if there is one,
// and returns by how much the cost has grown.
func (c *column) put(at int64, v *value, keep span) (grown int) {
	grown = -c.makeRoom(keep)
	i := len(c.at)
	if i > 0 && at <= c.at[i-1] {
		var found bool
		if i, found = slices.BinarySearch(c.at, at); found {
			return grown + c.replace(i, v)
		}
	}
	c.at = slices.Insert(c.at, i, at)
	if c.kind == kindText {
		c.texts = slices.Insert(c.texts, i, c.shared(i, v.text))
	} else {
		c.nums = slices.Insert(c.nums, i, v.num)
	}
	return grown + c.cost(i, i+1)
}

func (c *column) replace(i int, v *value) (grown int) {
	before := c.cost(i, i+1)
	if c.kind == kindText {
		c.texts[i] = string(v.text)
	} else {
		c.nums[i] = v.num
	}
	return c.cost(i, i+1) - before
}

// shared returns the text without a copy when it is the same as the one before,
// as the text of a state mostly is.
func (c *column) shared(i int, b []byte) string {
	if i > 0 && c.texts[i-1] == string(b) {
		return c.texts[i-1]
	}
	return string(b)
}

// cost is what the values from i up to j take of MaxPoints.
func (c *column) cost(i, j int) int {
	if c.kind != kindText {
		return j - i
	}
	sum := 0
	for _, s := range c.texts[i:j] {
		sum += cost(s)
	}
	return sum
}

// makeRoom grows a full column, by a quarter because memory is what a small
// machine lacks, after dropping what is too old. It returns the cost of that.
func (c *column) makeRoom(keep span) (dropped int) {
	if len(c.at) < cap(c.at) {
		return 0
	}
	dropped = c.trim(keep)
	if len(c.at) >= cap(c.at)*3/4 {
		c.resize()
	}
	return dropped
}

// resize gives the column a quarter more room than it needs.
func (c *column) resize() {
	room := len(c.at) + len(c.at)/4 + 4
	c.at = append(make([]int64, 0, room), c.at...)
	if c.kind == kindText {
		c.texts = append(make([]string, 0, room), c.texts...)
	} else {
		c.nums = append(make([]float64, 0, room), c.nums...)
	}
}

// trim drops what is outside keep and returns what it cost.
func (c *column) trim(keep span) (dropped int) {
	from, _ := slices.BinarySearch(c.at, keep.oldest)
	to := len(c.at)
	for to > from && c.at[to-1] > keep.newest {
		to--
	}
	dropped = c.cost(0, from) + c.cost(to, len(c.at))
	if dropped == 0 {
		return 0
	}
	c.at = only(c.at, from, to)
	if c.kind == kindText {
		c.texts = only(c.texts, from, to)
	} else {
		c.nums = only(c.nums, from, to)
	}
	return dropped
}

// only moves the elements from i up to j to the front and drops the others.
func only[T any](all []T, i, j int) []T {
	n := copy(all, all[i:j])
	clear(all[n:])
	return all[:n]
}

// sweep drops what is outside keep, gives back memory that is not used, forgets
// empty series and fields, and returns what is gone.
func (m *measurement) sweep(keep span) (gone Counts) {
	used := map[int]bool{}
	m.order = slices.DeleteFunc(m.order, func(s *series) bool {
		fields, points := s.sweep(keep)
		gone.Fields += fields
		gone.Points += points
		for i := range s.columns {
			used[s.columns[i].field] = true
		}
		if len(s.columns) > 0 {
			return false
		}
		gone.Series++
		delete(m.series, string(s.key))
		return true
	})
	for name, f := range m.fields {
		if !used[f.id] {
			delete(m.fields, name)
		}
	}
	return gone
}

func (s *series) sweep(keep span) (fields, points int) {
	for i := range s.columns {
		c := &s.columns[i]
		points += c.trim(keep)
		if cap(c.at) > 2*len(c.at)+8 {
			c.resize()
		}
	}
	before := len(s.columns)
	s.columns = slices.DeleteFunc(s.columns, func(c column) bool { return len(c.at) == 0 })
	return before - len(s.columns), points
}
