package daemon

import (
	"log/slog"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/booktest"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// TestWhatCouldNotBeToldIsToldTheNextTime: what is wrong with the files is not
// forgotten with a book that takes nothing.
func TestWhatCouldNotBeToldIsToldTheNextTime(t *testing.T) {
	store := booktest.Store(t, "")
	open := func() (*evaluator.Book, *evaluator.Engine) {
		book, err := evaluator.OpenBook(t.Context(), store, evaluator.BookOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return book, evaluator.NewEngine(book, slog.New(slog.DiscardHandler), evaluator.EngineOptions{
			Operators: func() []string { return []string{"ops"} },
		})
	}
	d := &daemon{store: &sqlite.Guarded{}}
	d.store.Tell("a backup was restored")
	d.notices.add("the disk is full")
	d.notices.add("a file is in the way")
	book, engine := open()
	book.Retire()
	d.notifyOperators(t.Context(), engine)
	book, engine = open()
	for range 2 {
		d.notifyOperators(t.Context(), engine)
	}
	told := map[string]int{}
	for _, n := range book.Owed(time.Now().Add(time.Minute)) {
		if n.Reason == rules.Operational {
			told[n.Facts.Text]++
		}
	}
	for _, text := range []string{"storage: a backup was restored", "the disk is full", "a file is in the way"} {
		if told[text] != 1 {
			t.Errorf("told %d times: %s", told[text], text)
		}
	}
}
