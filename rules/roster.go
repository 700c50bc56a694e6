package rules

import "iter"

// roster holds the instances of a rule by series. Most rules have one only,
// and that one needs no map: ten thousand of those are megabytes.
type roster struct {
	one  *Instance
	many map[Series]*Instance // nil while there is at most one
}

func (r *roster) size() int {
	if r.many != nil {
		return len(r.many)
	}
	if r.one != nil {
		return 1
	}
	return 0
}

func (r *roster) of(s Series) *Instance {
	if r.one != nil && r.one.Series == s {
		return r.one
	}
	return r.many[s]
}

func (r *roster) put(in *Instance) {
	switch {
	case r.many != nil:
		r.many[in.Series] = in
	case r.one == nil || r.one.Series == in.Series:
		r.one = in
	default:
		r.many = map[Series]*Instance{r.one.Series: r.one, in.Series: in}
		r.one = nil
	}
}

func (r *roster) drop(s Series) {
	if r.one != nil && r.one.Series == s {
		r.one = nil
	}
	delete(r.many, s)
}

// all goes over the instances; the one it stands at may be dropped.
func (r *roster) all() iter.Seq[*Instance] {
	return func(yield func(*Instance) bool) {
		if r.one != nil && !yield(r.one) {
			return
		}
		for _, in := range r.many {
			if !yield(in) {
				return
			}
		}
	}
}
