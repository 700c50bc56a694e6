package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// storage is the database of a daemon, and how sound it is. While the real
// one cannot be written it is a temporary copy, which every door reads, so that
// memory is the truth for all of them.
type storage struct {
	*sqlite.Store
	path string    // where it belongs
	copy string    // the directory of a temporary copy, "" for none
	left []imprint // what the real files were when the copy was made
	note string    // what people should know
	next *storage  // takes its place in the next session
	// stranger says that the file in the real place is not ours to replace.
	stranger bool
}

// imprint tells whether a file is still what it was.
type imprint struct {
	info fs.FileInfo // nil where there was none
}

func (i imprint) holds(path string) bool {
	now, err := os.Stat(path)
	if i.info == nil || err != nil {
		return i.info == nil && errors.Is(err, fs.ErrNotExist)
	}
	return os.SameFile(i.info, now) && i.info.Size() == now.Size() && i.info.ModTime().Equal(now.ModTime())
}

// databaseFiles are those that hold what was committed.
func databaseFiles(path string) []string { return []string{path, path + "-wal"} }

func imprints(path string) (out []imprint) {
	for _, file := range databaseFiles(path) {
		info, err := os.Stat(file)
		if err != nil {
			info = nil
		}
		out = append(out, imprint{info})
	}
	return out
}

// openStorage opens the database. One that is damaged is set aside and the
// newest good backup takes its place; one that cannot be written is run as a
// temporary copy, so that people are still told.
func openStorage(ctx context.Context, c *app.Config, log *slog.Logger) (*storage, error) {
	s := &storage{path: databasePath(c)}
	var err error
	s.Store, err = sqlite.Open(ctx, s.path, sqlite.Options{Migrate: true})
	switch {
	case err == nil:
		return s, nil
	case errors.Is(err, sqlite.ErrMalformed):
		return s, s.restoreNewest(ctx, c, err)
	case (errors.Is(err, sqlite.ErrReadOnly) || errors.Is(err, sqlite.ErrFull)) && readable(s.path):
		log.Warn("the database cannot be written; running on a temporary copy", "error", err)
		return s, s.openCopy(ctx, err)
	}
	return nil, err
}

