package rules_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/9bikes/tocsin/rules"
)

// caused is one error for two reasons.
type caused struct{ text string }

func (c caused) Error() string   { return c.text }
func (c caused) Unwrap() []error { return []error{errors.New("kind\nof it"), errors.New("cause")} }

func TestJoined(t *testing.T) {
	one, two, three := errors.New("one"), errors.New("two"), errors.New("three")
	for _, tt := range []struct {
		name string
		err  error
		want []string
	}{
		{"nothing", nil, nil},
		{"a single one", one, []string{"one"}},
		{"joins of joins", errors.Join(errors.Join(one, two), three), []string{"one", "two", "three"}},
		{"below a layer of words", fmt.Errorf("layer: %w", errors.Join(one, two)), []string{"one", "two"}},
		{"a layer in a join", errors.Join(fmt.Errorf("layer: %w", one), two), []string{"layer: one", "two"}},
		{"a single one below a layer keeps it", fmt.Errorf("layer: %w", errors.Join(one)), []string{"layer: one"}},
		{"several causes are one error", caused{"both"}, []string{"both"}},
		{"several causes, one of them long", caused{"a\nb"}, []string{"a\nb"}},
		{"several causes in words", fmt.Errorf("%w\n%w", one, two), []string{"one\ntwo"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, e := range rules.Joined(tt.err) {
				got = append(got, e.Error())
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("joined = %q, want %q", got, tt.want)
			}
		})
	}
}
