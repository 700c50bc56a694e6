package influx

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// typesLast is how long the types of fields are believed. A wrong belief
// mostly makes a query fail, and then they are asked for at once.
const typesLast = 2 * time.Minute

// types maps the fields of a measurement to what they hold.
type types map[string]string

// knownFields are the fields of a measurement as they were at a time.
type knownFields struct {
	types types
	at    time.Time
}

// The types of fields, as the server names them.
const (
	boolean = "boolean"
	text    = "string"
)

// Fields lists the fields of a measurement with their types.
func (c *Client) Fields(ctx context.Context, measurement string) (map[string]string, error) {
	found, err := c.show(ctx, []string{fieldKeys(measurement)}, "fieldKey", "fieldType")
	if err == nil && len(found[0]) == 0 {
		err = c.prove(ctx)
	}
	if err != nil {
		return nil, err
	}
	return allTypesIn(found[0]), nil
}

// allTypesIn is typesIn that tells of a field whose type has changed over time
// both: float+string.
func allTypesIn(pairs [][]string) types {
	out := typesIn(pairs)
	for _, pair := range pairs {
		field, kind := pair[0], pair[1]
		if had := strings.Split(out[field], evaluator.TypesBetween); !slices.Contains(had, kind) {
			out[field] += evaluator.TypesBetween + kind
		}
	}
	return out
}

func fieldKeys(measurement string) string { return "SHOW FIELD KEYS FROM " + name(measurement) }

// typesIn reads pairs of field and type. A field whose type has changed over
// time is listed with each of them: numbers win over booleans, and those over
// text.
func typesIn(pairs [][]string) types {
	weight := []string{"", text, boolean}
	rank := func(kind string) int {
		if i := slices.Index(weight, kind); i >= 0 {
			return i
		}
		return len(weight)
	}
	out := types{}
	for _, pair := range pairs {
		if rank(pair[1]) > rank(out[pair[0]]) {
			out[pair[0]] = pair[1]
		}
	}
	return out
}

// known returns what is believed of the fields of a measurement.
func (c *Client) known(measurement string) types {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fields[measurement].types
}

func (c *Client) unlearn(measurement string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.fields, measurement)
}

// learn asks for the types of the fields that the queries need and nobody
// knows. It returns an error only when the server is down: a server that does
// not tell may still answer the queries.
func (c *Client) learn(ctx context.Context, queries []evaluator.Query) (down error) {
	unknown := c.unknown(queries)
	if len(unknown) > mostApart {
		if done, down := c.learnAll(ctx, unknown); done || down != nil {
			return down
		}
	}
	for measurements := range slices.Chunk(unknown, mostStatements) {
		var statements []string
		for _, m := range measurements {
			statements = append(statements, fieldKeys(m))
		}
		found, err := c.show(ctx, statements, "fieldKey", "fieldType")
		if rules.CodeOf(err) == rules.Unavailable {
			return err
		}
		for i, m := range measurements {
			var learnt types
			if err == nil {
				learnt = typesIn(found[i])
			}
			c.believe(m, learnt)
		}
	}
	return nil
}

// mostApart is how many measurements are asked for one by one. The server looks
// through all of them to find one: 5 ms for each where there are 10,000, which
// it lists in 40.
const mostApart = 10

// learnAll asks for the fields of everything that there is; false when the
// server does not tell.
func (c *Client) learnAll(ctx context.Context, measurements []string) (done bool, down error) {
	found, err := c.show(ctx, []string{"SHOW FIELD KEYS"}, seriesName, "fieldKey", "fieldType")
	if err != nil {
		if rules.CodeOf(err) == rules.Unavailable {
			down = err
		}
		return false, down
	}
	pairs := map[string][][]string{}
	for _, row := range found[0] {
		pairs[row[0]] = append(pairs[row[0]], row[1:])
	}
	alike := map[string]types{} // thousands of measurements have the same fields
	for _, m := range measurements {
		key := fmt.Sprintf("%q", pairs[m])
		if alike[key] == nil {
			alike[key] = typesIn(pairs[m])
		}
		c.believe(m, alike[key])
	}
	return true, nil
}

func (c *Client) believe(measurement string, learnt types) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fields[measurement] = knownFields{learnt, time.Now()}
}

// unknown lists the measurements whose types are needed and not known, or not
// any more.
func (c *Client) unknown(queries []evaluator.Query) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	listed, now := map[string]bool{}, time.Now()
	for _, q := range queries {
		have, ok := c.fields[q.Measurement]
		if needsTypes(q) && (!ok || now.Sub(have.at) > typesLast) && !listed[q.Measurement] {
			listed[q.Measurement] = true
			out = append(out, q.Measurement)
		}
	}
	return out
}
