package app

import (
	"errors"
	"slices"

	"github.com/9bikes/tocsin/rules"
)

// order puts each rule after those it depends on, and refuses circles.
func (d *draft) order() error {
	byID := map[string]Step{}
	for _, s := range d.steps {
		byID[s.ID] = s
	}
	f := family{known: d.known, done: map[string]bool{}}
	var errs []error
	for _, s := range d.steps {
		if err := f.visit(s.next); err != nil {
			errs = append(errs, d.docs[s.ID].placed(err))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	d.steps = d.steps[:0]
	for _, id := range f.sorted {
		if s, ours := byID[id]; ours {
			d.steps = append(d.steps, s)
		}
	}
	return nil
}

// family walks from rules up to what they depend on.
type family struct {
	known  knownRules
	done   map[string]bool // by id; false while the walk is above the rule
	path   []string
	sorted []string // ids, parents first
}

func (f *family) visit(r rules.Rule) error {
	done, met := f.done[r.ID]
	if done {
		return nil
	}
	if met {
		from := slices.Index(f.path, r.Name)
		err := rules.FieldErrorf("depends_on", "goes round in a circle: %s; take one of them out", circle(append(f.path[from:], r.Name)))
		f.forgive()
		return err
	}
	f.done[r.ID] = false
	f.path = append(f.path, r.Name)
	for _, name := range r.DependsOn {
		parent, ok := f.known[name]
		if !ok {
			continue // for the check of the rule to refuse
		}
		if err := f.visit(parent); err != nil {
			return err
		}
	}
	f.path = f.path[:len(f.path)-1]
	f.done[r.ID] = true
	f.sorted = append(f.sorted, r.ID)
	return nil
}

// forgive counts the rules of a circle as done, so that it is told once.
func (f *family) forgive() {
	for id := range f.done {
		f.done[id] = true
	}
	f.path = nil
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
