package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// health is what the probes answer.
type health struct {
	Status string `json:"status"` // ok, degraded, down
	Reason string `json:"reason,omitempty"`
}

// serveHealth says that the process serves, and nothing else: what a restart
// would not mend must not cause one.
func (h *Handler) serveHealth(w http.ResponseWriter, _ *http.Request) {
	h.answer(w, http.StatusOK, health{Status: "ok"})
}

// serveReady says whether the daemon does its work. A source that is down, or a
// rule that is not judged, is no reason to take the other doors out of service.
func (h *Handler) serveReady(w http.ResponseWriter, r *http.Request) {
	if err := h.app.Ready(r.Context()); err != nil {
		h.answer(w, http.StatusServiceUnavailable, health{"down", err.Error()})
		return
	}
	if troubles := h.troubles(r.Context()); len(troubles) > 0 {
		h.answer(w, http.StatusOK, health{"degraded", strings.Join(troubles, "; ")})
		return
	}
	h.answer(w, http.StatusOK, health{Status: "ok"})
}

// troubles are what the daemon goes on with. Everybody may read them, so they
// name sources and not where they are, and count rules.
func (h *Handler) troubles(ctx context.Context) (out []string) {
	for _, source := range h.app.ListSources() {
		if !source.OK {
			out = append(out, "source "+source.Name+" is down")
		}
	}
	switch unjudged, err := h.app.Unjudged(ctx); {
	case err != nil:
		out = append(out, "whether all rules are judged cannot be read")
	case len(unjudged) > 0:
		out = append(out, fmt.Sprintf("%d of the enabled rules not judged", len(unjudged)))
	}
	return append(out, h.app.Notes()...)
}

// serveStatus tells everything, in the words of the status command.
func (h *Handler) serveStatus(w http.ResponseWriter, r *http.Request) {
	h.answer(w, http.StatusOK, h.app.Status(r.Context()))
}
