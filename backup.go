package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// The files of a backup that has the keys.
const (
	databaseEntry = "tocsin.db"
	channelsEntry = "channels.key"
	linksEntry    = "links.key"
)

func linksKeyPath(c *app.Config) string { return filepath.Join(c.DataDir, linksEntry) }

// backup writes a sound copy of the database to a file, which must not exist:
// an SQLite file, or with the keys a tar of it and them.
func backup(ctx context.Context, c *app.Config, to string, withKeys bool) error {
	if _, err := os.Lstat(to); err == nil {
		return rules.Errorf(rules.Conflict, "%s exists already; name another file, or remove that one", to)
	}
	store, err := sqlite.Open(ctx, databasePath(c), sqlite.Options{})
	if err != nil {
		return err
	}
	if !withKeys {
		return errors.Join(fileTrouble("write", to, store.Backup(ctx, to)), store.Close())
	}
	whole := to + ".db"
	defer func() { _ = os.Remove(whole) }()
	if err := errors.Join(fileTrouble("write", whole, store.Backup(ctx, whole)), store.Close()); err != nil {
		return err
	}
	err = pack(to, []packed{{databaseEntry, whole}, {channelsEntry, keyPath(c)}, {linksEntry, linksKeyPath(c)}})
	if err != nil {
		return errors.Join(fileTrouble("write", to, err), os.Remove(to))
	}
	return nil
}

// fileTrouble words an error of the operating system for people.
func fileTrouble(act, path string, err error) error {
	if err == nil || rules.CodeOf(err) != rules.Internal {
		return err
	}
	return rules.Errorf(rules.Unavailable, "cannot %s %s: %v", act, path, cause(err))
}

// packed is a file and its name in an archive.
type packed struct{ name, path string }

// pack writes an archive that only its owner can read. A file that does not
// exist is left out.
func pack(to string, files []packed) (err error) {
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	w := tar.NewWriter(out)
	for _, f := range files {
		if err := packOne(w, f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(err, out.Close())
		}
	}
	return errors.Join(w.Close(), out.Sync(), out.Close())
}

func packOne(w *tar.Writer, f packed) error {
	in, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o600, Size: info.Size(), ModTime: info.ModTime()}); err != nil {
		return err
	}
	_, err = io.CopyN(w, in, info.Size())
	return err
}

// restore puts the database of a backup, and the keys if it has them, in the
// place of the present ones, which are kept beside them. No daemon may run.
func restore(ctx context.Context, c *app.Config, from string) (kept string, withKeys bool, err error) {
	if err := os.MkdirAll(c.DataDir, 0o750); err != nil {
		return "", false, fileTrouble("make", c.DataDir, err)
	}
	lock, err := app.TakeLock(c.DataDir)
	if err != nil {
		return "", false, err
	}
	defer func() {
		err = errors.Join(err, lock.Release(), giveTo(filepath.Join(c.DataDir, "daemon.lock"), c.DataDir))
	}()
	stage, err := os.MkdirTemp(c.DataDir, ".restore-")
	if err != nil {
		return "", false, fileTrouble("write to", c.DataDir, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(stage)) }()
	if err := unpack(from, stage); err != nil {
		return "", false, fileTrouble("read", from, err)
	}
	store, err := sqlite.Open(ctx, filepath.Join(stage, databaseEntry), sqlite.Options{Migrate: true})
	if err != nil {
		return "", false, rules.Errorf(rules.Invalid, "%s is no backup that this tocsin can use: %s; nothing was changed", from, rules.Sentence(err))
	}
	if err := store.Close(); err != nil {
		return "", false, err
	}
	return install(c, stage)
}

// magic is how an SQLite file begins.
const magic = "SQLite format 3\x00"

// unpack writes the files of a backup of either kind into a directory.
func unpack(from, dir string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(in, head); err == nil && bytes.Equal(head, []byte(magic)) {
		return copyFile(from, filepath.Join(dir, databaseEntry))
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return err
	}
	for r := tar.NewReader(in); ; {
		header, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return rules.Errorf(rules.Invalid, "%s is no backup of tocsin: neither a database nor an archive with one; nothing was changed", from)
		}
		switch header.Name {
		case databaseEntry, channelsEntry, linksEntry:
			if err := unpackOne(r, filepath.Join(dir, header.Name)); err != nil {
				return err
			}
		}
	}
}

func unpackOne(r io.Reader, path string) error {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, r)
	return errors.Join(err, out.Sync(), out.Close())
}

// install moves what was staged into its place. The present files get the time
// in their names.
func install(c *app.Config, stage string) (kept string, withKeys bool, err error) {
	suffix := ".before-" + time.Now().UTC().Format("20060102-150405")
	if _, err := os.Stat(databasePath(c)); err == nil {
		kept = databasePath(c) + suffix
	}
	if err := setAside(databasePath(c), databasePath(c)+suffix); err != nil {
		return "", false, fileTrouble("move", databasePath(c), err)
	}
	for _, name := range []string{databaseEntry, channelsEntry, linksEntry} {
		staged, place := filepath.Join(stage, name), filepath.Join(c.DataDir, name)
		if _, err := os.Stat(staged); err != nil {
			continue
		}
		if name != databaseEntry {
			withKeys = true
			if err := os.Rename(place, place+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return kept, withKeys, fileTrouble("move", place, err)
			}
		}
		if err := errors.Join(giveTo(staged, c.DataDir), os.Rename(staged, place)); err != nil {
			return kept, withKeys, fmt.Errorf("put %s into its place: %w", name, err)
		}
	}
	return kept, withKeys, nil
}
