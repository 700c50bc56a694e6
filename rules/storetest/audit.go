package storetest

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

var auditTests = []clause{
	{"every field of an audit entry survives", func(t *testing.T, open func() app.Store) {
		s := open()
		want := app.AuditEntry{
			ID: 1, At: noon, By: ann, Client: "claude", Tool: "update_alert_rule", About: "id-a", Outcome: app.ActDone,
			Text:      "changed",
			Arguments: json.RawMessage(`{"rule":"a"}`),
			Changes:   []rules.KeyChange{{Key: "for", From: json.RawMessage(`"5m"`), To: json.RawMessage(`"10m"`)}},
		}
		put(t, s.AddAudit(t.Context(), want, 0))
		got, total, err := open().Audit(t.Context(), app.AuditFilter{})
		if err != nil || total != 1 || len(got) != 1 || !reflect.DeepEqual(got[0], want) {
			t.Errorf("Audit returned %+v, %d, %v; want %+v", got, total, err, want)
		}
	}},
	{"audit entries are listed in pages, the newest first", testAuditPages},
	{"the oldest audit entries go when there are too many", func(t *testing.T, open func() app.Store) {
		s := open()
		for range 7 {
			put(t, s.AddAudit(t.Context(), entry(noon, "a"), 3))
		}
		got, total, err := s.Audit(t.Context(), app.AuditFilter{})
		if err != nil || total != 3 || len(got) != 3 || got[0].ID-got[2].ID != 2 {
			t.Errorf("Audit returned %+v, %d, %v", got, total, err)
		}
	}},
	{"prune deletes old audit entries", func(t *testing.T, open func() app.Store) {
		s := open()
		put(t, s.AddAudit(t.Context(), entry(noon, "old"), 0))
		put(t, s.AddAudit(t.Context(), entry(noon.Add(time.Hour), "young"), 0))
		if _, err := s.Prune(t.Context(), noon.Add(time.Minute), 10); err != nil {
			t.Fatal(err)
		}
		got, _, err := s.Audit(t.Context(), app.AuditFilter{})
		if err != nil || len(got) != 1 || got[0].About != "young" {
			t.Errorf("Audit returned %+v, %v", got, err)
		}
	}},
	{"a secret is made once and is the same for all processes", func(t *testing.T, open func() app.Store) {
		first, second := open(), open()
		one, err := first.Secret(t.Context(), "a")
		put(t, err)
		two, err := second.Secret(t.Context(), "a")
		put(t, err)
		other, err := first.Secret(t.Context(), "b")
		put(t, err)
		if len(one) != 32 || !bytes.Equal(one, two) || bytes.Equal(one, other) {
			t.Errorf("secrets of %d, %d and %d bytes; the same: %t, the other: %t", len(one), len(two), len(other),
				bytes.Equal(one, two), bytes.Equal(one, other))
		}
	}},
}

func entry(at time.Time, about string) app.AuditEntry {
	return app.AuditEntry{At: at, By: ann, Tool: "delete_alert_rule", About: about, Outcome: app.ActDone}
}

func testAuditPages(t *testing.T, open func() app.Store) {
	s := open()
	for i := range 5 {
		e := entry(noon.Add(time.Duration(i)*time.Minute), "a")
		if i%2 == 1 {
			e.About, e.Tool, e.By.Name = "b", "undo_change", "bob"
		}
		put(t, s.AddAudit(t.Context(), e, 0))
	}
	var seen []int64
	f := app.AuditFilter{Limit: 2}
	for {
		got, total, err := s.Audit(t.Context(), f)
		if err != nil || total != 5 {
			t.Fatalf("total = %d, %v", total, err)
		}
		if len(got) == 0 {
			break
		}
		for _, e := range got {
			seen = append(seen, e.ID)
		}
		f.Before = got[len(got)-1].ID
	}
	if !reflect.DeepEqual(seen, []int64{5, 4, 3, 2, 1}) {
		t.Errorf("pages hold %v", seen)
	}
	for _, f := range []app.AuditFilter{
		{About: "b"},
		{Tool: "undo_change"},
		{By: "bob"},
		{Since: noon.Add(3 * time.Minute)},
	} {
		if got, total, err := s.Audit(t.Context(), f); err != nil || len(got) != 2 || total != 2 {
			t.Errorf("%+v picks %d of %d, %v", f, len(got), total, err)
		}
	}
}
