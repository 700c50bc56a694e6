package daemon

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// errReopen ends a session so that the next one works on another database.
var errReopen = errors.New("the database is to be opened again")

// lookAfter sees to it that the daemon works on a database that can be written
// and has everything: it returns errReopen when another one is to take its
// place.
func (d *daemon) lookAfter(ctx context.Context, c *app.Config, book *evaluator.Book) error {
	if d.store.copy != "" {
		return d.leaveCopy(ctx)
	}
	if d.store.broken != nil {
		return d.recover(ctx, c, d.store.broken)
	}
	err := d.store.Check(ctx)
	if err == nil && book.Unsaved() > 0 {
		err = book.Trouble()
	}
	d.say(aboutDatabase, err)
	switch {
	case err == nil:
		return d.foldLog(ctx)
	case errors.Is(err, sqlite.ErrGone):
		return d.writeAgain(ctx, c, err)
	case errors.Is(err, sqlite.ErrDamaged), errors.Is(err, sqlite.ErrMalformed):
		return d.recover(ctx, c, err)
	}
	return d.takeCopy(ctx, err)
}

// lastLook looks after the database once more when the daemon ends: what went
// wrong since the last tick nobody else can mend from memory.
func (d *daemon) lastLook(ctx context.Context, c *app.Config) error {
	if d.book == nil {
		return nil
	}
	err := d.lookAfter(ctx, c, d.book)
	switch {
	case !errors.Is(err, errReopen):
		return err
	case d.store.next == nil:
		return nil // it is written
	case d.store.next.copy != "":
		return d.store.next.Close() // in memory, which ends too
	}
	if err := d.reopen(ctx, c); err != nil {
		return err
	}
	book, err := openBook(ctx, c, d.store, app.NewDirectory(c, d.store, d.vault, d.log), nil)
	if err != nil {
		return err
	}
	return book.Inherit(ctx, d.book, time.Now().UTC(), d.store.lost)
}

// inherit gives a book what the one before holds, and says how complete a
// database is that was made anew.
func (d *daemon) inherit(ctx context.Context, book *evaluator.Book) {
	err := book.Inherit(ctx, d.book, time.Now().UTC(), d.store.lost)
	switch {
	case err != nil:
		d.log.Error("what is in memory is not all in the database yet", "error", err)
		d.store.tell("not all that is in memory could be written into the database yet")
	case d.store.lost > 0:
		d.store.tell("rules, open alerts, silences, channels and messages on their way are as they were in memory; " +
			"of what had ended, also of messages that could not be delivered, some may be missing")
	}
	d.book, d.store.lost = book, 0
}

// takeCopy prepares the next session's storage: a copy, from the open database,
// of one that cannot be written any more. Where there is no room for one, or
// the trouble may pass by itself, the ledgers in memory alone go on.
func (d *daemon) takeCopy(ctx context.Context, why error) error {
	lasting := []error{sqlite.ErrGone, sqlite.ErrReplaced, sqlite.ErrReadOnly, sqlite.ErrFull}
	if !slices.ContainsFunc(lasting, func(kind error) bool { return errors.Is(why, kind) }) {
		return nil
	}
	next := &storage{path: d.store.path, mark: d.store.mark, stranger: errors.Is(why, sqlite.ErrReplaced)}
	err := next.runOnCopy(ctx, why, func(dir string) error { return d.store.Backup(ctx, filepath.Join(dir, "tocsin.db")) })
	if err != nil {
		d.log.Debug("no temporary copy of the database", "error", err)
		return nil
	}
	d.store.next = next
	return errReopen
}

// leaveCopy writes the copy to the real place, once that can be written again.
// What somebody else put there stays.
func (d *daemon) leaveCopy(ctx context.Context) error {
	s := d.store
	if _, err := os.Stat(s.path); !errors.Is(err, fs.ErrNotExist) && (s.stranger || s.touched()) {
		return s.saveBeside(ctx)
	}
	if err := s.moveTo(ctx, s.path); err != nil {
		d.log.Debug("the database cannot be written yet", "error", err)
		return nil
	}
	d.log.Warn("the database can be written again; what changed meanwhile is in it")
	return errReopen
}

// saveBeside writes what is in memory beside the file that somebody put in the
// place of the database, so that it is not lost with this process.
func (s *storage) saveBeside(ctx context.Context) error {
	have, err := s.Revision(ctx)
	if err != nil || have == s.beside {
		return err
	}
	if _, err := s.draft(ctx, s.path); err == nil {
		s.beside = have // a disk that cannot be written was told of
	}
	return nil
}

// touched reports whether somebody changed the real files since the copy was
// made.
func (s *storage) touched() bool {
	for i, file := range databaseFiles(s.path) {
		if !s.left[i].holds(file) {
			return true
		}
	}
	return false
}

