package app

import (
	"slices"
	"strings"

	"github.com/9bikes/tocsin/rules"
)

// Scope is what a caller may do. Each includes those before it, but for
// ScopePoints, which includes none and is included in ScopeAdmin only.
type Scope string

// The scopes, from the least.
const (
	ScopePoints Scope = "points" // send points, and nothing else
	ScopeRead   Scope = "read"   // look at everything
	ScopeAck    Scope = "ack"    // acknowledge and snooze alerts
	ScopeWrite  Scope = "write"  // change rules and silences, send tests
	ScopeAdmin  Scope = "admin"  // everything
)

// Scopes lists them.
var Scopes = []Scope{ScopePoints, ScopeRead, ScopeAck, ScopeWrite, ScopeAdmin}

// Allows reports whether who has this scope may do what needs that one. The
// empty scope allows nothing, and what needs none is allowed to nobody.
func (s Scope) Allows(needed Scope) bool {
	have, want := slices.Index(Scopes, s), slices.Index(Scopes, needed)
	switch {
	case have < 0 || want < 0:
		return false
	case s == ScopePoints || needed == ScopePoints:
		return s == needed || s == ScopeAdmin
	}
	return have >= want
}

// ParseScope reads a scope's name.
func ParseScope(text string) (Scope, error) {
	if s := Scope(strings.ToLower(strings.TrimSpace(text))); slices.Contains(Scopes, s) {
		return s, nil
	}
	return "", rules.FieldErrorf("scope", "must be points, read, ack, write or admin; got %q", text)
}
