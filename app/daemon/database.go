package daemon

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/local"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/mysql"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// database is where a daemon keeps everything, with what is done for it.
type database interface {
	app.Store

	// Note is what people should know of it, "" when all is well. AddNote adds to
	// that.
	Note() string
	AddNote(format string, args ...any)
	// Apart is why other processes must not use it now, "" when they may.
	Apart() string
	// Lost is how far the one before was, whose contents this lacks, 0 when it
	// lacks none; Complete says that they are in it again.
	Lost() int64
	Complete()

	// NoteCommits is run beside a session, and hears of its commits.
	NoteCommits(commits <-chan struct{}) func(ctx context.Context) error
	// BackUp saves a copy of it when one is due, and deletes what ended before t.
	BackUp(ctx context.Context, t time.Time) error
	// Supervise is called at each tick. Its error is sqlite.ErrReopen when another
	// is to take its place, which Replace returns after it has closed this one.
	Supervise(ctx context.Context, h sqlite.Hooks) error
	Replace(ctx context.Context) (database, error)
	// Drop closes the one that is to take its place, where that ends with the
	// process; it reports whether there is none to be written to.
	Drop() (none bool, err error)
	// SaveRevision notes how far it is, before it is closed.
	SaveRevision(ctx context.Context) error
}

// openDatabase opens the database of a daemon.
func openDatabase(ctx context.Context, c *app.Config, log *slog.Logger) (database, error) {
	if !c.Store.IsZero() {
		return openServer(ctx, c, log)
	}
	store, err := sqlite.OpenGuarded(ctx, filesOf(c), log)
	if err != nil {
		return nil, err
	}
	return fileDatabase{store, c}, nil
}

// openStore opens the database beside the daemon.
func openStore(ctx context.Context, c *app.Config) (app.Store, error) {
	if !c.Store.IsZero() {
		return mysql.Open(ctx, c.Store, mysql.Options{})
	}
	return sqlite.Open(ctx, databasePath(c), sqlite.Options{})
}

// ownFile refuses what is done with the file of a database, where that is a
// server's.
func ownFile(c *app.Config) error {
	if c.Store.IsZero() {
		return nil
	}
	return rules.Errorf(rules.Invalid, "the database is a server's (store in the config): save it with the server's own "+
		"means, such as mariadb-dump --single-transaction, and %s with it", keyPath(c))
}

// fileDatabase is the database of a data directory.
type fileDatabase struct {
	*sqlite.Guarded
	config *app.Config
}

// Replace is that of sqlite.Guarded.
func (f fileDatabase) Replace(ctx context.Context) (database, error) {
	next, err := f.Guarded.Replace(ctx)
	if err != nil {
		return nil, err
	}
	return fileDatabase{next, f.config}, nil
}

// filesOf says where the database of a config is, and what is kept for it.
func filesOf(c *app.Config) sqlite.Files {
	return sqlite.Files{
		Path: databasePath(c), Mark: filepath.Join(c.DataDir, "tocsin.mark"), Backups: backupDir(c),
		Note: local.InMemory(c.DataDir, ".alive.revision"), Memory: local.MemoryDir(),
	}
}

// supervise looks after the database: it returns sqlite.ErrReopen when another
// is to take its place.
func (d *daemon) supervise(ctx context.Context, ledgers *evaluator.LedgerCache) error {
	return d.store.Supervise(ctx, sqlite.Hooks{
		Trouble: func() error {
			if ledgers.Unsaved() > 0 {
				return ledgers.Trouble()
			}
			return nil
		},
		Report:   func(err error) { d.note(aboutDatabase, err) },
		ReadLast: d.readLast,
	})
}

// superviseLast looks after the database once more when the daemon ends: what went
// wrong since the last tick nobody else can mend from memory.
func (d *daemon) superviseLast(ctx context.Context, c *app.Config) error {
	if d.ledgers == nil {
		return nil
	}
	if !d.due {
		if err := d.supervise(ctx, d.ledgers); !errors.Is(err, sqlite.ErrReopen) {
			return err
		}
	}
	if none, err := d.store.Drop(); none {
		return err
	}
	if err := d.reopen(ctx); err != nil {
		return err
	}
	ledgers, err := openLedgers(ctx, c, d.store, app.NewDirectory(c, d.store, d.vault, d.log), nil)
	if err != nil {
		return err
	}
	return ledgers.Inherit(ctx, d.ledgers, time.Now().UTC(), d.store.Lost())
}

// inherit gives a ledger cache what the one before holds, and says how complete a
// database is that was made anew.
func (d *daemon) inherit(ctx context.Context, ledgers *evaluator.LedgerCache) {
	err := ledgers.Inherit(ctx, d.ledgers, time.Now().UTC(), d.store.Lost())
	switch {
	case err != nil:
		d.log.Error("what is in memory is not all in the database yet", "error", err)
		d.store.AddNote("not all that is in memory could be written into the database yet")
	case d.store.Lost() > 0:
		d.store.AddNote("rules, open alerts, silences, channels and messages on their way are as they were in memory; " +
			"of what had ended, also of messages that could not be delivered, some may be missing")
	}
	d.ledgers = ledgers
	d.store.Complete()
}

// readLast reads what others have committed since the last tick, where the open
// files of a broken database still tell.
func (d *daemon) readLast(ctx context.Context) {
	if d.ledgers == nil {
		return
	}
	if _, err := d.ledgers.Version(ctx); err != nil {
		d.log.Debug("what others changed last cannot be read", "error", err)
	}
}

// signalTo wakes who waits for something, once for all that comes meanwhile.
func signalTo(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// reopen puts another database in the place of the present one, between two
// sessions.
func (d *daemon) reopen(ctx context.Context) error {
	d.ledgers.Retire() // a request that is still under way would act on what is closed
	next, err := d.store.Replace(ctx)
	if err != nil {
		return err
	}
	d.use(next)
	return nil
}

// use works on a database from now on. Other processes are told at once whether
// they may.
func (d *daemon) use(store database) {
	d.store, d.due = store, false
	d.socket.SetApart(store.Apart())
}
