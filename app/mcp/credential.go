package mcp

import (
	"maps"
	"regexp"
	"slices"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

// secretNames are arguments that models try where they expect a credential to
// be given.
var secretNames = regexp.MustCompile(`(?i)^(api_?key|auth|authorization|bearer|credentials?|passw(or)?d|secret|token|access_?token|(webhook_?|channel_?|notification_?)?url|webhook|smtp_.*)$`)

// refuseCredentials keeps credentials out before anything can repeat, store or
// log them. Its error does not show what it found.
func (t *tool) refuseCredentials(given map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if secretNames.MatchString(name) && !slices.Contains(t.names(), name) {
			return credential(name)
		}
		if path := app.FindCredential(name, given[name]); path != "" {
			return credential(path)
		}
	}
	return nil
}

func credential(path string) error {
	return rules.FieldErrorf(cleaned(path, 60),
		"looks like a credential or the address of a channel, which no tool takes; "+
			"a person gives it with `tocsin channels add NAME` on the machine of tocsin, and the rule then names it: "+
			"{\"channels\": [\"NAME\"]}")
}