func readable(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// openCopy runs on a copy of the files in the runtime directory, which is in
// memory.
func (s *storage) openCopy(ctx context.Context, why error) error {
	return s.runOnCopy(ctx, why, func(dir string) error {
		for _, suffix := range []string{"", "-wal"} {
			if err := copyFile(s.path+suffix, filepath.Join(dir, "tocsin.db"+suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return nil
	})
}

// runOnCopy makes a copy with fill and opens it. The error is why there has to
// be one, if there cannot.
func (s *storage) runOnCopy(ctx context.Context, why error, fill func(dir string) error) error {
	s.left = imprints(s.path)
	dir, err := os.MkdirTemp(memoryDir(), "tocsin-copy-")
	if err != nil {
		return errors.Join(why, err)
	}
	if err := fill(dir); err != nil {
		return errors.Join(why, err, os.RemoveAll(dir))
	}
	store, err := sqlite.Open(ctx, filepath.Join(dir, "tocsin.db"), sqlite.Options{Migrate: true})
	if err != nil {
		return errors.Join(why, err, os.RemoveAll(dir))
	}
	s.Store, s.copy = store, dir
	s.note = "storage: " + rules.Sentence(why) + "; until then tocsin works on a copy in memory: what changes now is lost when it ends"
	return nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// restoreNewest sets a damaged database aside and goes on with the newest
// backup that is sound.
func (s *storage) restoreNewest(ctx context.Context, c *app.Config, why error) error {
	list := backups(c)
	if len(list) == 0 {
		return fmt.Errorf("%w (there is no backup in %s to restore)", why, backupDir(c))
	}
	aside := s.path + ".damaged-" + time.Now().UTC().Format("20060102-150405")
	if err := setAside(s.path, aside); err != nil {
		return errors.Join(why, err)
	}
	for _, backup := range slices.Backward(list) {
		if err := copyFile(backup, s.path); err != nil {
			return errors.Join(why, err)
		}
		store, err := sqlite.Open(ctx, s.path, sqlite.Options{Migrate: true})
		if err == nil {
			s.Store = store
			s.note = fmt.Sprintf("storage: the database was damaged; %s was restored, and the damaged file is kept as %s", filepath.Base(backup), filepath.Base(aside))
			return nil
		}
		if err := os.Remove(s.path); err != nil {
			return errors.Join(why, err)
		}
	}
	return errors.Join(why, os.Rename(aside, s.path))
}

// setAside renames a database with what belongs to it.
func setAside(path, aside string) error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(path+suffix, aside+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// notes are what status says of the database.
func (s *storage) notes() []string {
	if s.note == "" {
		return nil
	}
	return []string{s.note}
}

// degraded is why other processes must not use the real files, "" when they may.
func (s *storage) degraded() string {
	if s.copy == "" {
		return ""
	}
	return s.note
}

// Close closes the database and removes a temporary copy.
func (s *storage) Close() error {
	err := s.Store.Close()
	if s.copy != "" {
		err = errors.Join(err, os.RemoveAll(s.copy))
	}
	return err
}

// errReopen ends a session so that the next one works on another database.
var errReopen = errors.New("the database is to be opened again")

// lookAfter sees to it that the daemon works on a database that can be
// written: it returns errReopen when another one is to take its place.
func (d *daemon) lookAfter(ctx context.Context, book *evaluator.Book) error {
	s := d.store
	if s.copy != "" {
		return d.leaveCopy(ctx)
	}
	err := s.Check(ctx)
	switch {
	case errors.Is(err, sqlite.ErrGone):
		if err := s.Backup(ctx, s.path); err != nil {
			d.say(err)
			return d.takeCopy(ctx, err)
		}
		d.log.Warn("the database file was deleted; it is written again from the open one")
		return errReopen
	case err != nil:
		d.say(err)
		return d.takeCopy(ctx, err)
	case book.Unsaved() > 0 && book.Trouble() != nil:
		d.say(book.Trouble())
		return d.takeCopy(ctx, book.Trouble())
	}
	d.said = ""
	return nil
}

// say logs what is wrong with the database once.
func (d *daemon) say(err error) {
	if text := rules.Sentence(err); text != d.said {
		d.said = text
		d.log.Error("the database is not well", "error", err)
	}
}

// takeCopy prepares the next session's storage: a copy, from the open database,
// of one that cannot be written any more. Where there is no room for one, or
// the trouble may pass by itself, the ledgers in memory alone go on.
func (d *daemon) takeCopy(ctx context.Context, why error) error {
	lasting := []error{sqlite.ErrGone, sqlite.ErrReplaced, sqlite.ErrReadOnly, sqlite.ErrFull}
	if !slices.ContainsFunc(lasting, func(kind error) bool { return errors.Is(why, kind) }) {
		return nil
	}
	next := &storage{path: d.store.path, stranger: errors.Is(why, sqlite.ErrReplaced)}
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
		return nil
	}
	if err := s.moveTo(ctx, s.path); err != nil {
		d.log.Debug("the database cannot be written yet", "error", err)
		return nil
	}
	d.log.Warn("the database can be written again; what changed meanwhile is in it")
	return errReopen
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
	whole := path + ".new"
	if err := os.Remove(whole); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.Backup(ctx, whole); err != nil {
		return err
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return os.Rename(whole, path)
}

// reopen puts another database in the place of the present one, between two
// sessions.
func (d *daemon) reopen(ctx context.Context, c *app.Config) error {
	old, next := d.store, d.store.next
	if next == nil {
		var err error
		if next, err = openStorage(ctx, c, d.log); err != nil {
			return errors.Join(err, old.Close())
		}
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
