package live

import (
	"bytes"
	"strings"

	"github.com/9bikes/tocsin/rules"
)

// export follows what influx_inspect export writes around its points: statements
// that make the databases, and which one the points are of.
type export struct {
	statements bool
	database   string
	policy     string
}

// holds reports whether a line is points. A file with those of several databases
// is refused: read as one, they would be points of the same series.
func (e *export) holds(line []byte) (bool, error) {
	if len(line) == 0 {
		return false, nil
	}
	if line[0] != '#' {
		return !e.statements && e.database != internal, nil
	}
	comment := string(bytes.TrimLeft(line, "# "))
	name, context := strings.CutPrefix(comment, "CONTEXT-DATABASE:")
	policy, kept := strings.CutPrefix(comment, "CONTEXT-RETENTION-POLICY:")
	switch {
	case comment == "DDL":
		e.statements = true
	case comment == "DML":
		e.statements = false
	case context:
		return false, e.one(&e.database, name, "databases", "-database")
	case kept && e.database != internal:
		return false, e.one(&e.policy, policy, "retention policies", "-retention")
	}
	return false, nil
}

// internal is what InfluxDB 1 keeps about itself.
const internal = "_internal"

// one notes which the points are of.
func (e *export) one(is *string, name, kind, flag string) error {
	if before := *is; before != "" && before != internal && name != internal && before != name {
		return rules.Errorf(rules.Invalid, "the file holds the %s %s and %s; export one of them, "+
			"with influx_inspect export %s %s", kind, before, name, flag, before)
	}
	*is = name
	return nil
}
