package jsonrpc_test

import (
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app/jsonrpc"
)

// TestJSONIsMeasured without being taken apart.
func TestJSONIsMeasured(t *testing.T) {
	for name, tt := range map[string]struct{ text, says string }{
		"a usual one":       {`{"a":[1,{"b":"c"}]}`, ""},
		"brackets in texts": {`{"a":"` + strings.Repeat(`[\"{`, 100) + `"}`, ""},
		"64 levels":         {strings.Repeat("[", 64) + strings.Repeat("]", 64), ""},
		"65 levels":         {strings.Repeat("[", 65) + strings.Repeat("]", 65), "nested deeper than 64 levels"},
		"after a backslash": {`{"a":"\\","b":` + strings.Repeat("[", 65), "nested deeper than 64 levels"},
		"many values":       {"[" + strings.Repeat("1,", 100_000) + "1]", "holds more than 100000 values"},
	} {
		err := jsonrpc.CheckSize([]byte(tt.text))
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
}
