package rules_test

import (
	"fmt"
	"testing"

	"github.com/9bikes/tocsin/rules"
)

func TestADialectWordsHints(t *testing.T) {
	d := rules.Dialect{rules.AddChannel: "; add {}", rules.SaveUnchecked: ", or save it"}
	hinted := rules.WithHint(rules.FieldErrorf("channels", "no channel %q", "ops"), rules.AddChannel, "ops")
	both := rules.WithHint(hinted, rules.SaveUnchecked, "")
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"one without", rules.Errorf(rules.Conflict, "busy"), "busy"},
		{"one", hinted, `channels: no channel "ops"; add ops`},
		{"two", both, `channels: no channel "ops"; add ops, or save it`},
		{"with its place", fmt.Errorf("a.yaml: %w", hinted), `a.yaml: channels: no channel "ops"; add ops`},
		{"without words here", rules.WithHint(hinted, rules.TakeOver, ""), `channels: no channel "ops"; add ops`},
		{"not ours", rules.WithHint(fmt.Errorf("broken"), rules.TakeOver, ""), "broken"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := d.Sentence(tt.err); got != tt.want {
				t.Errorf("sentence = %q, want %q", got, tt.want)
			}
		})
	}
}
