package notify

import (
	"context"

	"github.com/9bikes/tocsin/rules"
)

// Form is what a person is asked for to set up a channel of one kind.
type Form struct {
	Kind   string
	Title  string // the service's own name
	Fields []FormField
}

// FormField is one question of a Form.
type FormField struct {
	Name      string
	Help      string // where it is found
	Example   string
	Otherwise string // what it is when it is left out
	Secret    bool   // not shown while it is typed
	Optional  bool
}

// Chat is one that a bot can write to.
type Chat struct{ ID, Name string }

// Builder makes the URLs of channels out of what people know.
type Builder interface {
	// Forms lists the services, the usual ones first.
	Forms() []Form
	// Build makes a channel's URL of the fields of a form. Its error names a
	// field and never shows its value.
	Build(kind string, fields map[string]rules.Secret) (rules.Secret, error)
	// Chats lists who has written to a Telegram bot lately.
	Chats(ctx context.Context, token rules.Secret) ([]Chat, error)
	// Public reports whether everybody who knows the address of a channel can
	// read what is sent there.
	Public(url rules.Secret) bool
}
