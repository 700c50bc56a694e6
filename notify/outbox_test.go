package notify_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/ledgertest"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// ledgerOutbox is the outbox of a ledger cache on a store of its own.
func ledgerOutbox(t *testing.T) notify.LedgerOutbox {
	t.Helper()
	_, ledgers := ledgertest.Open(t, "", evaluator.LedgerCacheOptions{})
	return notify.LedgerOutbox{LedgerCache: ledgers}
}

// owes tells what is owed now: the addresses, in order.
func owes(o notify.LedgerOutbox) string {
	var out []string
	for _, n := range o.Owed(time.Now().Add(time.Second)) {
		out = append(out, strings.TrimSpace(n.Channel+" "+n.Target))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func tell(t *testing.T, o notify.LedgerOutbox, name string, channels ...string) {
	t.Helper()
	var to []rules.Address
	for _, channel := range channels {
		to = append(to, rules.Address{Channel: channel})
	}
	if err := o.Notify(t.Context(), name, to, rules.Operational, rules.Facts{Title: "disk full"}); err != nil {
		t.Fatal(err)
	}
}

func TestWhatHasANameIsOwedOnce(t *testing.T) {
	o := ledgerOutbox(t)
	tell(t, o, "disk", "phone", "mail")
	tell(t, o, "disk", "phone")
	want(t, "owed", owes(o), "mail, phone")
	tell(t, o, "", "phone")
	want(t, "owed with one of no name", owes(o), "mail, phone, phone")
}

// TestWhatIsTakenIsNobodyElses, and its tries are counted.
func TestWhatIsTakenIsNobodyElses(t *testing.T) {
	o := ledgerOutbox(t)
	tell(t, o, "", "phone")
	list := o.Owed(time.Now().Add(time.Second))
	taken, err := o.Claim(t.Context(), list, "m1")
	if err != nil || len(taken) != 1 || taken[0].Attempts != 1 {
		t.Fatalf("taken %+v, %v", taken, err)
	}
	if again, err := o.Claim(t.Context(), list, "m2"); err != nil || len(again) != 0 || owes(o) != "" {
		t.Errorf("taken again %+v, %v; owed %s", again, err, owes(o))
	}
	if err := o.Record(t.Context(), taken, down); err != nil {
		t.Fatal(err)
	}
	tried := o.Owed(time.Now().Add(time.Second))
	if len(tried) != 1 || tried[0].Attempts != 1 || tried[0].Message != "m1" {
		t.Fatalf("owed after a failure: %+v", tried)
	}
	if taken, err = o.Claim(t.Context(), tried, "m1"); err != nil || len(taken) != 1 || taken[0].Attempts != 2 {
		t.Fatalf("taken %+v, %v", taken, err)
	}
	if err := o.Record(t.Context(), taken, down); err != nil {
		t.Fatal(err)
	}
	if again := o.Owed(time.Now().Add(time.Second)); len(again) != 1 || !again[0].Due.Equal(tried[0].Due) {
		t.Errorf("it fails since %v, want since its first failure, %s", again, tried[0].Due)
	}
}

// TestWhatFellBackIsCounted where the other channel has it, and that is saved.
func TestWhatFellBackIsCounted(t *testing.T) {
	o := ledgerOutbox(t)
	tell(t, o, "", "phone", "pager")
	list := o.Owed(time.Now().Add(time.Second))
	if has, err := o.Fallback(t.Context(), list, "pager"); err != nil || has != 1 {
		t.Errorf("pager has %d of the two, %v; want that of the phone", has, err)
	}
	want(t, "owed", owes(o), "pager, phone") // it knew the same already
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if has, err := o.Fallback(ended, list, "mail"); err == nil || has != 0 {
		t.Errorf("mail has %d, %v; want an error", has, err)
	}
}

func TestWhatIsFannedOutIsOwedToEachTarget(t *testing.T) {
	o := ledgerOutbox(t)
	tell(t, o, "", "phone")
	if err := o.FanOut(t.Context(), o.Owed(time.Now().Add(time.Second)), []string{"me", "you"}); err != nil {
		t.Fatal(err)
	}
	want(t, "owed", owes(o), "phone me, phone you")
}
