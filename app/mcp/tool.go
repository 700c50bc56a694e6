package mcp

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/9bikes/tocsin/app"
)

// tool is one thing that a model can ask for.
type tool struct {
	name, title, description string
	input                    []property
	required                 []string
	accepted                 []string          // names that are taken but not advertised
	aliases                  map[string]string // other names for arguments
	output                   reflect.Type      // of what a call answers
	effect                   effect
	scope                    app.Scope // what a caller needs
	writes                   []string  // actions that need app.ScopeWrite
	example                  string    // arguments that work
	call                     func(*Server, context.Context, *arguments) (any, error)
}

// effect is what a client may expect of a call, for its own safeguards.
type effect struct{ reads, destroys, repeatable bool }

// definition is the tool as clients are told of it.
func (t tool) definition() mcp.Tool {
	closed := false // it speaks to tocsin alone
	return mcp.Tool{
		// Clients that load tools on demand would hide the arguments.
		Meta: mcp.NewMetaFromMap(map[string]any{"anthropic/alwaysLoad": true}),
		Name: t.name, Title: t.title, Description: t.description + " Example: " + t.example,
		RawInputSchema: schema(t.input, t.required...), RawOutputSchema: t.shape(),
		Annotations: mcp.ToolAnnotation{
			ReadOnlyHint: &t.effect.reads, DestructiveHint: &t.effect.destroys, IdempotentHint: &t.effect.repeatable,
			OpenWorldHint: &closed,
		},
	}
}

// shape is the schema of the answers; none where a picture may take the place
// of structured content, which a schema would demand.
func (t tool) shape() json.RawMessage {
	if t.output.Implements(reflect.TypeFor[illustrated]()) {
		return nil
	}
	return shape(t.output)
}

// needs is the scope that a call with these arguments takes.
func (t *tool) needs(given map[string]any) app.Scope {
	if action, _ := given["action"].(string); slices.Contains(t.writes, strings.ToLower(action)) {
		return app.ScopeWrite
	}
	return t.scope
}

func (t *tool) names() []string { return propertyNames(t.input) }

func propertyNames(list []property) []string {
	var out []string
	for _, p := range list {
		out = append(out, p.name)
	}
	return out
}

// tools are all that there are.
var tools = slices.Concat(ruleTools, alertTools, silenceTools, channelTools, changeTools, dataTools, explainTools,
	statusTools)

// Reads reports whether a tool changes nothing, so that a call of it may be
// repeated.
func Reads(name string) bool {
	i := slices.IndexFunc(tools, func(t tool) bool { return t.name == name })
	return i >= 0 && tools[i].effect.reads
}
