package sqlite

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"

	"github.com/9bikes/tocsin/rules"
)

// DatabaseEntry is the name of the database in an archive.
const DatabaseEntry = "tocsin.db"

// Entry is a file and its name in an archive.
type Entry struct{ Name, Path string }

// Pack writes an archive that only its owner can read. A file that does not
// exist is left out.
func Pack(to string, files []Entry) (err error) {
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

func packOne(w *tar.Writer, f Entry) error {
	in, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{
		Name: f.Name, Mode: 0o600, Size: info.Size(),
		ModTime: info.ModTime(),
	}); err != nil {
		return err
	}
	_, err = io.CopyN(w, in, info.Size())
	return err
}

const (
	// magic is how an SQLite file begins.
	magic = "SQLite format 3\x00"
	// maxBackup is far more than a database with 90 days of history takes.
	maxBackup = 4 << 30
)

// Unpack writes the files of a backup of either kind into a directory. What it
// writes is no more than what the backup itself takes. Others are the names of what an
// archive may hold besides, and how large each may be.
func Unpack(from, dir string, others map[string]int64) error {
	info, err := os.Stat(from) // before it is opened, which would wait for the other end of a pipe
	if err != nil {
		return err
	}
	none := func(why string) error {
		return rules.Errorf(rules.Invalid, "%s is no backup of tocsin: %s; nothing was changed", from, why)
	}
	switch {
	case !info.Mode().IsRegular():
		return none("it is no file")
	case info.Size() == 0:
		return none("it is empty")
	case info.Size() > maxBackup:
		return none("it is larger than 4 GB")
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	head := make([]byte, 100)
	if _, err := io.ReadFull(in, head); err == nil && bytes.HasPrefix(head, []byte(magic)) {
		if info.Size() > declaredSize(head) {
			return none("it is longer than a database that begins so")
		}
		return unpackDatabase(from, dir)
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return err
	}
	limits := map[string]int64{DatabaseEntry: info.Size()}
	maps.Copy(limits, others)
	return unpackArchive(tar.NewReader(in), dir, limits, none)
}

// declaredSize is how long a database says that it is.
func declaredSize(head []byte) int64 {
	page := int64(binary.BigEndian.Uint16(head[16:]))
	if page == 1 {
		page = 65536
	}
	return page * int64(binary.BigEndian.Uint32(head[28:]))
}

// unpackDatabase copies a database, with its log when it was copied or set aside
// before that was checkpointed.
func unpackDatabase(from, dir string) error {
	to := filepath.Join(dir, DatabaseEntry)
	if err := copyFile(from, to); err != nil {
		return err
	}
	info, err := os.Stat(from + "-wal")
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 || info.Size() > maxBackup {
		return nil
	}
	if err := copyFile(from+"-wal", to+"-wal"); err != nil {
		return err
	}
	return checkpointFile(to)
}

func unpackArchive(r *tar.Reader, dir string, limits map[string]int64, none func(why string) error) error {
	for n := 0; ; n++ {
		header, err := r.Next()
		switch {
		case errors.Is(err, io.EOF) && n > 0 && limits[DatabaseEntry] < 0:
			return nil
		case errors.Is(err, io.EOF):
			return none("it is an archive without a " + DatabaseEntry)
		case err != nil:
			return none("it is neither a database nor an archive with one")
		}
		limit, ours := limits[header.Name]
		switch {
		case !ours || header.Typeflag != tar.TypeReg:
			return none(fmt.Sprintf("it is an archive with %q, which no backup has", header.Name))
		case limit < 0:
			return none(fmt.Sprintf("it is an archive with two %s", header.Name))
		case header.Size > limit:
			return none(fmt.Sprintf("its %s is too large", header.Name))
		}
		limits[header.Name] = -1
		if err := unpackOne(r, filepath.Join(dir, header.Name)); err != nil {
			return err
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

// SetAside renames the database with what belongs to it: suffix comes to the
// names.
func (f Files) SetAside(suffix string) error { return setAside(f.Path, f.Path+suffix) }

// Renew makes a revision the last state, whatever was noted before.
func (f Files) Renew(revision int64) error {
	m := newWatermark(f)
	if err := m.renew(revision); err != nil {
		return rules.FileTrouble("write", m.path, err)
	}
	return GiveTo(m.path, filepath.Dir(f.Path))
}
