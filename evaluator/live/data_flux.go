package live

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"github.com/9bikes/tocsin/rules"
)

// isAnnotated reports whether a text is the annotated CSV that InfluxDB 2 answers
// and exports, with its annotations or without.
func isAnnotated(text []byte) bool {
	for _, annotation := range []string{"#datatype,", "#group,", "#default,"} {
		if bytes.HasPrefix(bytes.TrimLeft(text, "\r\n "), []byte(annotation)) {
			return true
		}
	}
	header := strings.Split(firstLine(text), ",")
	return slices.Contains(header, "result") && slices.Contains(header, "table")
}

// block is some tables of an annotated CSV that have the same columns.
type block struct {
	types, group, defaults, header []string
}

// readAnnotated reads an annotated CSV.
func (p *points) readAnnotated(text []byte) error {
	records, err := readRecords(text, ',', 0)
	if err != nil {
		return err
	}
	b := block{}
	for _, r := range records {
		switch {
		case strings.HasPrefix(r.cells[0], "#"):
			if b.header != nil {
				b = block{}
			}
			b.annotate(r.cells)
		case b.header == nil || slices.Contains(r.cells, "_time") && slices.Contains(r.cells, "table"):
			b.header = r.cells
			err = b.check()
		default:
			err = p.addFluxRow(b, r)
		}
		if err != nil {
			return rules.Errorf(rules.Invalid, "line %d: %v", r.line, err)
		}
	}
	slices.Sort(p.data.Tags)
	return nil
}

func (b *block) annotate(cells []string) {
	switch cells[0] {
	case "#datatype":
		b.types = cells
	case "#group":
		b.group = cells
	case "#default":
		b.defaults = cells
	}
}

func (b *block) check() error {
	switch {
	case slices.Contains(b.header, "error"):
		return rules.Errorf(rules.Invalid, "the file is the error of a query that failed, and has no points")
	case !slices.Contains(b.header, "_time"):
		return rules.Errorf(rules.Invalid, "the table has no column _time; let the query keep it, "+
			"without first(), last() or group() that drops it")
	}
	return nil
}

// cell is the value in a column, or its default.
func (b *block) cell(r record, c int) string {
	if c < len(r.cells) && r.cells[c] != "" {
		return r.cells[c]
	}
	return cellOf(b.defaults, c)
}

func cellOf(cells []string, c int) string {
	if c < 0 || c >= len(cells) {
		return ""
	}
	return cells[c]
}

// addFluxRow adds a row: one field of a point, or after pivot() all of them.
func (p *points) addFluxRow(b block, r record) (err error) {
	f := filed{measurement: p.form.Measurement, labels: rules.Labels{}, fields: map[string]lineprotocol.Value{}}
	single := slices.Index(b.header, "_field")
	for c, name := range b.header {
		cell := b.cell(r, c)
		switch name {
		case "", "result", "table", "_start", "_stop", "_field":
		case "_time":
			f.text = cell
			f.at, err = p.stamps.read(cell)
		case "_measurement":
			f.measurement = cell
		case "_value":
			if field := b.cell(r, max(single, 0)); single >= 0 && field != "" {
				name = field
			}
			err = p.putField(f, name, b.kind(c), cell)
		default:
			if slices.Contains(p.form.Tags, name) || b.isTag(c, cell) {
				p.putTag(f, name, cell)
			} else {
				err = p.putField(f, name, b.kind(c), cell)
			}
		}
		if err != nil {
			return err
		}
	}
	p.add(f)
	return nil
}

// isTag reports whether a column is one that tables are made by. Without
// annotations it is all but the value, and after pivot() what is text.
func (b *block) isTag(c int, cell string) bool {
	switch {
	case b.group != nil:
		return cellOf(b.group, c) == "true"
	case b.kind(c) != "":
		return b.kind(c) == "string"
	}
	return slices.Contains(b.header, "_field") || !isNumber(cell)
}

func isNumber(cell string) bool {
	_, err := strconv.ParseFloat(cell, 64)
	return err == nil
}

func (b *block) kind(c int) string { return cellOf(b.types, c) }

func (p *points) putTag(f filed, name, cell string) {
	if cell == "" {
		return
	}
	f.labels[name] = cell
	if !slices.Contains(p.data.Tags, name) {
		p.data.Tags = append(p.data.Tags, name)
	}
}

// putField adds the value of a field; an empty one is a gap.
func (p *points) putField(f filed, name, kind, cell string) error {
	v, ok, err := fluxValue(kind, cell)
	if err != nil {
		return rules.Errorf(rules.Invalid, "%s is %q, and the file says that it is %s", name, cell, kind)
	}
	if !ok {
		return nil
	}
	f.fields[name] = v
	if !slices.Contains(p.data.Fields, name) {
		p.data.Fields = append(p.data.Fields, name)
	}
	return nil
}

func fluxValue(kind, cell string) (v lineprotocol.Value, ok bool, err error) {
	if kind == "" {
		kind = "string"
		if isNumber(cell) {
			kind = "double"
		}
	}
	if cell == "" && kind != "string" {
		return v, false, nil
	}
	var any any = cell
	switch kind {
	case "double":
		any, err = strconv.ParseFloat(cell, 64)
	case "long":
		any, err = strconv.ParseInt(cell, 10, 64)
	case "unsignedLong":
		any, err = strconv.ParseUint(cell, 10, 64)
	case "boolean":
		any, err = strconv.ParseBool(cell)
	}
	if err != nil {
		return v, false, err
	}
	v, ok = lineprotocol.NewValue(any)
	return v, ok, nil
}
