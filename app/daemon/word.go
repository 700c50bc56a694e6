package daemon

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// word is what a daemon has to tell its operators of its own files, each thing
// once until it changes.
type word struct {
	mu     sync.Mutex
	wrong  map[string]string // by what it is about
	owed   []string
	stored string // the note about the database that was told
}

// set notes what is wrong with something, nil for nothing any more, and reports
// whether that is new.
func (w *word) set(about string, err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		delete(w.wrong, about)
		return false
	}
	text := rules.Sentence(err)
	if w.wrong[about] == text {
		return false
	}
	if w.wrong == nil {
		w.wrong = map[string]string{}
	}
	w.wrong[about] = text
	return true
}

func (w *word) owe(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.owed = append(w.owed, text)
}

// lasting is what is wrong with the files now, but for the database, which has
// its own note.
func (w *word) lasting() (out []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, about := range slices.Sorted(maps.Keys(w.wrong)) {
		if about != aboutDatabase {
			out = append(out, "storage: "+w.wrong[about])
		}
	}
	return out
}

// untold is what people were not told yet, and the note about the database if
// it is new.
func (w *word) untold(note string) (owed []string, stored string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if note != w.stored {
		stored = note
	}
	return slices.Clone(w.owed), stored
}

// told notes that people were told the note about the database.
func (w *word) told(note string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stored = note
}

// pay notes that people were told the first thing that they were owed.
func (w *word) pay() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.owed = w.owed[1:]
}

const aboutDatabase = "database"

// say logs what is wrong with something once.
func (d *daemon) say(about string, err error) bool {
	fresh := d.word.set(about, err)
	if fresh {
		d.log.Error("the data directory is not well", "about", about, "error", err)
	}
	return fresh
}

// report is say, and the operators are told too.
func (d *daemon) report(path string, err error) {
	if d.say(path, err) {
		d.word.owe(rules.Sentence(err))
	}
}

// passOn tells the operators what they were not told yet. What cannot be booked
// now is told the next time.
func (d *daemon) passOn(ctx context.Context, e *evaluator.Engine) {
	owed, stored := d.word.untold(d.store.Note())
	if stored != "" && e.Tell(ctx, "tocsin's database", stored, time.Now().UTC()) {
		d.word.told(stored)
	}
	for _, text := range owed {
		if !e.Tell(ctx, "tocsin's data directory", text, time.Now().UTC()) {
			return
		}
		d.word.pay()
	}
}
