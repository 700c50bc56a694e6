package mcp

import (
	"context"
	"encoding/json"
	"slices"

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
	output                   json.RawMessage
	effect                   effect
	scope                    app.Scope // what a caller needs
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
		RawInputSchema: schema(t.input, t.required...), RawOutputSchema: t.output,
		Annotations: mcp.ToolAnnotation{
			ReadOnlyHint: &t.effect.reads, DestructiveHint: &t.effect.destroys, IdempotentHint: &t.effect.repeatable,
			OpenWorldHint: &closed,
		},
	}
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
