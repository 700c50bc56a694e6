package storetest

import (
	"reflect"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

var deliveryTests = []clause{
	{"the health of channels comes from what was sent", testHealth},
	{"prune deletes what is over and owes nothing, the oldest first", testPrune},
	{"what goes to several targets is kept for each", testTargets},
	{"dead letters are listed until they are sent again", testDeadLetters},
	{"prune keeps what is owed", testPruneKeeps},
}

// attempt books a message on a channel and records what became of it.
func attempt(l *rules.Ledger, channel string, o rules.Outcome, at time.Time) {
	n := l.Book(channel, rules.Test, rules.Facts{Text: at.String()}, at)
	l.Claim(n.ID, "m")
	l.Record(n.ID, o, at.Add(time.Minute), at)
}

func testHealth(t *testing.T, open func() app.Store) {
	s := open()
	sent := rules.Outcome{State: rules.Sent}
	refused := rules.Outcome{State: rules.Dead, Class: "auth"}
	l := load(t, s, "")
	attempt(l, "mended", refused, noon)
	attempt(l, "mended", sent, noon.Add(time.Hour))
	attempt(l, "broken", sent, noon)
	attempt(l, "broken", refused, noon.Add(time.Hour))
	attempt(l, "trying", rules.Outcome{State: rules.Owed, Class: "timeout"}, noon)
	l.Book("new", rules.Test, rules.Facts{}, noon)
	several := l.Book("several", rules.Test, rules.Facts{}, noon)
	l.FanOut(several.ID, []string{"me", "you"}, noon)
	for _, n := range fanOut(l, several) {
		l.Claim(n.ID, n.ID)
		l.Record(n.ID, map[string]rules.Outcome{"me": sent, "you": refused}[n.Target], noon, noon)
	}
	save(t, s, l)
	got, err := s.ChannelHealth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[rules.Address]app.Health{
		{Channel: "mended"}:                 {LastSuccess: noon.Add(time.Hour), LastFailure: noon, Error: "auth"},
		{Channel: "broken"}:                 {LastSuccess: noon, LastFailure: noon.Add(time.Hour), Error: "auth"},
		{Channel: "trying"}:                 {LastFailure: noon.Add(time.Minute), Error: "timeout"},
		{Channel: "several", Target: "me"}:  {LastSuccess: noon},
		{Channel: "several", Target: "you"}: {LastFailure: noon, Error: "auth"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("ChannelHealth returned %+v, want %+v", got, want)
	}
}

// fanOut lists a notification and those that were fanned out from it.
func fanOut(l *rules.Ledger, of *rules.Notification) (out []*rules.Notification) {
	l.Notifications(func(n *rules.Notification) bool {
		if n.Root() == of.ID {
			out = append(out, n)
		}
		return true
	})
	return out
}

func testTargets(t *testing.T, open func() app.Store) {
	s := open()
	l := load(t, s, "")
	n := l.Book("mail", rules.Operational, rules.Facts{Title: "news"}, noon)
	l.FanOut(n.ID, []string{"me", "you"}, noon)
	for _, m := range fanOut(l, n) {
		l.Claim(m.ID, m.ID)
		l.Record(m.ID, map[string]rules.Outcome{
			"me":  {State: rules.Sent},
			"you": {State: rules.Dead, Class: "rejected", Code: 550},
		}[m.Target], noon, noon)
	}
	save(t, s, l)
	all, err := s.FanOut(t.Context(), n.ID)
	if err != nil || len(all) != 2 || all[0].Target != "me" || all[0].State != rules.Sent || all[1].Root() != n.ID {
		t.Fatalf("FanOut returned %+v, %v", all, err)
	}
	if one, err := s.FanOut(t.Context(), all[1].ID); err != nil || len(one) != 1 {
		t.Errorf("FanOut of one that was fanned out returned %+v, %v", one, err)
	}
	if _, err := s.FanOut(t.Context(), "nobody"); rules.CodeOf(err) != rules.NotFound {
		t.Errorf("FanOut of nothing: %v", err)
	}
	letters, err := s.DeadLetters(t.Context(), "mail", 0)
	if err != nil || len(letters) != 1 || letters[0].Target != "you" || letters[0].Origin != n.ID {
		t.Fatalf("DeadLetters returned %+v, %v", letters, err)
	}
	l = load(t, s, "")
	if n := l.Resend(letters, noon.Add(time.Hour)); n != 1 {
		t.Errorf("Resend owes %d", n)
	}
	save(t, s, l)
	load(t, s, "").Notifications(func(n *rules.Notification) bool {
		if n.State != rules.Owed || n.Target != "you" {
			t.Errorf("owed again: %+v", n)
		}
		return true
	})
}

func testDeadLetters(t *testing.T, open func() app.Store) {
	s := open()
	l := load(t, s, "")
	for i, channel := range []string{"phone", "mail", "phone"} {
		at := noon.Add(time.Duration(i) * time.Minute)
		n := l.Book(channel, rules.Operational, rules.Facts{Title: "news"}, at)
		l.Claim(n.ID, "m")
		l.Record(n.ID, rules.Outcome{State: rules.Dead, Class: "auth"}, at, at)
		l.Fallback(n.ID, "pager", at)
	}
	attempt(l, "phone", rules.Outcome{State: rules.Dead, Class: "auth"}, noon)
	save(t, s, l)
	list, err := s.DeadLetters(t.Context(), "", 0)
	if err != nil || len(list) != 3 || !list[0].DoneAt.After(list[1].DoneAt) || list[0].Fallback != "pager" {
		t.Fatalf("DeadLetters returned %+v, %v", list, err)
	}
	if some, err := s.DeadLetters(t.Context(), "phone", 1); err != nil || len(some) != 1 || some[0].ID != list[0].ID {
		t.Errorf("DeadLetters of phone returned %+v, %v", some, err)
	}
	l = load(t, s, "")
	if n := l.Resend(list, noon.Add(time.Hour)); n != 3 {
		t.Errorf("Resend owes %d", n)
	}
	save(t, s, l)
	if list, err := s.DeadLetters(t.Context(), "", 0); err != nil || len(list) != 0 {
		t.Errorf("after they were owed again, DeadLetters returned %+v, %v", list, err)
	}
	owed := 0
	load(t, s, "").Notifications(func(n *rules.Notification) bool {
		if n.Channel != "pager" && n.State == rules.Owed && n.BookedAt.Equal(noon.Add(time.Hour)) {
			owed++
		}
		return true
	})
	if owed != 3 {
		t.Errorf("%d are owed anew", owed)
	}
}

func testPrune(t *testing.T, open func() app.Store) {
	s := open()
	l := rules.NewLedger(simple("a"), ann, noon)
	at := func(hours int) time.Time { return noon.Add(time.Duration(hours) * time.Hour) }
	for i := range 4 {
		observe(l, at(2*i), "a", rules.Bad, 5)
		deliver(l, at(2*i))
		save(t, s, l)
		observe(l, at(2*i+1), "a", rules.Good, 1) // over at 1, 3, 5 and 7
		deliver(l, at(2*i+1))
		save(t, s, l)
	}
	own := load(t, s, "")
	attempt(own, "phone", rules.Outcome{State: rules.Sent}, at(0))
	attempt(own, "phone", rules.Outcome{State: rules.Sent}, at(9))
	save(t, s, own)

	if n, err := s.Prune(t.Context(), at(6), 2); err != nil || n != 2 {
		t.Fatalf("Prune deleted %d, %v", n, err)
	}
	list, _, err := s.Alerts(t.Context(), app.AlertFilter{})
	if err != nil || len(list) != 2 || !list[1].StartedAt.Equal(at(4)) || len(list[0].Notifications) != 2 {
		t.Fatalf("%d alerts are left, %v", len(list), err)
	}
	if n, err := s.Prune(t.Context(), at(6), 2); err != nil || n != 1 {
		t.Errorf("Prune deleted %d more, %v", n, err)
	}
	if n, err := s.Prune(t.Context(), at(6), 2); err != nil || n != 0 {
		t.Errorf("Prune deleted %d at last, %v", n, err)
	}
	health, err := s.ChannelHealth(t.Context())
	if err != nil || !health[rules.Address{Channel: "phone"}].LastSuccess.Equal(at(9)) {
		t.Errorf("the young message of no alert is gone: %+v, %v", health, err)
	}
}

func testPruneKeeps(t *testing.T, open func() app.Store) {
	s := open()
	live, owing := firing(simple("live"), noon), firing(simple("owing"), noon)
	deliver(owing, noon)
	observe(owing, noon.Add(time.Minute), "a", rules.Good, 1)
	own := load(t, s, "")
	n := own.Book("phone", rules.Test, rules.Facts{}, noon)
	save(t, s, live, owing, own)
	if n, err := s.Prune(t.Context(), noon.Add(1000*time.Hour), 0); err != nil || n != 0 {
		t.Errorf("Prune deleted %d, %v", n, err)
	}
	if _, err := s.Notification(t.Context(), n.ID); err != nil {
		t.Errorf("the message that is owed: %v", err)
	}
	if got := load(t, s, "id-owing"); !got.Busy() {
		t.Error("the alert that is not told yet is gone")
	}
}
