package daemon

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

func backupDir(c *app.Config) string { return filepath.Join(c.DataDir, "backups") }

const (
	backupsKept = 7
	historyKept = 90 * 24 * time.Hour
	pruneAtOnce = 500
)

// firstBackup is how long after its start a daemon makes the backup of the day.
const firstBackup = 5 * time.Minute

// maintain saves a backup a day when something has changed, deletes old
// history, looks at each tick whether the files are as they should be, and
// tells people when they are not.
func (d *daemon) maintain(ctx context.Context, c *app.Config, ledgers *evaluator.LedgerCache,
	engine *evaluator.Engine,
) error {
	look, daily := time.NewTicker(c.Every.Std()), time.NewTimer(firstBackup)
	defer look.Stop()
	defer daily.Stop()
	for {
		d.notifyOperators(ctx, engine)
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
			if err := d.checkFiles(ctx, c, ledgers); err != nil {
				return err
			}
		case <-daily.C:
			daily.Reset(time.Hour)
			if d.clock != nil && d.clock.Blind() {
				continue // a wrong date would delete history
			}
			d.report(backupDir(c), d.store.BackUp(ctx, time.Now().Add(-historyKept)))
		}
	}
}

// checkFiles looks at every file of the data directory.
func (d *daemon) checkFiles(ctx context.Context, c *app.Config, ledgers *evaluator.LedgerCache) error {
	d.lookAtKeys(ctx, c)
	if err := d.lock.Look(); rules.CodeOf(err) == rules.Conflict {
		return err // two would tell everything twice
	} else if d.note(c.DataDir, err) {
		d.notices.add(rules.Sentence(err))
	}
	return d.supervise(ctx, ledgers)
}

// BackUp makes the backup of a day, if anything changed since the last, and
// deletes what is older than the history that is kept.
func (f fileDatabase) BackUp(ctx context.Context, t time.Time) error {
	dir, list, today := backupDir(f.config), filesOf(f.config).Daily(), "tocsin-"+time.Now().UTC().Format("20060102")
	if f.Apart() != "" || len(list) > 0 &&
		(strings.HasPrefix(filepath.Base(list[len(list)-1]), today) || !f.Newer(list[len(list)-1])) {
		return nil
	}
	if _, err := f.Prune(ctx, t, pruneAtOnce); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return rules.FileTrouble("make the directory of the backups", dir, err)
	}
	if err := f.Backup(ctx, filepath.Join(dir, today+".db")); err != nil {
		return err
	}
	for len(list) >= backupsKept {
		if err := os.Remove(list[0]); err != nil {
			return rules.FileTrouble("remove the old backup", list[0], err)
		}
		list = list[1:]
	}
	return nil
}
