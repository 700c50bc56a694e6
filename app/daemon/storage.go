package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/local"
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
	lost     int64  // how far the one before was, whose contents this lacks; 0 for none
	broken   error  // why its contents are not to be used any more
	aside    string // where the files of a broken one are
	sound    bool   // its log is whole
	beside   int64  // the revision that was saved beside a stranger
	after    string // what people should know of it in the next session
	mark     *mark
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
// newest good backup takes its place, as it does for one that is gone or empty
// where there was one; one that cannot be written is run as a temporary copy,
// so that people are still told.
func openStorage(ctx context.Context, c *app.Config, log *slog.Logger) (*storage, error) {
	s := &storage{path: databasePath(c), mark: markOf(c)}
	list := copies(c)
	known := s.mark.known() || len(list) > 0
	err := clearWay(s.path)
	if err != nil {
		return nil, rules.FileTrouble("make room for", s.path, err)
	}
	s.Store, err = sqlite.Open(ctx, s.path, sqlite.Options{Migrate: true, Existing: known})
	switch {
	case err == nil:
		return s, s.accept(ctx, c)
	case errors.Is(err, sqlite.ErrMalformed):
		return s, s.restoreNewest(ctx, list, err, "was damaged")
	case known && errors.Is(err, sqlite.ErrGone):
		return s, s.restoreNewest(ctx, list, err, "was gone")
	case (errors.Is(err, sqlite.ErrReadOnly) || errors.Is(err, sqlite.ErrFull)) && readable(s.path):
		log.Warn("the database cannot be written; running on a temporary copy", "error", err)
		return s, s.openCopy(ctx, err)
	}
	return nil, err
}

// clearWay moves away what is neither a log nor its index, but in its place.
func clearWay(path string) error {
	for _, suffix := range []string{"-wal", "-shm"} {
		info, err := os.Lstat(path + suffix)
		if err != nil || info.Mode().IsRegular() {
			continue
		}
		if err := os.Rename(path+suffix, rules.Aside(path+suffix, "before")); err != nil {
			return err
		}
	}
	return nil
}

// accept goes on with a database that is sound. One that is not the last is
// told of, and its revision goes on from that: what is kept beside it is not a
// later state any more.
func (s *storage) accept(ctx context.Context, c *app.Config) error {
	kept := rules.Aside(s.path, "before")
	if os.Rename(s.path+draftSuffix, kept) == nil { // as a rule there is none
		s.tell("what changed while tocsin could not write its own database is not in the one that is there now; "+
			"it is kept as %s", filepath.Base(kept))
	}
	have, err := s.Revision(ctx)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	if missing := s.mark.revision() - have; missing > 0 {
		s.tell("the database is an earlier state: %d changes that were saved are not in it. While tocsin was down "+
			"another file was put in its place, or its log %s-wal was lost; look through `tocsin rules list`, "+
			"and see the backups beside it", missing, filepath.Base(s.path))
		if err := s.Surpass(ctx, furthest(ctx, c, s.mark)); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	return s.settled(ctx)
}

// settled writes down beside the database how far it is.
func (s *storage) settled(ctx context.Context) error {
	if s.copy != "" {
		return nil
	}
	have, err := s.Revision(ctx)
	if err != nil {
		return err
	}
	_ = s.mark.write(have) // a disk that cannot be written is found and told of by others
	return nil
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
	dir, err := os.MkdirTemp(local.MemoryDir(), "tocsin-copy-")
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
	fate := "is lost when it ends"
	if s.stranger {
		fate = "is saved as " + filepath.Base(s.path) + draftSuffix + ", beside the file that is there now"
	}
	s.tell("%s; until then tocsin works on a copy in memory: what changes now %s", rules.Sentence(why), fate)
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
	return errors.Join(err, out.Sync(), out.Close())
}

// restoreNewest sets a database that is no good aside and goes on with the
// newest backup that is sound. Where there is none, a damaged one stays where it
// is; in the place of one that is gone begins a new one.
func (s *storage) restoreNewest(ctx context.Context, list []string, why error, what string) error {
	aside := rules.Aside(s.path, "damaged")
	if err := setAside(s.path, aside); err != nil {
		return errors.Join(why, err)
	}
	backup := newest(ctx, list)
	if backup == "" && errors.Is(why, sqlite.ErrMalformed) {
		return errors.Join(fmt.Errorf("%w (there is no sound backup to restore)", why), setAside(aside, s.path))
	}
	if err := s.startFrom(ctx, backup, why); err != nil {
		return errors.Join(err, setAside(aside, s.path))
	}
	if backup == "" {
		s.tell("the database %s, and there is no sound backup: tocsin begins anew, without the rules that there were%s",
			what, keptAs(aside))
	} else {
		s.tell("the database %s; %s was restored, and what changed after it is lost%s",
			what, filepath.Base(backup), keptAs(aside))
	}
	return s.settled(ctx)
}

// tell adds to what people should know.
func (s *storage) tell(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if s.note == "" {
		s.note = "storage: " + text
	} else {
		s.note += "; " + text
	}
}

func keptAs(aside string) string {
	if _, err := os.Lstat(aside); err != nil {
		return ""
	}
	return ", and the file that was there is kept as " + filepath.Base(aside)
}

// furthest is the highest revision that is known of here.
func furthest(ctx context.Context, c *app.Config, m *mark) (revision int64) {
	revision = m.revision()
	for _, file := range copies(c) {
		if n, err := sqlite.Verify(ctx, file); err == nil {
			revision = max(revision, n)
		}
	}
	return revision
}

// newest picks the newest state of those files that are sound, "" for none.
func newest(ctx context.Context, list []string) (base string) {
	last := int64(-1)
	for _, file := range list {
		if n, err := sqlite.Verify(ctx, file); err == nil && n >= last {
			base, last = file, n
		}
	}
	return base
}

// startFrom opens a copy of base, or a new database where that is "", in its
// place, or in memory where the place cannot be written.
func (s *storage) startFrom(ctx context.Context, base string, why error) (err error) {
	if base != "" {
		err = placeCopy(base, s.path)
	}
	if err == nil {
		s.Store, err = sqlite.Open(ctx, s.path, sqlite.Options{Migrate: true})
	}
	if err == nil {
		return nil
	}
	return s.runOnCopy(ctx, errors.Join(why, err), func(dir string) error {
		if base == "" {
			return nil
		}
		return copyFile(base, filepath.Join(dir, databaseEntry))
	})
}

// placeCopy copies a file so that there is never half of it under its name.
func placeCopy(from, to string) error {
	part := to + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := copyFile(from, part); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return os.Rename(part, to)
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
