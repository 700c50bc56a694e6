package e2e_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/mcp"
)

var update = flag.Bool("update", false, "write the list of tools in the manifest anew")

// named is a tool as the manifest of the bundle lists it.
type named struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// TestTheBundleListsTheToolsThatExist: people see the list before they install
// it.
func TestTheBundleListsTheToolsThatExist(t *testing.T) {
	const file = "packaging/mcpb/manifest.json"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want []named
	tools := mcp.New(app.New(app.App{Config: &app.Config{}}), mcp.Options{}).Protocol().ListTools()
	for _, name := range slices.Sorted(maps.Keys(tools)) {
		want = append(want, named{name, tools[name].Tool.Title})
	}
	if *update {
		writeTools(t, file, text, want)
		return
	}
	var manifest struct{ Tools []named }
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	if len(want) == 0 || !slices.Equal(manifest.Tools, want) {
		t.Errorf("%s lists %v, and there are %v; run the test with -update", file, manifest.Tools, want)
	}
}

func writeTools(t *testing.T, file string, text []byte, tools []named) {
	t.Helper()
	var list bytes.Buffer
	enc := json.NewEncoder(&list)
	enc.SetEscapeHTML(false)
	enc.SetIndent("  ", "  ")
	if err := enc.Encode(tools); err != nil {
		t.Fatal(err)
	}
	block := append([]byte(`"tools": `), bytes.TrimSpace(list.Bytes())...)
	text = regexp.MustCompile(`(?s)"tools": \[.*?\n  \]`).ReplaceAllLiteral(text, block)
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
}
