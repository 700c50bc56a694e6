package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// suffixes are those of the files that one database is made of: the file, its
// log, and the log's index.
var suffixes = []string{"", "-wal", "-shm"}

// watch is what the files were when they were last known to be sound. As long as
// the database is open nobody removes any of them, or makes them anew.
type watch struct {
	opened  []fs.FileInfo // by suffixes; nil for one that is not there
	size    int64         // of the file itself
	changed time.Time
	log     WAL
	checked time.Time // when the log that was verified had been changed
}

// WAL says how much was committed that is not in the file itself.
type WAL struct {
	Frames       int64 // in the log
	Checkpointed int64 // of them, that are in the file as well
	// Touched says that another wrote into the file, which harmed nothing that
	// is not in the log.
	Touched bool
}

// Pending reports whether a copy of the file alone would lack something.
func (l WAL) Pending() bool { return l.Checkpointed < l.Frames }

// Alone reports whether the file alone is one state of the database: nothing of
// the log is checkpointed into it, or all.
func (l WAL) Alone() bool { return l.Checkpointed == 0 || !l.Pending() }

// Sound reports whether the log on the disk has all that the last Check found
// in it.
func (s *Store) Sound() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return verifyLog(s.path+"-wal", s.watch.log.Frames) == nil
}

// WAL returns what the last Check found.
func (s *Store) WAL() WAL {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watch.log
}

