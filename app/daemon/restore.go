package daemon

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/cli"
	"github.com/9bikes/tocsin/app/local"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// Restore puts the database of a backup, and the keys if it has them, in the
// place of the present ones, which are kept beside them. Nothing is replaced
// before all of it is checked and agree has seen what is in it. No daemon may
// run.
func (Program) Restore(ctx context.Context, c *app.Config, from string, agree func(cli.Contents) error) (kept string, err error) {
	if err := os.MkdirAll(c.DataDir, 0o750); err != nil {
		return "", rules.FileTrouble("make the data directory", c.DataDir, err)
	}
	lock, err := local.TakeLock(c.DataDir)
	if err != nil {
		return "", err
	}
	defer func() {
		err = errors.Join(err, lock.Release(), giveTo(filepath.Join(c.DataDir, "daemon.lock"), c.DataDir))
	}()
	stage, err := os.MkdirTemp(c.DataDir, ".restore-")
	if err != nil {
		return "", rules.FileTrouble("write to", c.DataDir, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(stage)) }()
	contents, revision, err := inspect(ctx, c, from, stage)
	if err != nil {
		return "", rules.FileTrouble("read", from, err)
	}
	if err := agree(contents); err != nil {
		return "", err
	}
	if kept, err = install(c, stage); err != nil {
		return kept, err
	}
	// From now on this is the last state.
	m := markOf(c)
	if err := m.renew(revision); err != nil {
		return kept, rules.FileTrouble("write", m.path, err)
	}
	return kept, giveTo(m.path, c.DataDir)
}

// inspect unpacks a backup into a directory and looks through all of it. Its
// revision goes on from all that there was, so that none of it is taken for a
// later state.
func inspect(ctx context.Context, c *app.Config, from, stage string) (found cli.Contents, revision int64, err error) {
	if err := unpack(from, stage); err != nil {
		return found, 0, err
	}
	refuse := func(err error) error {
		return rules.Errorf(rules.Invalid, "%s is no backup that this tocsin can use: %s; nothing was changed", from, rules.Sentence(err))
	}
	path := filepath.Join(stage, databaseEntry)
	if _, err := sqlite.Verify(ctx, path); err != nil {
		return found, 0, refuse(err)
	}
	store, err := sqlite.Open(ctx, path, sqlite.Options{Migrate: true, Existing: true})
	if err != nil {
		return found, 0, refuse(err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if found, err = contentsOf(ctx, store); err != nil {
		return found, 0, refuse(err)
	}
	if err := tryKeys(ctx, c, store, stage, &found); err != nil {
		return found, 0, refuse(err)
	}
	if err := store.Surpass(ctx, furthest(ctx, c, markOf(c))); err != nil {
		return found, 0, err
	}
	revision, err = store.Revision(ctx)
	return found, revision, err
}

// contentsOf counts what a database holds, and reads all of it that is used.
func contentsOf(ctx context.Context, store *sqlite.Store) (found cli.Contents, err error) {
	ledgers, err := store.Load(ctx)
	if err != nil {
		return found, err
	}
	for _, l := range ledgers {
		if l.Rule.ID != "" && !l.Deleted {
			found.Rules++
		}
		if l.Watched() {
			found.On++
		}
		l.Notifications(func(n *rules.Notification) bool {
			if !n.State.Final() {
				found.Owed++
			}
			return true
		})
	}
	if _, found.Alerts, err = store.Alerts(ctx, app.AlertFilter{Limit: 1}); err != nil {
		return found, err
	}
	if _, found.Open, err = store.Alerts(ctx, app.AlertFilter{Status: rules.StatusOpen, Limit: 1}); err != nil {
		return found, err
	}
	silences, err := store.Silences(ctx, time.Now())
	if err != nil {
		return found, err
	}
	found.Silences = len(silences)
	found.Tokens, err = store.Tokens(ctx)
	return found, err
}

// tryKeys opens the stored channels with the key of the backup, or where it has
// none with that of this machine.
func tryKeys(ctx context.Context, c *app.Config, store *sqlite.Store, stage string, found *cli.Contents) error {
	for _, name := range []string{channelsEntry, linksEntry} {
		secret, err := os.ReadFile(filepath.Join(stage, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := errors.Join(err, notify.CheckKey(name, secret)); err != nil {
			return err
		}
		found.Keys = true
	}
	channels, err := store.Channels(ctx)
	if err != nil {
		return err
	}
	path := filepath.Join(stage, channelsEntry)
	vault, err := notify.OpenVault(path, false)
	own := err == nil
	if !own {
		vault, err = notify.OpenVault(keyPath(c), false)
	}
	for _, channel := range channels {
		found.Channels = append(found.Channels, channel.Name)
		if err == nil {
			if _, err := vault.Open(channel.ID, channel.Kind, channel.Sealed); err == nil {
				continue
			}
		}
		found.Sealed = append(found.Sealed, channel.Name)
	}
	if own && len(channels) > 0 && len(found.Sealed) == len(channels) {
		return rules.Errorf(rules.Invalid, "the %s in it opens none of its %d stored channels", channelsEntry, len(channels))
	}
	return nil
}

const (
	// magic is how an SQLite file begins.
	magic = "SQLite format 3\x00"
	// maxBackup is far more than a database with 90 days of history takes.
	maxBackup = 4 << 30
	maxKey    = 1 << 10
)

// unpack writes the files of a backup of either kind into a directory. What it
// writes is no more than what the backup itself takes.
func unpack(from, dir string) error {
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
	return unpackArchive(tar.NewReader(in), dir, info.Size(), none)
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
// before that was folded in.
func unpackDatabase(from, dir string) error {
	to := filepath.Join(dir, databaseEntry)
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
	return sqlite.Fold(to)
}

func unpackArchive(r *tar.Reader, dir string, size int64, none func(why string) error) error {
	limits := map[string]int64{databaseEntry: size, channelsEntry: maxKey, linksEntry: maxKey}
	for n := 0; ; n++ {
		header, err := r.Next()
		switch {
		case errors.Is(err, io.EOF) && n > 0 && limits[databaseEntry] < 0:
			return nil
		case errors.Is(err, io.EOF):
			return none("it is an archive without a " + databaseEntry)
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

// install moves what was staged into its place. The present files get the time
// in their names.
func install(c *app.Config, stage string) (kept string, err error) {
	suffix := rules.Aside("", "before")
	if _, err := os.Lstat(databasePath(c)); err == nil {
		kept = databasePath(c) + suffix
	}
	if err := setAside(databasePath(c), databasePath(c)+suffix); err != nil {
		return "", rules.FileTrouble("move", databasePath(c), err)
	}
	for _, name := range []string{databaseEntry, channelsEntry, linksEntry} {
		staged, place := filepath.Join(stage, name), filepath.Join(c.DataDir, name)
		if _, err := os.Stat(staged); err != nil {
			continue
		}
		if name != databaseEntry {
			if err := os.Rename(place, place+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return kept, rules.FileTrouble("move", place, err)
			}
		}
		if err := errors.Join(giveTo(staged, c.DataDir), os.Rename(staged, place)); err != nil {
			return kept, rules.FileTrouble("put into its place", place, err)
		}
	}
	return kept, nil
}
