package app_test

import (
	"testing"

	"github.com/9bikes/tocsin/app"
)

func TestScopes(t *testing.T) {
	for _, tt := range []struct {
		name         string
		have, needed app.Scope
		want         bool
	}{
		{"a reader reads", app.ScopeRead, app.ScopeRead, true},
		{"a reader does not acknowledge", app.ScopeRead, app.ScopeAck, false},
		{"who writes may acknowledge", app.ScopeWrite, app.ScopeAck, true},
		{"who writes does not administer", app.ScopeWrite, app.ScopeAdmin, false},
		{"a sensor sends points", app.ScopePoints, app.ScopePoints, true},
		{"a sensor reads nothing", app.ScopePoints, app.ScopeRead, false},
		{"who writes rules sends no points", app.ScopeWrite, app.ScopePoints, false},
		{"an administrator may do everything", app.ScopeAdmin, app.ScopePoints, true},
		{"no scope allows nothing", "", app.ScopeRead, false},
		{"what needs no known scope is allowed to nobody", app.ScopeAdmin, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.have.Allows(tt.needed); got != tt.want {
				t.Errorf("%q allows %q = %v, want %v", tt.have, tt.needed, got, tt.want)
			}
		})
	}
	if _, err := app.ParseScope("owner"); err == nil {
		t.Error("ParseScope(owner) must be refused")
	}
}
