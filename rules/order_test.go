package rules_test

import (
	"strings"
	"testing"

	"github.com/9bikes/tocsin/rules"
)

// TestRulesStandBehindThoseTheyDependOn.
func TestRulesStandBehindThoseTheyDependOn(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rules string // a<b,c depends on b and c
		add   string
		want  string
		fault string
	}{
		{"alone", "a", "a", "a", ""},
		{"in the order in which they are added", "a b", "b a", "b a", ""},
		{"a parent before its child, once", "a<b b", "a b", "b a", ""},
		{"all above it", "a<b,c b<d c<d d", "a", "d b c a", ""},
		{"one that is not known is left out", "a<nobody,b b", "a", "b a", ""},
		{"by id too", "a<#b b", "a", "b a", ""},
		{"itself", "a<a", "a", "", "a on a"},
		{"two", "a<b b<a", "a", "", "a on b on a"},
		{"one behind the circle is not named", "a<b b<c c<b", "a", "", "b on c on b"},
		{"one that was done before neither", "a<b,c b c<a", "a", "b", "a on c on a"},
		{"a circle of four is told whole", "a<b b<c c<d d<a", "a", "", "a on b on c on d on a"},
		{"one of five is not", "a<b b<c c<d d<e e<a", "a", "", "a on b on c on d on ... on a"},
		{"nor a longer one", "a<b b<c c<d d<e e<f f<a", "a", "", "a on b on c on d on ... on a"},
		{"it is told once", "a<b b<a c<a", "a b c", "c", "a on b on a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			known := rules.Index{}
			for text := range strings.FieldsSeq(tt.rules) {
				name, parents, _ := strings.Cut(text, "<")
				known.Add(rules.Rule{
					ID: "#" + name, Name: name,
					DependsOn: strings.FieldsFunc(parents, func(r rune) bool { return r == ',' }),
				})
			}
			o := rules.NewOrder(known)
			var faults []string
			for name := range strings.FieldsSeq(tt.add) {
				if err := o.Add(known[name]); err != nil {
					faults = append(faults, err.Error())
				}
			}
			if got := strings.ReplaceAll(strings.Join(o.IDs(), " "), "#", ""); got != tt.want {
				t.Errorf("order is %q, want %q", got, tt.want)
			}
			want := ""
			if tt.fault != "" {
				want = "depends_on: goes round in a circle: " + tt.fault + "; take one of them out"
			}
			if got := strings.Join(faults, "\n"); got != want {
				t.Errorf("refused with %q, want %q", got, want)
			}
		})
	}
}

func TestAnIndexFindsByNameAndByID(t *testing.T) {
	r := fever()
	x := rules.Index{}
	x.Add(r)
	if x["fever"].ID != "r1" || x["r1"].Name != "fever" {
		t.Errorf("found %+v", x)
	}
	if x.Drop(r); len(x) != 0 {
		t.Errorf("dropped, there is %+v", x)
	}
}
