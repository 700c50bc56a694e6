package sqlite

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/9bikes/tocsin/rules"
)

// draftSuffix is that of what is to take the place of the database.
const draftSuffix = ".new"

// Daily lists the backups of the days, the oldest first: their names are their
// times.
func (f Files) Daily() []string { return matching(filepath.Join(f.Backups, "tocsin-*.db")) }

// copies lists all that a database can be restored from, without a person: also
// what was saved before a migration, and what was to take the place of the
// database when the daemon ended.
func (f Files) copies() []string {
	return slices.Concat(matching(f.Path+".*.schema-*.bak"), f.Daily(), matching(f.Path+draftSuffix))
}

func matching(pattern string) []string {
	list, err := filepath.Glob(pattern)
	if err != nil {
		return nil
	}
	slices.Sort(list)
	return list
}

// HighestRevision is the highest revision that is known of here.
func (f Files) HighestRevision(ctx context.Context) (revision int64) {
	revision = newWatermark(f).revision()
	for _, file := range f.copies() {
		if n, err := Verify(ctx, file); err == nil {
			revision = max(revision, n)
		}
	}
	return revision
}

func readable(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	return f.Close() == nil
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

// newest picks the newest state of those files that are sound, "" for none.
func newest(ctx context.Context, list []string) (base string) {
	last := int64(-1)
	for _, file := range list {
		if n, err := Verify(ctx, file); err == nil && n >= last {
			base, last = file, n
		}
	}
	return base
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

// fingerprint tells whether a file is still what it was.
type fingerprint struct {
	info fs.FileInfo // nil where there was none
}

func (i fingerprint) holds(path string) bool {
	now, err := os.Stat(path)
	if i.info == nil || err != nil {
		return i.info == nil && errors.Is(err, fs.ErrNotExist)
	}
	return os.SameFile(i.info, now) && i.info.Size() == now.Size() && i.info.ModTime().Equal(now.ModTime())
}

// databaseFiles are those that hold what was committed.
func databaseFiles(path string) []string { return []string{path, path + "-wal"} }

func fingerprints(path string) (out []fingerprint) {
	for _, file := range databaseFiles(path) {
		info, err := os.Stat(file)
		if err != nil {
			info = nil
		}
		out = append(out, fingerprint{info})
	}
	return out
}
