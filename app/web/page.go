package web

import (
	"bytes"
	"embed"
	"io"
	"net/http"

	"github.com/9bikes/tocsin/rules"
)

//go:embed page.html
var pages embed.FS

// servePage says what runs here and what else can be asked.
func (h *Handler) servePage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	var text bytes.Buffer
	if err := h.page.Execute(&text, h.app.Status(r.Context())); err != nil {
		h.options.Log.Error("page not made", "error", err)
	}
	_, _ = io.WriteString(w, rules.Defuse(text.String(), rules.Replacement, "\n\t")) // whoever does not read it gets none
}
