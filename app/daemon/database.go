package daemon

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/local"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules/sqlite"
)

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
func (d *daemon) use(store *sqlite.Guarded) {
	d.store, d.due = store, false
	d.socket.SetApart(store.Apart())
}
