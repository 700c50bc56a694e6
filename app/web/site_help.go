package web

import (
	"bytes"
	"html/template"
	"net/http"
	"regexp"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"

	"github.com/9bikes/tocsin/packaging/docs"
	"github.com/9bikes/tocsin/rules"
)

// helpView is one document, or the list of all.
type helpView struct {
	Pages []docs.Page
	Text  template.HTML
}

var (
	markdown = goldmark.New(goldmark.WithExtensions(extension.Table),
		goldmark.WithParserOptions(parser.WithAutoHeadingID()))
	// between are the links from one document to another.
	between = regexp.MustCompile(`\]\(([a-z-]+)\.md(#[a-z0-9-]+)?\)`)
)

func (s *site) help(w http.ResponseWriter, r *http.Request) {
	topic := r.URL.Query().Get("topic")
	if topic == "" {
		s.show(w, r, http.StatusOK, "help", "Help", helpView{Pages: docs.Pages()})
		return
	}
	page, ok := docs.Find(topic)
	if !ok {
		s.fail(w, r, rules.Errorf(rules.NotFound, "there is no help on %q", topic))
		return
	}
	var text bytes.Buffer
	linked := between.ReplaceAllString(page.Text, "](help?topic=$1$2)")
	if err := markdown.Convert([]byte(linked), &text); err != nil {
		s.fail(w, r, err)
		return
	}
	// The documents are ours, and the renderer leaves out what is HTML in them.
	s.show(w, r, http.StatusOK, "help", page.Title(), helpView{Text: template.HTML(text.String())})
}
