package live

import (
	"strconv"
	"strings"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"github.com/9bikes/tocsin/rules"
)

// fromHomeAssistant reports whether a table is a history that Home Assistant
// exported.
func (t *table) fromHomeAssistant() bool {
	return t.column("entity_id") >= 0 && t.column("state") >= 0
}

// column is where a column stands; -1 where there is none.
func (t *table) column(name string) int {
	for c := range t.columns {
		if strings.EqualFold(t.columns[c].name, name) {
			return c
		}
	}
	return -1
}

// addStates takes the states as Home Assistant itself writes them to an InfluxDB:
// the tags domain and entity_id, the field value, and state where it is no number.
func (p *points) addStates(t table) error {
	entity, state := t.column("entity_id"), t.column("state")
	p.data.Fields, p.data.Tags = []string{"value", "state"}, []string{"domain", "entity_id"}
	for _, row := range t.rows {
		f, err := p.begin(t, row)
		if err != nil {
			return err
		}
		domain, id, ok := strings.Cut(row.cells[entity], ".")
		if !ok {
			return rules.Errorf(rules.Invalid, "line %d: %q is no entity; they are called sensor.kitchen, for example", row.line,
				row.cells[entity])
		}
		f.labels["domain"], f.labels["entity_id"] = domain, id
		f.fields = stateFields(row.cells[state])
		p.add(f)
	}
	return nil
}

// switches are the states that Home Assistant writes as numbers too.
var switches = map[string]float64{
	"on": 1, "open": 1, "home": 1, "locked": 1, "above_horizon": 1,
	"off": 0, "closed": 0, "not_home": 0, "unlocked": 0, "below_horizon": 0,
}

// stateFields are the fields of a state; none where there is no value.
func stateFields(state string) map[string]lineprotocol.Value {
	if isGap(state) {
		return nil
	}
	out := map[string]lineprotocol.Value{}
	x, err := strconv.ParseFloat(state, 64)
	if err != nil {
		if v, ok := lineprotocol.StringValue(state); ok {
			out["state"] = v
		}
		turned := false
		if x, turned = switches[state]; !turned {
			return out
		}
	}
	if v, ok := number(x); ok {
		out["value"] = v
	}
	return out
}
