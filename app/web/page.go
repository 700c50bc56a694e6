package web

import (
	"embed"
	"net/http"
)

//go:embed page.html
var pages embed.FS

// servePage says what runs here and what else can be asked.
func (h *Handler) servePage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := h.page.Execute(w, h.app.Status(r.Context())); err != nil {
		h.options.Log.Debug("page not written", "error", err)
	}
}
