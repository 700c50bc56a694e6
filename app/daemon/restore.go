package daemon

import (
	"context"
	"errors"
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
func (Program) Restore(ctx context.Context, c *app.Config, from string, agree func(cli.Contents) error) (kept string,
	err error,
) {
	if err := ownFile(c); err != nil {
		return "", err
	}
	if err := os.MkdirAll(c.DataDir, 0o750); err != nil {
		return "", rules.FileTrouble("make the data directory", c.DataDir, err)
	}
	lock, err := local.TakeLock(c.DataDir)
	if err != nil {
		return "", err
	}
	defer func() {
		err = errors.Join(err, lock.Release(), sqlite.GiveTo(filepath.Join(c.DataDir, "daemon.lock"), c.DataDir))
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
	return kept, filesOf(c).Renew(revision)
}

// inspect unpacks a backup into a directory and looks through all of it. Its
// revision goes on from all that there was, so that none of it is taken for a
// later state.
func inspect(ctx context.Context, c *app.Config, from, stage string) (found cli.Contents, revision int64, err error) {
	if err := sqlite.Unpack(from, stage, map[string]int64{channelsEntry: maxKey, linksEntry: maxKey}); err != nil {
		return found, 0, err
	}
	refuse := func(err error) error {
		return rules.Errorf(rules.Invalid, "%s is no backup that this tocsin can use: %s; nothing was changed", from,
			rules.Sentence(err))
	}
	path := filepath.Join(stage, sqlite.DatabaseEntry)
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
	if err := store.AdvanceRevision(ctx, filesOf(c).HighestRevision(ctx)); err != nil {
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

// maxKey is far more than a key takes, in bytes.
const maxKey = 1 << 10

// install moves what was staged into its place. The present files get the time
// in their names.
func install(c *app.Config, stage string) (kept string, err error) {
	suffix := rules.Aside("", "before")
	if _, err := os.Lstat(databasePath(c)); err == nil {
		kept = databasePath(c) + suffix
	}
	if err := filesOf(c).SetAside(suffix); err != nil {
		return "", rules.FileTrouble("move", databasePath(c), err)
	}
	for _, name := range []string{sqlite.DatabaseEntry, channelsEntry, linksEntry} {
		staged, place := filepath.Join(stage, name), filepath.Join(c.DataDir, name)
		if _, err := os.Stat(staged); err != nil {
			continue
		}
		if name != sqlite.DatabaseEntry {
			if err := os.Rename(place, place+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return kept, rules.FileTrouble("move", place, err)
			}
		}
		if err := errors.Join(sqlite.GiveTo(staged, c.DataDir), os.Rename(staged, place)); err != nil {
			return kept, rules.FileTrouble("put into its place", place, err)
		}
	}
	return kept, nil
}