// noteFiles remembers the files that were opened.
func (s *Store) noteFiles() error {
	s.watch.opened = make([]fs.FileInfo, len(suffixes))
	for i, suffix := range suffixes {
		info, err := os.Stat(s.path + suffix)
		switch {
		case err == nil:
			s.watch.opened[i] = info
		case i == 0 || !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	return s.noteFile()
}

// noteFile takes the file as it is now for sound.
func (s *Store) noteFile() error {
	info, err := os.Stat(s.path)
	if err != nil {
		return err
	}
	s.watch.size, s.watch.changed = info.Size(), info.ModTime()
	return nil
}

// Check reports whether the database answers and can be written, whether its
// files are still the ones that are open, and whether what was committed is in
// them. It writes nothing.
func (s *Store) Check(ctx context.Context) error {
	s.checking.Lock()
	defer s.checking.Unlock()
	if err := s.wholeFile(ctx); err != nil {
		return s.fault("check database", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.sameFiles(); err != nil {
		return err
	}
	if s.pinned == nil {
		return fmt.Errorf("check database: %w", sql.ErrConnDone)
	}
	if s.options.ReadOnly {
		_, err := s.pinned.look(ctx)
		return s.fault("check database", err)
	}
	if err := s.remember(ctx); err != nil {
		return s.fault("check database", err)
	}
	return s.fault("check database", s.pinned.tryWrite(ctx))
}

// sameFiles compares device and inode.
func (s *Store) sameFiles() error {
	if err := s.sameFile(); err != nil {
		return err
	}
	for i, suffix := range suffixes[1:] {
		was, path := s.watch.opened[i+1], s.path+suffix
		if was == nil {
			continue
		}
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return personal(ErrGone, nil, "the file %s was removed while tocsin runs", path)
		case err != nil:
			return fileFault(path, err)
		case !os.SameFile(info, was):
			return personal(ErrGone, nil, "the file %s was replaced while tocsin runs", path)
		}
	}
	return nil
}

// sameFile compares device and inode of the file itself.
func (s *Store) sameFile() error {
	info, err := os.Stat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return personal(ErrGone, nil, "the database file %s was removed while tocsin runs", s.path)
	case err != nil:
		return fileFault(s.path, err)
	case !info.Mode().IsRegular():
		return personal(ErrGone, nil, "a %s was put in the place of the database file %s while tocsin runs",
			kindOf(info.Mode()), s.path)
	case !os.SameFile(info, s.watch.opened[0]):
		return personal(ErrReplaced, nil,
			"the database file %s was replaced while tocsin runs: restart tocsin to use the new one", s.path)
	}
	return nil
}

// logWritable asks the operating system, because a file system that turned
// read-only shows only when something is written. It opens the log and never
// the database: closing that would drop SQLite's locks on it.
func (s *Store) logWritable() error {
	f, err := os.OpenFile(s.path+"-wal", os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was written yet
	}
	if err != nil {
		return fileFault(s.path, err)
	}
	return f.Close()
}

// wholeFile reports whether somebody else than SQLite wrote into the files. What
// it reads is little: the log when it was written to, and the file when it was
// changed by no checkpoint of this store; that is long, and no commit waits.
func (s *Store) wholeFile(ctx context.Context) error {
	changed, known, err := s.strange(ctx)
	if err != nil || changed == nil {
		return err
	}
	if err := s.readAnew(ctx, known); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch.size, s.watch.changed, s.watch.log.Touched = changed.Size(), changed.ModTime(), true
	return nil
}

// strange looks at the files and the log. It returns the file where that was
// changed by no checkpoint of this store, with what is known to be in it.
func (s *Store) strange(ctx context.Context) (changed fs.FileInfo, known seen, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pinned == nil {
		return nil, known, sql.ErrConnDone
	}
	if err := s.sameFiles(); err != nil || s.options.ReadOnly {
		return nil, known, err
	}
	if err := s.logWritable(); err != nil {
		return nil, known, err
	}
	if err := s.logWhole(ctx); err != nil {
		return nil, known, err
	}
	info, err := os.Stat(s.path)
	if err != nil {
		return nil, known, fileFault(s.path, err)
	}
	if info.Size() == s.watch.size && info.ModTime().Equal(s.watch.changed) {
		return nil, known, nil
	}
	return info, s.seen, nil
}

// tries is how often the log is read before it is taken for damaged: another
// process may begin it anew meanwhile.
const tries = 3

func (s *Store) logWhole(ctx context.Context) (err error) {
	path := s.path + "-wal"
	for range tries {
		touched := s.watch.log.Touched // until it is checkpointed
		if s.watch.log, err = s.pinned.frames(ctx); err != nil {
			return err
		}
		s.watch.log.Touched = touched
		info, statErr := os.Stat(path)
		if errors.Is(statErr, fs.ErrNotExist) && s.watch.opened[1] == nil {
			return nil
		}
		if statErr != nil {
			return fileFault(path, statErr)
		}
		if info.ModTime().Equal(s.watch.checked) {
			return nil
		}
		if err = verifyLog(path, s.watch.log.Frames); err == nil {
			s.watch.checked = info.ModTime()
			return nil
		}
	}
	return damaged(path, err)
}

// frames asks how long the log is. It folds nothing.
func (p *pinned) frames(ctx context.Context) (l WAL, err error) {
	var busy int64
	err = p.conn.QueryRowContext(ctx, `PRAGMA wal_checkpoint(NOOP)`).Scan(&busy, &l.Frames, &l.Checkpointed)
	return l, err
}

// readAnew looks at the database as a process would that opens it now: with
// nothing of it in memory.
func (s *Store) readAnew(ctx context.Context, known seen) (err error) {
	db, err := sql.Open("sqlite", dsn(s.path, reading))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	if err := quickCheck(ctx, db); err != nil {
		return damaged(s.path, err)
	}
	at, err := look(ctx, db)
	switch {
	case codeOf(err) != 0 && !locked(err):
		return damaged(s.path, err)
	case err != nil:
		return err
	case at.ledgers < known.ledgers || at.tokens < known.tokens || at.silences < known.silences ||
		at.channels < known.channels:
		return damaged(s.path, errors.New("an earlier state was written over it"))
	}
	return nil
}

func quickCheck(ctx context.Context, db *sql.DB) error {
	var verdict string
	if err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return errors.New(verdict)
	}
	return nil
}

// Checkpoint folds the log into the file and empties it, as far as readers let
// it, so that a copy of the file alone has everything.
func (s *Store) Checkpoint(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil {
		return err
	}
	if err := s.checkpoint(ctx, "PASSIVE"); err != nil {
		return s.fault("fold the log into the database", err)
	}
	if !s.watch.log.Pending() {
		// It waits for who reads in the log; the next one does as well.
		brief, cancel := context.WithTimeout(ctx, time.Second/2)
		defer cancel()
		if err := s.checkpoint(brief, "TRUNCATE"); err != nil && !locked(err) && brief.Err() == nil {
			return s.fault("empty the log of the database", err)
		}
	}
	return s.noteFile()
}

func (s *Store) checkpoint(ctx context.Context, mode string) error {
	var busy int64
	var l WAL
	err := s.pinned.conn.QueryRowContext(ctx, `PRAGMA wal_checkpoint(`+mode+`)`).Scan(&busy, &l.Frames, &l.Checkpointed)
	if err == nil && busy == 0 {
		s.watch.log = l
	}
	return err
}
