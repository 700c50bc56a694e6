package sessions_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app/sessions"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func TestASessionIsItsOwners(t *testing.T) {
	s := sessions.New(sessions.Limits{}, func(string) {})
	id, ok := s.Begin("anna", noon)
	if !ok || !s.Has(id) {
		t.Fatal("no session was begun")
	}
	if err := s.Use(id, "bert", noon); err == nil || s.End(id, "bert") {
		t.Error("another may use or end it")
	}
	if _, _, ok := s.Listen(id, "bert"); ok {
		t.Error("another may listen to it")
	}
	gone, leave, ok := s.Listen(id, "anna")
	if err := s.Use(id, "anna", noon); err != nil || !ok {
		t.Errorf("its owner may not use it: %v", err)
	}
	if !s.End(id, "anna") || s.Has(id) || s.Use(id, "anna", noon) == nil {
		t.Error("it did not end")
	}
	<-gone
	leave()
	if !s.End(id, "anna") {
		t.Error("the end of what has ended is no fault")
	}
}

func TestWhatIsQuietForTooLongEndsAndIsFreed(t *testing.T) {
	var freed []string
	s := sessions.New(sessions.Limits{Idle: time.Hour}, func(id string) { freed = append(freed, id) })
	quiet, _ := s.Begin("anna", noon)
	used, _ := s.Begin("anna", noon)
	if err := s.Use(used, "anna", noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	s.Expire(noon.Add(61 * time.Minute))
	if !slices.Equal(freed, []string{quiet}) || !s.Has(used) {
		t.Errorf("freed %q", freed)
	}
	s.Clear()
	if !slices.Equal(freed, []string{quiet, used}) {
		t.Errorf("freed %q in the end", freed)
	}
}

// TestNewsIsForWhoWaitsForIt: told once for each change, and to nobody else.
func TestNewsIsForWhoWaitsForIt(t *testing.T) {
	var s sessions.Subscribers
	var told []string
	tell := func(who string) func(string) error {
		return func(uri string) error { told = append(told, who+" "+uri); return nil }
	}
	if s.Stir() {
		t.Error("a change is to be told though nobody waits")
	}
	if fresh := s.Add("a", []string{"x", "y"}, tell("a")); !slices.Equal(fresh, []string{"x", "y"}) {
		t.Errorf("fresh are %q", fresh)
	}
	s.Learn(map[string]string{"x": "1", "y": "1"})
	if fresh := s.Add("b", []string{"x"}, tell("b")); len(fresh) > 0 {
		t.Errorf("fresh are %q", fresh)
	}
	if !s.Stir() || s.Stir() {
		t.Error("one storm is one look")
	}
	look := func(now map[string]string) {
		told = nil
		for _, n := range s.News(now) {
			if err := n.Send(); err != nil {
				t.Error(err)
			}
		}
		slices.Sort(told)
	}
	awaited := s.Awaited()
	slices.Sort(awaited)
	look(map[string]string{"x": "2", "y": "1"})
	if !slices.Equal(awaited, []string{"x", "y"}) || fmt.Sprint(told) != "[a x b x]" {
		t.Errorf("of %q told %q", awaited, told)
	}
	if look(map[string]string{"x": "2", "y": "1"}); len(told) > 0 {
		t.Errorf("told %q again", told)
	}
	s.Forget("a", "x")
	s.Drop("b")
	if look(map[string]string{"y": "2"}); fmt.Sprint(told) != "[a y]" || !slices.Equal(s.Awaited(), []string{"y"}) {
		t.Errorf("told %q", told)
	}
}

func TestAClientWaitsForSoManyAddresses(t *testing.T) {
	var s sessions.Subscribers
	var uris []string
	for i := range 150 {
		uris = append(uris, fmt.Sprint(i))
	}
	if fresh := s.Add("a", uris, nil); len(fresh) != 100 {
		t.Errorf("waits for %d", len(fresh))
	}
}
