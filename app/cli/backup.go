package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
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
			p.line("It has no key: restored on another machine, stored channels need their credentials again. --with-key " +
				"includes it.")
		}
		p.line("Back again: stop the daemon, then `tocsin restore %s`.", file)
	})
}

// Contents are what is in a backup.
type Contents struct {
	Rules    int         `json:"rules"`
	On       int         `json:"on"` // of the rules
	Alerts   int         `json:"alerts"`
	Open     int         `json:"open"` // of the alerts
	Owed     int         `json:"owed"` // messages that are not delivered
	Silences int         `json:"silences"`
	Channels []string    `json:"channels"`
	Sealed   []string    `json:"sealed"` // channels whose credentials no key opens
	Tokens   []app.Token `json:"tokens"`
	Keys     bool        `json:"keys"`
}

// restoreAnswer is what `restore` answers.
type restoreAnswer struct {
	Restored string   `json:"restored"`
	Kept     string   `json:"kept,omitempty"` // the database before
	Keys     bool     `json:"keys"`
	Contents Contents `json:"contents"`
	Warnings []string `json:"warnings"`
}

func (d *door) restore() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Put a backup in the place of the database", Args: exactly("FILE"),
		Long: `Puts the database of a backup in the place of the present one, which is kept
beside it. The daemon must not run. The backup is looked through first: what is
in it is shown, and you are asked. The backups that the daemon makes each day
are in the folder backups of its data directory.`,
		Example: "tocsin restore /mnt/usb/tocsin.db\ntocsin restore --yes /mnt/usb/tocsin.db",
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := d.load(nothing)
			if err != nil {
				return failed{err}
			}
			c := &call{page: d.page(cmd), cmd: cmd}
			a := restoreAnswer{Restored: args[0], Warnings: []string{}}
			a.Kept, err = d.program.Restore(cmd.Context(), config, args[0], func(found Contents) error {
				a.Contents, a.Keys = found.filled(), found.Keys
				return c.agreedToRestore(args[0], config.DataDir, found, yes)
			})
			if err != nil {
				return err
			}
			return c.answer(a, nil, func() { c.showRestore(a) })
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// filled has lists where there is nothing.
func (f Contents) filled() Contents {
	f.Channels, f.Sealed = slices.Concat([]string{}, f.Channels), slices.Concat([]string{}, f.Sealed)
	f.Tokens = slices.Concat([]app.Token{}, f.Tokens)
	return f
}

// agreedToRestore shows what is in a backup and asks. Without a terminal only
// --yes is a yes: what is there now would be replaced by a slip.
func (c *call) agreedToRestore(file, dir string, found Contents, yes bool) error {
	c.showContents(file, found)
	switch {
	case yes:
		return nil
	case !isTerminal(c.cmd.InOrStdin()):
		return rules.Errorf(rules.Invalid,
			"nothing was changed: there is no terminal to ask at; add --yes to put it in the place of the database in %s", dir)
	case !c.agreed("Put it in the place of the database in " + dir + "? The present one is kept beside it."):
		return c.nothingDone()
	}
	return nil
}

// showContents goes where questions go, so that an answer stays one.
func (c *call) showContents(file string, f Contents) {
	say := func(format string, args ...any) { fmt.Fprintln(c.err, clean(fmt.Sprintf(format, args...))) }
	say("%s holds %s (%d on), %s (%d open), %s not delivered yet, %s.", file, plural(f.Rules, "rule", "rules"), f.On,
		plural(f.Alerts, "alert", "alerts"), f.Open, plural(f.Owed, "message", "messages"),
		plural(f.Silences, "silence", "silences"))
	if len(f.Channels) > 0 {
		say("Stored channels: %s.", strings.Join(f.Channels, ", "))
	}
	if len(f.Sealed) > 0 {
		say("No key opens the credentials of %s; give each again afterwards with `tocsin channels add --replace NAME`.",
			strings.Join(f.Sealed, ", "))
	}
	for _, t := range f.Tokens {
		say("It lets in who has the token %q (%s), made by %s on %s.", t.Name, t.Scope, t.By.Name,
			t.CreatedAt.Format(time.DateOnly))
	}
	if len(f.Tokens) > 0 {
		say("`tocsin tokens revoke NAME` takes back one that you do not know.")
	}
}

func (p page) showRestore(a restoreAnswer) {
	p.line("Restored %s.", a.Restored)
	if a.Kept != "" {
		p.line("The database before is kept as %s.", a.Kept)
	}
	if !a.Keys {
		p.line("The backup has no key. If this is another machine, `tocsin doctor` lists the channels that need their " +
			"credentials again.")
	}
	p.line("Start the daemon again.")
}
