package rules

import (
	"fmt"
	"log/slog"
)

// Secret is a credential. However it is printed, formatted, logged or
// marshalled, it shows "[set]" or nothing; only Reveal gives it away.
type Secret struct{ text string }

// NewSecret wraps a credential.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the credential, for the one place that uses it.
func (s Secret) Reveal() string { return s.text }

// IsZero reports whether there is none.
func (s Secret) IsZero() bool { return s.text == "" }

// String returns "[set]", or "" when there is none.
func (s Secret) String() string {
	if s.text == "" {
		return ""
	}
	return "[set]"
}

// Format keeps every verb from seeing the credential.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// GoString is String.
func (s Secret) GoString() string { return s.String() }

// MarshalText writes String, for JSON and YAML too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue writes String to the log.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
