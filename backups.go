package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator"
)

func backupDir(c *app.Config) string { return filepath.Join(c.DataDir, "backups") }

// backups lists the backups, the oldest first: their names are their times.
func backups(c *app.Config) []string {
	list, err := filepath.Glob(filepath.Join(backupDir(c), "tocsin-*.db"))
	if err != nil {
		return nil
	}
	slices.Sort(list)
	return list
}

const (
	backupsKept = 7
	historyKept = 90 * 24 * time.Hour
	pruneAtOnce = 500
)

// keepHouse saves a backup a day when something has changed, deletes old
// history, and looks at each tick whether the database is still there.
func (d *daemon) keepHouse(ctx context.Context, c *app.Config, book *evaluator.Book) error {
	look, daily := time.NewTicker(c.Every.Std()), time.NewTicker(time.Hour)
	defer look.Stop()
	defer daily.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
			if err := d.lookAfter(ctx, book); err != nil {
				return err
			}
		case <-daily.C:
			if d.clock != nil && d.clock.Blind() {
				continue // a wrong date would delete history
			}
			if err := d.backUp(ctx, c); err != nil {
				d.log.Error("no backup made", "error", err)
			}
		}
	}
}

// backUp makes the backup of a day, if anything changed since the last, and
// deletes what is older than the history that is kept.
func (d *daemon) backUp(ctx context.Context, c *app.Config) error {
	list, today := backups(c), "tocsin-"+time.Now().UTC().Format("20060102")
	if d.store.copy != "" || len(list) > 0 && (strings.HasPrefix(filepath.Base(list[len(list)-1]), today) || !newer(d.store.path, list[len(list)-1])) {
		return nil
	}
	if _, err := d.store.Prune(ctx, time.Now().Add(-historyKept), pruneAtOnce); err != nil {
		return err
	}
	if err := os.MkdirAll(backupDir(c), 0o750); err != nil {
		return fmt.Errorf("make the backup directory: %w", err)
	}
	if err := d.store.Backup(ctx, filepath.Join(backupDir(c), today+".db")); err != nil {
		return err
	}
	for len(list) >= backupsKept {
		if err := os.Remove(list[0]); err != nil {
			return fmt.Errorf("remove an old backup: %w", err)
		}
		list = list[1:]
	}
	return nil
}

// newer reports whether the database was written after a backup.
func newer(path, backup string) bool {
	made, err := os.Stat(backup)
	if err != nil {
		return true
	}
	for _, suffix := range []string{"", "-wal"} {
		if info, err := os.Stat(path + suffix); err == nil && info.ModTime().After(made.ModTime()) {
			return true
		}
	}
	return false
}
