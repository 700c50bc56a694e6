package app

import (
	"context"
	"encoding/json"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// AuditEntry is one act that somebody did, or was kept from doing, through a
// tool.
type AuditEntry struct {
	ID        int64             `json:"id"`
	At        time.Time         `json:"at"`
	By        rules.Actor       `json:"by"`
	Client    string            `json:"client,omitempty"` // the program that spoke for them
	Tool      string            `json:"tool"`
	About     string            `json:"about,omitempty"` // the id of the rule, alert or silence, or the channel
	Outcome   string            `json:"outcome"`
	Text      string            `json:"text,omitempty"` // what came of it, in a sentence
	Arguments json.RawMessage   `json:"arguments,omitempty"`
	Changes   []rules.KeyChange `json:"changes"`
}

// The outcomes of an act.
const (
	ActDone     = "done"
	ActAsked    = "asked"    // it waits for somebody to confirm it
	ActDeclined = "declined" // a person said no
	ActRefused  = "refused"  // the caller may not
	ActFailed   = "failed"
)

// AuditFilter picks audit entries; the zero value picks all.
type AuditFilter struct {
	By     string // the name of who acted
	Tool   string
	About  string
	Since  time.Time
	Before int64 // an id: the page begins after it
	Limit  int   // 0 for all
}

// auditKept is how many audit entries are kept; the age at which Prune deletes
// them is that of all history.
const auditKept = 10_000

// Record keeps an act for the audit.
func (a *App) Record(ctx context.Context, e AuditEntry) error {
	e.At = a.Time()
	return a.Store.AddAudit(ctx, e, auditKept)
}

// Audit lists what was done through tools, the newest first, with the total
// before the page was cut.
func (a *App) Audit(ctx context.Context, f AuditFilter) ([]AuditEntry, int, error) {
	list, total, err := a.Store.Audit(ctx, f)
	if list == nil {
		list = []AuditEntry{}
	}
	return list, total, err
}
