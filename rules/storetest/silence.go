package storetest

import (
	"reflect"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

var silenceTests = []clause{
	{"every field of a silence survives", func(t *testing.T, open func() app.Store) {
		s := open()
		var want rules.Silence
		fill(&want)
		want.Match = rules.Filter{"room": {"hall", "kitchen"}}
		put(t, s.PutSilence(t.Context(), want))
		got, err := open().Silences(t.Context(), noon)
		if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], want) {
			t.Errorf("Silences returned %+v, %v; want %+v", got, err, want)
		}
	}},
	{"silences that are over are not listed", func(t *testing.T, open func() app.Store) {
		s := open()
		for id, end := range map[string]time.Time{"over": noon, "soon": noon.Add(time.Minute), "later": noon.Add(time.Hour)} {
			put(t, s.PutSilence(t.Context(), silence(id, end)))
		}
		got, err := s.Silences(t.Context(), noon)
		if err != nil || len(got) != 2 || got[0].ID != "soon" || got[1].ID != "later" {
			t.Errorf("Silences returned %+v, %v", got, err)
		}
		put(t, s.PutSilence(t.Context(), silence("later", noon)))
		if got, err := s.Silences(t.Context(), noon); err != nil || len(got) != 1 {
			t.Errorf("after one was ended, Silences returned %+v, %v", got, err)
		}
	}},
	{"a silence without an end is listed last, and always", func(t *testing.T, open func() app.Store) {
		s := open()
		put(t, s.PutSilence(t.Context(), silence("a", time.Time{})))
		put(t, s.PutSilence(t.Context(), silence("b", noon.Add(time.Hour))))
		got, err := s.Silences(t.Context(), noon)
		if err != nil || len(got) != 2 || got[1].ID != "a" || !got[1].Until.IsZero() {
			t.Errorf("Silences returned %+v, %v", got, err)
		}
		if got, err = s.Silences(t.Context(), noon.Add(1000*time.Hour)); err != nil || len(got) != 1 {
			t.Errorf("Silences of later returned %+v, %v", got, err)
		}
	}},
	{"prune deletes silences that are long over", func(t *testing.T, open func() app.Store) {
		s := open()
		for id, end := range map[string]time.Time{"long": noon, "just": noon.Add(time.Hour), "never": {}} {
			put(t, s.PutSilence(t.Context(), silence(id, end)))
		}
		if _, err := s.Prune(t.Context(), noon.Add(time.Minute), 10); err != nil {
			t.Fatal(err)
		}
		got, err := s.Silences(t.Context(), time.Time{})
		if err != nil || len(got) != 2 || got[0].ID != "just" || got[1].ID != "never" {
			t.Errorf("Silences returned %+v, %v", got, err)
		}
	}},
}

func silence(id string, until time.Time) rules.Silence {
	return rules.Silence{ID: id, From: noon.Add(-time.Hour), Until: until, By: ann}
}
