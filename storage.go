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
	"strings"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// storage is the database of a daemon, and how sound it is.
type storage struct {
	*sqlite.Store
	path string // where it belongs
	copy string // the directory of a temporary copy, when the real one cannot be written
	note string // what people should know
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

// openCopy runs on a copy in memory or in the temporary directory.
func (s *storage) openCopy(ctx context.Context, why error) error {
	dir, err := os.MkdirTemp(os.Getenv("RUNTIME_DIRECTORY"), "tocsin-copy-")
	if err != nil {
		return errors.Join(why, err)
	}
	s.copy = dir
	for _, suffix := range []string{"", "-wal"} {
		if err := copyFile(s.path+suffix, filepath.Join(dir, "tocsin.db"+suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(why, err, os.RemoveAll(dir))
		}
	}
	if s.Store, err = sqlite.Open(ctx, filepath.Join(dir, "tocsin.db"), sqlite.Options{Migrate: true}); err != nil {
		return errors.Join(why, err, os.RemoveAll(dir))
	}
	s.note = "storage: " + rules.Sentence(why) + "; until then tocsin works on a temporary copy: what changes now is lost when it ends"
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
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(s.path+suffix, aside+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(why, err)
		}
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

// notes are what status says of the database.
func (s *storage) notes() []string {
	if s.note == "" {
		return nil
	}
	return []string{s.note}
}

// Close closes the database and removes a temporary copy.
func (s *storage) Close() error {
	err := s.Store.Close()
	if s.copy != "" {
		err = errors.Join(err, os.RemoveAll(s.copy))
	}
	return err
}

func backupDir(c *app.Config) string { return filepath.Join(c.DataDir, "backups") }

// backups lists the backups, the oldest first: their names are their times.
func backups(c *app.Config) []string {
	list, err := filepath.Glob(filepath.Join(backupDir(c), "tocsin-*.db"))
	if err != nil {
		return nil
	}
	slices.Sort(list)
	return list
}

const (
	backupsKept = 7
	historyKept = 90 * 24 * time.Hour
	pruneAtOnce = 500
)

// keepHouse saves a backup a day when something has changed, deletes old
// history, and looks every ten seconds whether the database is still there.
func (d *daemon) keepHouse(ctx context.Context, c *app.Config) error {
	look, daily := time.NewTicker(10*time.Second), time.NewTicker(time.Hour)
	defer look.Stop()
	defer daily.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
			if err := d.lookAfter(ctx, c); err != nil {
				return err
			}
		case <-daily.C:
			if d.clock != nil && d.clock.Blind() {
				continue // a wrong date would delete history
			}
			if err := d.backUp(ctx, c); err != nil {
				d.log.Error("no backup made", "error", err)
			}
		}
	}
}

// lookAfter writes the database again when its file was deleted under the
// daemon: all of it is still there for who has it open.
func (d *daemon) lookAfter(ctx context.Context, c *app.Config) error {
	err := d.store.Check(ctx)
	switch {
	case errors.Is(err, sqlite.ErrGone):
		if err := d.store.Backup(ctx, d.store.path); err != nil {
			d.log.Error("the database file is gone and cannot be written again", "error", err)
			return nil
		}
		d.log.Warn("the database file was deleted; it is written again from the open one")
		return errReopen
	case err != nil && rules.Sentence(err) != d.said:
		d.said = rules.Sentence(err)
		d.log.Error("the database is not well", "error", err)
	case err == nil:
		d.said = ""
	}
	return nil
}

// errReopen ends a session so that the next one opens the database anew.
var errReopen = errors.New("the database is to be opened again")

// backUp makes the backup of a day, if anything changed since the last, and
// deletes what is older than the history that is kept.
func (d *daemon) backUp(ctx context.Context, c *app.Config) error {
	list, today := backups(c), "tocsin-"+time.Now().UTC().Format("20060102")
	if d.store.copy != "" || len(list) > 0 && (strings.HasPrefix(filepath.Base(list[len(list)-1]), today) || !newer(d.store.path, list[len(list)-1])) {
		return nil
	}
	if _, err := d.store.Prune(ctx, time.Now().Add(-historyKept), pruneAtOnce); err != nil {
		return err
	}
	if err := os.MkdirAll(backupDir(c), 0o750); err != nil {
		return fmt.Errorf("make the backup directory: %w", err)
	}
	if err := d.store.Backup(ctx, filepath.Join(backupDir(c), today+".db")); err != nil {
		return err
	}
	for len(list) >= backupsKept {
		if err := os.Remove(list[0]); err != nil {
			return fmt.Errorf("remove an old backup: %w", err)
		}
		list = list[1:]
	}
	return nil
}

// newer reports whether the database was written after a backup.
func newer(path, backup string) bool {
	made, err := os.Stat(backup)
	if err != nil {
		return true
	}
	for _, suffix := range []string{"", "-wal"} {
		if info, err := os.Stat(path + suffix); err == nil && info.ModTime().After(made.ModTime()) {
			return true
		}
	}
	return false
}
