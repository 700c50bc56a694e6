package daemon

import (
	"context"
	"errors"
	"os"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// Backup writes a sound copy of the database to a file, which must not exist:
// an SQLite file, or with the keys a tar of it and them.
func (Program) Backup(ctx context.Context, c *app.Config, to string, withKeys bool) error {
	if err := ownFile(c); err != nil {
		return err
	}
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
	err = sqlite.Pack(to, []sqlite.Entry{
		{Name: sqlite.DatabaseEntry, Path: whole},
		{Name: channelsEntry, Path: keyPath(c)},
		{Name: linksEntry, Path: linksKeyPath(c)},
	})
	if err != nil {
		return errors.Join(rules.FileTrouble("write", to, err), os.Remove(to))
	}
	return nil
}
