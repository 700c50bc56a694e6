package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// ErrReopen says that another database is to take the place of the present one.
var ErrReopen = errors.New("the database is to be opened again")

// Hooks are what supervision asks and tells the daemon.
type Hooks struct {
	Trouble  func() error              // why something could not be saved, nil where all could
	Report   func(error)               // is told what is wrong now, nil for nothing
	ReadLast func(ctx context.Context) // reads what others did last in one that is given up
}

// Supervise sees to it that the daemon works on a database that can be written
// and has everything: it returns ErrReopen when another one is to take its
// place.
func (g *Guarded) Supervise(ctx context.Context, h Hooks) error {
	if g.copy != "" {
		return g.endCopy(ctx)
	}
	if g.broken != nil {
		return g.recover(ctx, h, g.broken)
	}
	err := g.Check(ctx)
	if err == nil {
		err = h.Trouble()
	}
	h.Report(err)
	switch {
	case err == nil:
		return g.checkpointDue(ctx, h)
	case errors.Is(err, ErrGone):
		return g.rewrite(ctx, h, err)
	case errors.Is(err, ErrDamaged), errors.Is(err, ErrMalformed):
		return g.recover(ctx, h, err)
	}
	return g.startCopy(ctx, err)
}

// startCopy prepares the next session's storage: a copy, from the open database,
// of one that cannot be written any more. Where there is no room for one, or
// the trouble may pass by itself, the ledgers in memory alone go on.
func (g *Guarded) startCopy(ctx context.Context, why error) error {
	lasting := []error{ErrGone, ErrReplaced, ErrReadOnly, ErrFull}
	if !slices.ContainsFunc(lasting, func(kind error) bool { return errors.Is(why, kind) }) {
		return nil
	}
	next := &Guarded{files: g.files, log: g.log, mark: g.mark, foreign: errors.Is(why, ErrReplaced)}
	err := next.runOnCopy(ctx, why, func(dir string) error { return g.Backup(ctx, filepath.Join(dir, DatabaseEntry)) })
	if err != nil {
		g.log.Debug("no temporary copy of the database", "error", err)
		return nil
	}
	g.next = next
	return ErrReopen
}

// endCopy writes the copy to the real place, once that can be written again.
// What somebody else put there stays.
func (g *Guarded) endCopy(ctx context.Context) error {
	if _, err := os.Stat(g.files.Path); !errors.Is(err, fs.ErrNotExist) && (g.foreign || g.touched()) {
		return g.saveBeside(ctx)
	}
	if err := g.moveTo(ctx, g.files.Path); err != nil {
		g.log.Debug("the database cannot be written yet", "error", err)
		return nil
	}
	g.log.Warn("the database can be written again; what changed meanwhile is in it")
	return ErrReopen
}

// saveBeside writes what is in memory beside the file that somebody put in the
// place of the database, so that it is not lost with this process.
func (g *Guarded) saveBeside(ctx context.Context) error {
	have, err := g.Revision(ctx)
	if err != nil || have == g.beside {
		return err
	}
	if _, err := g.draft(ctx, g.files.Path); err == nil {
		g.beside = have // a disk that cannot be written was told of
	}
	return nil
}

// touched reports whether somebody changed the real files since the copy was
// made.
func (g *Guarded) touched() bool {
	for i, file := range databaseFiles(g.files.Path) {
		if !g.left[i].holds(file) {
			return true
		}
	}
	return false
}

// moveTo writes the database beside path and then in its place.
func (g *Guarded) moveTo(ctx context.Context, path string) error {
	whole, err := g.draft(ctx, path)
	if err != nil {
		return err
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if err := os.Rename(path, rules.Aside(path, "before")); err != nil {
			return err
		}
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.RemoveAll(path + suffix); err != nil {
			return err
		}
	}
	return os.Rename(whole, path)
}

// draft writes the database beside path.
func (g *Guarded) draft(ctx context.Context, path string) (whole string, err error) {
	whole = path + draftSuffix
	if err := os.Remove(whole); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return whole, g.Backup(ctx, whole)
}

// rewrite writes the database from the open files, where their names are
// gone.
func (g *Guarded) rewrite(ctx context.Context, h Hooks, why error) error {
	err := g.moveTo(ctx, g.files.Path)
	switch {
	case err == nil:
		g.after = rules.Sentence(why) + ". It was written again from the open files, and nothing is lost"
		return ErrReopen
	case errors.Is(err, ErrMalformed), errors.Is(err, ErrDamaged):
		return g.recover(ctx, h, err)
	}
	h.Report(err)
	return g.startCopy(ctx, err)
}

