package daemon

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// databaseEntry is the database in a backup that has the keys.
const databaseEntry = "tocsin.db"

// Backup writes a sound copy of the database to a file, which must not exist:
// an SQLite file, or with the keys a tar of it and them.
func (Program) Backup(ctx context.Context, c *app.Config, to string, withKeys bool) error {
	if _, err := os.Lstat(to); err == nil {
		return rules.Errorf(rules.Conflict, "%s exists already; name another file, or remove that one", to)
	}
	store, err := sqlite.Open(ctx, databasePath(c), sqlite.Options{})
	if err != nil {
		return err
	}
	if !withKeys {
		return errors.Join(rules.FileTrouble("write", to, store.Backup(ctx, to)), store.Close())
	}
	whole := to + ".db"
	defer func() { _ = os.Remove(whole) }()
	if err := errors.Join(rules.FileTrouble("write", whole, store.Backup(ctx, whole)), store.Close()); err != nil {
		return err
	}
	err = pack(to, []packed{{databaseEntry, whole}, {channelsEntry, keyPath(c)}, {linksEntry, linksKeyPath(c)}})
	if err != nil {
		return errors.Join(rules.FileTrouble("write", to, err), os.Remove(to))
	}
	return nil
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
