package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

// Fill stores n rules, each with one series that is remembered while it is
// quiet, and returns their ledgers.
func Fill(t testing.TB, s app.Store, n int) []*rules.Ledger {
	t.Helper()
	batch := make([]*rules.Ledger, n)
	for i := range batch {
		r := roster(fmt.Sprintf("rule-%05d", i))
		batch[i] = rules.NewLedger(r, ann, noon)
		observe(batch[i], noon, "a", rules.Good, 1)
	}
	save(t, s, batch...)
	return batch
}

// FillHistory stores n alerts of one rule that began a minute apart and are
// resolved.
func FillHistory(t testing.TB, s app.Store, n int) {
	t.Helper()
	l := rules.NewLedger(simple("history"), ann, noon)
	for i := range n {
		at := noon.Add(time.Duration(i) * time.Minute)
		observe(l, at, "a", rules.Bad, 5)
		observe(l, at.Add(30*time.Second), "a", rules.Good, 1)
	}
	save(t, s, l)
}

// Bench measures a store: commits of one ledger up to ten thousand, a start
// with ten thousand rules, and the first page of a long history.
func Bench(b *testing.B, open func(b *testing.B) app.Store) {
	for _, n := range []int{1, 1000, 10_000} {
		b.Run(fmt.Sprintf("save %d that begin to wait", n), func(b *testing.B) {
			s := open(b)
			benchSave(b, s, Fill(b, s, n))
		})
		b.Run(fmt.Sprintf("save %d that fire or resolve", n), func(b *testing.B) {
			s, batch := open(b), make([]*rules.Ledger, n)
			for i := range batch {
				batch[i] = rules.NewLedger(simple(fmt.Sprintf("rule-%05d", i)), ann, noon)
			}
			save(b, s, batch...)
			benchSave(b, s, batch)
		})
	}
	b.Run("load 10000", func(b *testing.B) { benchLoad(b, open(b)) })
	b.Run("list 50 of 20000 alerts", func(b *testing.B) { benchList(b, open(b)) })
}

// benchSave makes every ledger go bad and good in turns.
func benchSave(b *testing.B, s app.Store, batch []*rules.Ledger) {
	turn, verdict := noon, rules.Good
	for b.Loop() {
		turn, verdict = turn.Add(time.Minute), rules.Good+rules.Bad-verdict
		for _, l := range batch {
			observe(l, turn, "a", verdict, 5)
		}
		save(b, s, batch...)
	}
}

func benchLoad(b *testing.B, s app.Store) {
	Fill(b, s, 10_000)
	b.ResetTimer()
	for b.Loop() {
		if got, err := s.Load(b.Context()); err != nil || len(got) != 10_001 {
			b.Fatalf("Load returned %d ledgers, %v", len(got), err)
		}
	}
}

func benchList(b *testing.B, s app.Store) {
	FillHistory(b, s, 20_000)
	b.ResetTimer()
	for b.Loop() {
		if got, total, err := s.Alerts(b.Context(), app.AlertFilter{Limit: 50}); err != nil || len(got) != 50 ||
			total != 20_000 {
			b.Fatalf("Alerts returned %d of %d, %v", len(got), total, err)
		}
	}
}