// recover prepares a database for the next session in the place of one whose
// contents are damaged: of the newest sound state there is on the disk, and of
// all that is in memory.
func (g *Guarded) recover(ctx context.Context, h Hooks, why error) error {
	if g.broken == nil {
		g.broken, g.aside, g.sound = why, rules.Aside(g.files.Path, "damaged"), g.Sound()
		h.ReadLast(ctx)
	}
	if err := setAside(g.files.Path, g.aside); err != nil {
		h.Report(err)
		return nil // what is in memory goes on
	}
	list, remove := g.remains()
	defer remove()
	list = append(g.files.copies(), list...)
	kept := g.SideTables()
	next, base := &Guarded{files: g.files, log: g.log, mark: g.mark, lost: kept.Ledgers()}, newest(ctx, list)
	if err := next.startFrom(ctx, base, g.broken); err != nil {
		h.Report(err)
		return nil
	}
	next.AddNote("%s. It was written anew from memory%s%s", rules.Sentence(g.broken), onTop(base), keptAs(g.aside))
	g.next = next
	return ErrReopen
}

// remains are what can still be had of the files of a broken database: the file
// and its log where only the log's index was harmed, the file alone where that
// is one state.
func (g *Guarded) remains() (list []string, remove func()) {
	remove = func() {}
	if g.WAL().Alone() {
		list = append(list, g.aside)
	}
	if !g.sound {
		return list, remove
	}
	dir, err := os.MkdirTemp(filepath.Dir(g.files.Path), ".folded-")
	if err != nil {
		return list, remove
	}
	remove = func() { _ = os.RemoveAll(dir) }
	// Under another name and inode: SQLite still has the old ones open.
	whole := filepath.Join(dir, DatabaseEntry)
	if copyFile(g.aside, whole) != nil || copyFile(g.aside+"-wal", whole+"-wal") != nil || checkpointFile(whole) != nil {
		return list, remove
	}
	return append(list, whole), remove
}

func onTop(base string) string {
	if base == "" {
		return ""
	}
	return " on top of " + filepath.Base(base)
}

// checkpointDue checkpoints the log every few minutes, at quiet times when
// there are such, so that a copy of the file alone lacks little. What is written
// again and again meanwhile is checkpointed once, which spares the disk. A large log is
// checkpointed at once: no commit does.
func (g *Guarded) checkpointDue(ctx context.Context, h Hooks) error {
	g.NoteRevision(ctx)
	if !g.checkpointing.due(g.WAL(), time.Now()) {
		return nil
	}
	if err := g.Checkpoint(ctx); err != nil {
		h.Report(err)
		return nil
	}
	g.checkpointing = checkpointing{last: time.Now()}
	return g.SaveRevision(ctx)
}

// NoteRevision notes in memory how far the database is.
func (g *Guarded) NoteRevision(ctx context.Context) {
	if have, err := g.Revision(ctx); err == nil && g.copy == "" {
		g.mark.noteInMemory(have)
	}
}

// NoteCommits is NoteRevision after commits, none of which waits for it.
func (g *Guarded) NoteCommits(commits <-chan struct{}) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-commits:
				g.NoteRevision(ctx)
			}
		}
	}
}

// Replace closes the database and returns the one that takes its place.
func (g *Guarded) Replace(ctx context.Context) (next *Guarded, err error) {
	if next = g.next; next == nil {
		if next, err = OpenGuarded(ctx, g.files, g.log); err != nil {
			return nil, errors.Join(err, g.Close())
		}
	}
	next.checkpointing = g.checkpointing
	if g.after != "" {
		next.AddNote("%s", g.after)
	}
	// What was committed while the other was being made.
	if err := next.RestoreTables(ctx, g.SideTables()); err != nil {
		g.log.Warn("channels, silences and tokens are as they were a moment ago", "error", err)
	}
	if err := g.Close(); err != nil {
		g.log.Warn("the database before was not closed well", "error", err)
	}
	if next.copy != "" {
		next.left = fingerprints(next.files.Path) // closing may have checkpointed the log
	}
	return next, nil
}

// Drop closes a database that is to take the place of this one, where that is in
// memory and ends with the process. It reports whether there is none to be
// written to.
func (g *Guarded) Drop() (none bool, err error) {
	switch {
	case g.next == nil:
		return true, nil // it is written
	case g.next.copy != "":
		return true, g.next.Close()
	}
	return false, nil
}
