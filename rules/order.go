package rules

import "slices"

// Index finds rules by name and by id.
type Index map[string]Rule

// Add puts a rule in.
func (x Index) Add(r Rule) { x[r.Name], x[r.ID] = r, r }

// Drop takes a rule out.
func (x Index) Drop(r Rule) {
	delete(x, r.Name)
	delete(x, r.ID)
}

// Order puts rules after those they depend on.
type Order struct {
	known  Index
	done   map[string]bool // by id; false while the walk is above the rule
	path   []string
	sorted []string // ids, parents first
}

// NewOrder begins an order of rules that depend on known ones.
func NewOrder(known Index) *Order { return &Order{known: known, done: map[string]bool{}} }

// IDs are those of the rules that were added and of all they depend on, in
// order.
func (o *Order) IDs() []string { return o.sorted }

// Add walks from a rule up to those it depends on, and refuses a circle. One
// that it depends on and that is not known is left out.
func (o *Order) Add(r Rule) error {
	done, met := o.done[r.ID]
	if done {
		return nil
	}
	if met {
		from := slices.Index(o.path, r.Name)
		err := FieldErrorf("depends_on", "goes round in a circle: %s; take one of them out",
			circle(append(o.path[from:], r.Name)))
		o.forgive()
		return err
	}
	o.done[r.ID] = false
	o.path = append(o.path, r.Name)
	for _, name := range r.DependsOn {
		parent, ok := o.known[name]
		if !ok {
			continue
		}
		if err := o.Add(parent); err != nil {
			return err
		}
	}
	o.path = o.path[:len(o.path)-1]
	o.done[r.ID] = true
	o.sorted = append(o.sorted, r.ID)
	return nil
}

// forgive counts the rules of a circle as done, so that it is told once.
func (o *Order) forgive() {
	for id := range o.done {
		o.done[id] = true
	}
	o.path = nil
}

// circle shows the way round, short.
func circle(names []string) string {
	text := ""
	for i, name := range names {
		switch {
		case i == 0:
			text = name
		case i < 4 || i == len(names)-1:
			text += " on " + name
		case i == 4:
			text += " on ..."
		}
	}
	return text
}
