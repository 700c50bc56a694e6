package shoutrrr

import (
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/containrrr/shoutrrr/pkg/format"
	"github.com/containrrr/shoutrrr/pkg/types"
)

// into has c, which is shoutrrr's own type for a service, read the URL. What it
// has no option for is in ours and left to the caller. Its errors quote the
// URL, so form says instead how the URL must look.
func (a address) into(c types.ServiceConfig, form error, ours ...string) (err error) {
	query, err := a.options(c, ours...)
	if err != nil {
		return err
	}
	defer func() {
		if recover() != nil { // some do, where a part is missing
			err = form
		}
	}()
	u := *a.URL
	u.Path, u.RawPath, u.RawQuery = "", "", query.Encode()
	if parts := a.segments(); len(parts) > 0 {
		u.Path = "/" + strings.Join(parts, "/")
	}
	if c.SetURL(&u) != nil {
		return form
	}
	return nil
}

// options has c read the query alone and returns what it took of it. A key that
// is not known may be a part of a password: it is not repeated.
func (a address) options(c types.ServiceConfig, ours ...string) (url.Values, error) {
	resolver := format.NewPropKeyResolver(c)
	known := append(slices.Clone(ours), resolver.QueryFields()...)
	for key := range a.query {
		if !slices.Contains(known, strings.ToLower(key)) && !a.pasted() {
			slices.Sort(known)
			return nil, wrong("has an option that %s channels do not have; known: %s",
				strings.ToLower(a.Scheme), strings.Join(slices.Compact(known), ", "))
		}
	}
	took := url.Values{}
	for _, item := range format.GetConfigFormat(c).Items {
		field := item.Field()
		if !slices.ContainsFunc(field.Keys, func(key string) bool { return !slices.Contains(ours, key) }) {
			continue
		}
		key, text := a.given(field, ours)
		if text != "" {
			took.Set(key, text)
		} else if text = field.DefaultValue; text == "" {
			continue
		}
		if resolver.Set(field.Keys[0], text) != nil {
			return nil, unreadable(key, field)
		}
	}
	return took, nil
}

// pasted reports whether the URL is the service's own, with whatever options
// that has, and not in shoutrrr's form.
func (a address) pasted() bool { return a.Scheme == "https" || a.Scheme == "http" }

// given is what the query says of a field under any of its keys, and the first
// of those. It is so written that shoutrrr reads it, which knows no space at a
// comma and no hole in a list.
func (a address) given(field *format.FieldInfo, ours []string) (key, text string) {
	key = field.Keys[0]
	var all []string
	for _, k := range field.Keys {
		if said := a.option(k); said != "" && !slices.Contains(ours, k) {
			if all = append(all, said); len(all) == 1 {
				key = k
			}
		}
	}
	switch {
	case len(all) == 0:
		return key, ""
	case field.Type.Kind() == reflect.Slice && field.ItemSeparator == ',':
		return key, strings.Join(list(strings.Join(all, ",")), ",")
	case field.IsEnum():
		return key, strings.ToLower(all[0])
	}
	return key, all[0]
}

// option is what the query says first under a key, however that is written.
func (a address) option(key string) string {
	for k, values := range a.query {
		if strings.EqualFold(k, key) {
			return values[0]
		}
	}
	return ""
}

// unreadable says what an option must be.
func unreadable(key string, field *format.FieldInfo) error {
	switch kind := field.Type.Kind(); {
	case field.IsEnum():
		names := field.EnumFormatter.Names()
		if field.EnumFormatter.Parse("5") != format.EnumInvalid { // ntfy's numbers are not among its names
			names = append([]string{"1 to 5"}, names...)
		}
		return wrong("has an option %s that is none of %s", key, strings.Join(names, ", "))
	case kind == reflect.Bool:
		return wrong("has an option %s that is neither yes nor no", key)
	case kind >= reflect.Int && kind <= reflect.Uint64:
		return wrong("has an option %s that is no whole number, or too large", key)
	}
	return wrong("has an option %s that cannot be read; it is: %s", key, field.Description)
}

// flag reads an option of ours that is yes or no.
func (a address) flag(key string, otherwise bool) (bool, error) {
	text := a.option(key)
	if text == "" {
		return otherwise, nil
	}
	on, ok := format.ParseBool(text, false)
	if !ok {
		return false, wrong("has an option %s that is neither yes nor no", key)
	}
	return on, nil
}

// web returns the origin of a server that shoutrrr believes to have TLS and no
// port of its own.
func (a address) web() (string, error) {
	plain, err := a.flag("disabletls", false)
	return scheme(plain) + "://" + a.Host, err
}

func scheme(plain bool) string {
	if plain {
		return "http"
	}
	return "https"
}

// number reads an option of ours that is a whole number; 0 is none.
func (a address) number(key string, low, high int) (int, error) {
	text := a.option(key)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, wrong("has an option %s that is not a whole number from %d to %d", key, low, high)
	}
	return n, nil
}

// fill puts the options that were given into what is sent.
func fill(content map[string]any, options map[string]string) {
	for key, text := range options {
		if text != "" {
			content[key] = text
		}
	}
}
