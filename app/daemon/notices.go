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

// notices are what a daemon has to tell its operators of its own files, each thing
// once until it changes.
type notices struct {
	mu     sync.Mutex
	wrong  map[string]string // by what it is about
	owed   []string
	stored string // the note about the database that was told
}

// set notes what is wrong with something, nil for nothing any more, and reports
// whether that is new.
func (n *notices) set(about string, err error) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err == nil {
		delete(n.wrong, about)
		return false
	}
	text := rules.Sentence(err)
	if n.wrong[about] == text {
		return false
	}
	if n.wrong == nil {
		n.wrong = map[string]string{}
	}
	n.wrong[about] = text
	return true
}

func (n *notices) add(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.owed = append(n.owed, text)
}

// lasting is what is wrong with the files now, but for the database, which has
// its own note.
func (n *notices) lasting() (out []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, about := range slices.Sorted(maps.Keys(n.wrong)) {
		if about != aboutDatabase {
			out = append(out, "storage: "+n.wrong[about])
		}
	}
	return out
}

// pending is what people were not told yet, and the note about the database if
// it is new.
func (n *notices) pending(note string) (owed []string, stored string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if note != n.stored {
		stored = note
	}
	return slices.Clone(n.owed), stored
}

// sentStored notes that people were told the note about the database.
func (n *notices) sentStored(note string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stored = note
}

// sentFirst notes that people were told the first thing that they were owed.
func (n *notices) sentFirst() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.owed = n.owed[1:]
}

const aboutDatabase = "database"

// note logs what is wrong with something once.
func (d *daemon) note(about string, err error) bool {
	fresh := d.notices.set(about, err)
	if fresh {
		d.log.Error("the data directory is not well", "about", about, "error", err)
	}
	return fresh
}

// report is note, and the operators are told too.
func (d *daemon) report(path string, err error) {
	if d.note(path, err) {
		d.notices.add(rules.Sentence(err))
	}
}

// notifyOperators tells the operators what they were not told yet. What cannot be booked
// now is told the next time.
func (d *daemon) notifyOperators(ctx context.Context, e *evaluator.Engine) {
	owed, stored := d.notices.pending(d.store.Note())
	if stored != "" && e.Tell(ctx, "tocsin's database", stored, time.Now().UTC()) {
		d.notices.sentStored(stored)
	}
	for _, text := range owed {
		if !e.Tell(ctx, "tocsin's data directory", text, time.Now().UTC()) {
			return
		}
		d.notices.sentFirst()
	}
}
