package mcp_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	protocol "github.com/mark3labs/mcp-go/mcp"

	"github.com/9bikes/tocsin/packaging/docs/docstest"
)

// argument is a property of a tool's input schema.
type argument struct {
	Type        string
	Description string
	Enum        []string
	Properties  arguments
	Items       *argument
	AnyOf       []argument
}

// arguments are properties in their order, which a model reads them in too.
type arguments []struct {
	name string
	argument
}

// UnmarshalJSON keeps the order.
func (a *arguments) UnmarshalJSON(text []byte) error {
	in := json.NewDecoder(strings.NewReader(string(text)))
	if _, err := in.Token(); err != nil {
		return err
	}
	for in.More() {
		name, err := in.Token()
		if err != nil {
			return err
		}
		next := struct {
			name string
			argument
		}{name: fmt.Sprint(name)}
		if err := in.Decode(&next.argument); err != nil {
			return err
		}
		*a = append(*a, next)
	}
	return nil
}

// kind is what an argument takes, in a word or two.
func (a argument) kind() string {
	switch {
	case len(a.Enum) > 0:
		return "`" + strings.Join(a.Enum, "`, `") + "`"
	case len(a.AnyOf) > 0:
		var out []string
		for _, one := range a.AnyOf {
			out = append(out, one.kind())
		}
		return strings.Join(out, " or ")
	case a.Type == "array" && a.Items != nil && a.Items.Type != "":
		return "list of " + a.Items.kind() + "s"
	case a.Type == "array":
		return "list"
	}
	return a.Type
}

func TestTheReferenceHasEveryTool(t *testing.T) {
	h := newHouse(t)
	var b strings.Builder
	b.WriteString("## Tools\n\n| Tool | What it does |\n|---|---|\n")
	tools := h.list()
	for _, tool := range tools {
		about, _, _ := strings.Cut(tool.Description, " Example: ")
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", tool.Name, tool.Name, inTable(about))
	}
	writeResources(t, h, &b)
	writePrompts(t, h, &b)
	b.WriteString("\n## The tools one by one\n")
	for _, tool := range tools {
		writeTool(t, &b, tool)
	}
	docstest.Generated(t, "mcp", b.String(), *update)
}

func writeTool(t *testing.T, b *strings.Builder, tool protocol.Tool) {
	t.Helper()
	schema, err := json.Marshal(tool.InputSchema)
	if err != nil {
		t.Fatal(err)
	}
	if tool.RawInputSchema != nil {
		schema = tool.RawInputSchema
	}
	var input struct {
		Properties arguments
		Required   []string
	}
	if err := json.Unmarshal(schema, &input); err != nil {
		t.Fatal(err)
	}
	effect := "Changes things."
	switch {
	case *tool.Annotations.ReadOnlyHint:
		effect = "Only looks."
	case *tool.Annotations.DestructiveHint:
		effect = "Changes things, and may take away."
	}
	_, example, _ := strings.Cut(tool.Description, " Example: ")
	fmt.Fprintf(b, "\n### %s\n\n%s: %s\n\n```json\n%s\n```\n\n", tool.Name, tool.Title, effect, example)
	if len(input.Properties) > 0 {
		b.WriteString("| Argument | Takes | Meaning |\n|---|---|---|\n")
		writeArguments(b, "", input.Properties, input.Required)
	}
}

func writeArguments(b *strings.Builder, path string, list arguments, required []string) {
	for _, a := range list {
		needed := ""
		if slices.Contains(required, a.name) {
			needed = " (needed)"
		}
		fmt.Fprintf(b, "| `%s`%s | %s | %s |\n", path+a.name, needed, inTable(a.kind()), inTable(a.Description))
		writeArguments(b, path+a.name+".", a.Properties, nil)
	}
}

func writeResources(t *testing.T, h *house, b *strings.Builder) {
	t.Helper()
	list, err := h.client.ListResources(t.Context(), protocol.ListResourcesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	templates, err := h.client.ListResourceTemplates(t.Context(), protocol.ListResourceTemplatesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	b.WriteString("\n## Resources\n\n| Address | What it holds |\n|---|---|\n")
	for _, r := range list.Resources {
		fmt.Fprintf(b, "| `%s` | %s |\n", r.URI, r.Description)
	}
	for _, r := range templates.ResourceTemplates {
		fmt.Fprintf(b, "| `%s` | %s |\n", r.URITemplate.Raw(), r.Description)
	}
}

func writePrompts(t *testing.T, h *house, b *strings.Builder) {
	t.Helper()
	list, err := h.client.ListPrompts(t.Context(), protocol.ListPromptsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	b.WriteString("\n## Prompts\n\n| Prompt | What it asks for |\n|---|---|\n")
	for _, p := range list.Prompts {
		var takes []string
		for _, a := range p.Arguments {
			takes = append(takes, fmt.Sprintf("`%s` (%s)", a.Name, a.Description))
		}
		fmt.Fprintf(b, "| `%s` | %s Takes %s |\n", p.Name, p.Description, strings.Join(takes, ", "))
	}
}

func inTable(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