// moveTo writes the database beside path and then in its place.
func (s *storage) moveTo(ctx context.Context, path string) error {
	whole, err := s.draft(ctx, path)
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
func (s *storage) draft(ctx context.Context, path string) (whole string, err error) {
	whole = path + draftSuffix
	if err := os.Remove(whole); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return whole, s.Backup(ctx, whole)
}

// writeAgain writes the database from the open files, where their names are
// gone.
func (d *daemon) writeAgain(ctx context.Context, c *app.Config, why error) error {
	err := d.store.moveTo(ctx, d.store.path)
	switch {
	case err == nil:
		d.store.after = rules.Sentence(why) + ". It was written again from the open files, and nothing is lost"
		return errReopen
	case errors.Is(err, sqlite.ErrMalformed), errors.Is(err, sqlite.ErrDamaged):
		return d.recover(ctx, c, err)
	}
	d.say(aboutDatabase, err)
	return d.takeCopy(ctx, err)
}

// recover prepares a database for the next session in the place of one whose
// contents are damaged: of the newest sound state there is on the disk, and of
// all that is in memory.
func (d *daemon) recover(ctx context.Context, c *app.Config, why error) error {
	old := d.store
	if old.broken == nil {
		old.broken, old.aside, old.sound = why, rules.Aside(old.path, "damaged"), old.Sound()
		d.seeLast(ctx)
	}
	if err := setAside(old.path, old.aside); err != nil {
		d.say(aboutDatabase, err)
		return nil // what is in memory goes on
	}
	list, remove := old.remains()
	defer remove()
	list = append(copies(c), list...)
	kept := old.Keepsake()
	next, base := &storage{path: old.path, mark: old.mark, lost: kept.Ledgers()}, newest(ctx, list)
	if err := next.startFrom(ctx, base, old.broken); err != nil {
		d.say(aboutDatabase, err)
		return nil
	}
	next.tell("%s. It was written anew from memory%s%s", rules.Sentence(old.broken), onTop(base), keptAs(old.aside))
	old.next = next
	return errReopen
}

// seeLast reads what others have committed since the last tick, where the open
// files of a broken database still tell.
func (d *daemon) seeLast(ctx context.Context) {
	if d.book == nil {
		return
	}
	if _, err := d.book.Version(ctx); err != nil {
		d.log.Debug("what others changed last cannot be read", "error", err)
	}
}

// remains are what can still be had of the files of a broken database: the file
// and its log where only the log's index was harmed, the file alone where that
// is one state.
func (s *storage) remains() (list []string, remove func()) {
	remove = func() {}
	if s.Log().Alone() {
		list = append(list, s.aside)
	}
	if !s.sound {
		return list, remove
	}
	dir, err := os.MkdirTemp(filepath.Dir(s.path), ".folded-")
	if err != nil {
		return list, remove
	}
	remove = func() { _ = os.RemoveAll(dir) }
	// Under another name and inode: SQLite still has the old ones open.
	folded := filepath.Join(dir, databaseEntry)
	if copyFile(s.aside, folded) != nil || copyFile(s.aside+"-wal", folded+"-wal") != nil || sqlite.Fold(folded) != nil {
		return list, remove
	}
	return append(list, folded), remove
}

func onTop(base string) string {
	if base == "" {
		return ""
	}
	return " on top of " + filepath.Base(base)
}

// foldLog folds the log into the database every few minutes, at quiet times when
// there are such, so that a copy of the file alone lacks little. What is written
// again and again meanwhile is folded once, which spares the disk. A large log is
// folded at once: no commit does.
func (d *daemon) foldLog(ctx context.Context) error {
	d.store.jot(ctx)
	if !d.folding.due(d.store.Log(), time.Now()) {
		return nil
	}
	if err := d.store.Checkpoint(ctx); err != nil {
		d.say(aboutDatabase, err)
		return nil
	}
	d.folding = folding{last: time.Now()}
	return d.store.settled(ctx)
}

// jot notes in memory how far the database is.
func (s *storage) jot(ctx context.Context) {
	if have, err := s.Revision(ctx); err == nil && s.copy == "" {
		s.mark.jot(have)
	}
}

// jotEach is jot after commits, none of which waits for it.
func (s *storage) jotEach(commits <-chan struct{}) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-commits:
				s.jot(ctx)
			}
		}
	}
}

// signalTo wakes who waits for something, once for all that comes meanwhile.
func signalTo(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// folding decides when a log is folded.
type folding struct {
	frames       int64     // of the log at the last look
	since, quiet time.Time // when it had something to fold first, and when it grew last
	last         time.Time // when it was folded
}

const (
	foldQuiet = time.Minute
	foldAtAll = 5 * time.Minute
	foldLarge = 1000 // frames: 4 MB
)

func (f *folding) due(l sqlite.Log, now time.Time) bool {
	switch {
	case !l.Pending():
		*f = folding{last: f.last}
		return false
	case f.since.IsZero():
		f.since, f.quiet, f.frames = now, now, l.Frames
	case l.Frames != f.frames:
		f.quiet, f.frames = now, l.Frames
	}
	quiet := now.Sub(f.quiet) >= foldQuiet && now.Sub(f.last) >= foldAtAll
	return l.Touched || l.Frames >= foldLarge || quiet || now.Sub(f.since) >= foldAtAll
}

// reopen puts another database in the place of the present one, between two
// sessions.
func (d *daemon) reopen(ctx context.Context, c *app.Config) error {
	d.book.Retire() // a request that is still under way would act on what is closed
	old, next := d.store, d.store.next
	if next == nil {
		var err error
		if next, err = openStorage(ctx, c, d.log); err != nil {
			return errors.Join(err, old.Close())
		}
	}
	if old.after != "" {
		next.tell("%s", old.after)
	}
	// What was committed while the other was being made.
	if err := next.PutBack(ctx, old.Keepsake()); err != nil {
		d.log.Warn("channels, silences and tokens are as they were a moment ago", "error", err)
	}
	d.store = next
	if err := old.Close(); err != nil {
		d.log.Warn("the database before was not closed well", "error", err)
	}
	if next.copy != "" {
		next.left = imprints(next.path) // closing may have folded the log in
	}
	return nil
}
