package cli

import (
	"os"
	"time"

	"github.com/spf13/cobra"
)

// backupAnswer is what `backup` answers.
type backupAnswer struct {
	File     string   `json:"file"`
	Bytes    int64    `json:"bytes"`
	Keys     bool     `json:"keys"`
	Warnings []string `json:"warnings"`
}

func (d *door) backup() *cobra.Command {
	var withKey bool
	cmd := &cobra.Command{
		Use: "backup [FILE]", Short: "Write a sound copy of the database to a file", Args: exactly("[FILE]"),
		Long: `Writes rules, alerts, silences and channels to FILE while the daemon runs.

The credentials of the channels are sealed in it. The key that opens them is
left out, so that the copy may lie anywhere; with --with-key it is in it, and
the file is then as secret as the credentials.`,
		Example: "tocsin backup /mnt/usb/tocsin.db\ntocsin backup --with-key /mnt/usb/tocsin.tar",
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := d.load(nothing)
			if err != nil {
				return failed{err}
			}
			file := "tocsin-" + time.Now().Format("20060102-150405") + map[bool]string{false: ".db", true: ".tar"}[withKey]
			if len(args) > 0 {
				file = args[0]
			}
			if err := d.program.Backup(cmd.Context(), config, file, withKey); err != nil {
				return err
			}
			return d.showBackup(cmd, file, withKey)
		},
	}
	cmd.Flags().BoolVar(&withKey, "with-key", false, "include the key of the channels' credentials")
	return cmd
}

func (d *door) showBackup(cmd *cobra.Command, file string, withKey bool) error {
	a := backupAnswer{File: file, Keys: withKey, Warnings: []string{}}
	if info, err := os.Stat(file); err == nil {
		a.Bytes = info.Size()
	}
	p := d.page(cmd)
	return p.answer(a, nil, func() {
		p.line("Wrote %s (%d KB).", file, (a.Bytes+1023)/1024)
		if withKey {
			p.line("It has the key of the channels: keep it as secret as their credentials.")
		} else {
			p.line("It has no key: restored on another machine, stored channels need their credentials again. --with-key includes it.")
		}
		p.line("Back again: stop the daemon, then `tocsin restore %s`.", file)
	})
}

// restoreAnswer is what `restore` answers.
type restoreAnswer struct {
	Restored string   `json:"restored"`
	Kept     string   `json:"kept,omitempty"` // the database before
	Keys     bool     `json:"keys"`
	Warnings []string `json:"warnings"`
}

func (d *door) restore() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Put a backup in the place of the database", Args: exactly("FILE"),
		Long: `Puts the database of a backup in the place of the present one, which is kept
beside it. The daemon must not run. The backups that the daemon makes each day
are in the folder backups of its data directory.`,
		Example: "tocsin restore /mnt/usb/tocsin.db",
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := d.load(nothing)
			if err != nil {
				return failed{err}
			}
			c := &call{page: d.page(cmd), cmd: cmd}
			if !yes && !c.agreed("Put "+args[0]+" in the place of the database in "+config.DataDir+"? The present one is kept beside it.") {
				return c.nothingDone()
			}
			kept, keys, err := d.program.Restore(cmd.Context(), config, args[0])
			if err != nil {
				return err
			}
			return c.answer(restoreAnswer{args[0], kept, keys, []string{}}, nil, func() { c.showRestore(args[0], kept, keys) })
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

func (p page) showRestore(file, kept string, keys bool) {
	p.line("Restored %s.", file)
	if kept != "" {
		p.line("The database before is kept as %s.", kept)
	}
	if !keys {
		p.line("The backup has no key. If this is another machine, `tocsin doctor` lists the channels that need their credentials again.")
	}
	p.line("Start the daemon again.")
}
