// Package docs holds the documents of tocsin, so that the command line, the web
// page and the repository show the same text. There is no code here but their
// list; who shows them decides how.
package docs

import (
	"embed"
	"slices"
	"strings"
)

//go:embed *.md
var files embed.FS

// names are the documents in the order in which they are best read.
var names = []string{
	"rules", "rules-as-code", "semantics", "channels", "delivery", "silences", "page", "claude", "live", "operations",
	"hosted", "troubleshooting",
	"config", "cli", "mcp", "http", "metrics",
}

// Page is one document.
type Page struct {
	Name string // its topic: the file without .md
	Text string // Markdown
}

// Title is the first heading.
func (p Page) Title() string {
	first, _, _ := strings.Cut(p.Text, "\n")
	return strings.TrimPrefix(first, "# ")
}

// Pages lists the documents, the guides before the references.
func Pages() []Page {
	var out []Page
	for _, name := range names {
		if p, ok := Find(name); ok {
			out = append(out, p)
		}
	}
	return out
}

// Find returns the document of a topic.
func Find(topic string) (Page, bool) {
	if !slices.Contains(names, topic) {
		return Page{}, false
	}
	text, err := files.ReadFile(topic + ".md")
	return Page{Name: topic, Text: string(text)}, err == nil
}
