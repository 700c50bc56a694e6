// Package daemon wires the house together: it is the one place, beside main,
// that imports every leaf. It runs tocsin as a service, session by session, and
// gives the commands what they need beside it or in its place. It holds no
// policy: what a leaf does stays in the leaf, and what people can ask in app.
// What the files of the database suffer is rules/sqlite's affair, when somebody
// looks at them is decided here.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // rules name IANA zones, and a Pi's image may hold none

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/cli"
	"github.com/9bikes/tocsin/app/config"
	"github.com/9bikes/tocsin/app/local"
	"github.com/9bikes/tocsin/app/setup"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/influx"
	"github.com/9bikes/tocsin/evaluator/influx3"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/notify/shoutrrr"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/mysql"
)

// Program is tocsin as it was built: what the commands run.
type Program struct {
	Version string
}

// ConfigFile is the config file that is used where none is named.
func (Program) ConfigFile() string { return config.DefaultPath(os.Environ()) }

// Load reads the config; without secrets, the channels' stay closed.
func (Program) Load(path string, withSecrets bool) (*app.Config, error) {
	return loadConfig(path, withSecrets)
}

// Find guesses where the data of a config is that cannot be read whole.
func (Program) Find(path string) *app.Config { return config.Find(path, os.Environ()) }

// Daemon is the one that runs on the data of a config, nil where none does.
func (Program) Daemon(ctx context.Context, c *app.Config) (cli.Daemon, error) {
	return daemonOf(ctx, c)
}

// daemonOf is Place.Find as the commands want it, whose nil is a real one.
func daemonOf(ctx context.Context, c *app.Config) (cli.Daemon, error) {
	there, err := placeOf(c).Find(ctx)
	if there == nil {
		return nil, err
	}
	return there, nil
}

// placeOf says which daemon a config is about. One that names no data directory
// means that of the machine's daemon, whatever a trial has left in the home of
// this user.
func placeOf(c *app.Config) local.Place {
	return local.Place{DataDir: c.DataDir, Any: !ownData(c)}
}

// daemonAt tells whether a daemon runs, and its pid, for as long as an App
// lives, which may be longer than the request that opened it.
func daemonAt(ctx context.Context, p local.Place) func() (int, bool) {
	ctx = context.WithoutCancel(ctx)
	return func() (int, bool) {
		said, running, _ := p.Running(ctx) // one that is busy runs
		return said.PID, running
	}
}

// ownData reports whether the config is about one data directory.
func ownData(c *app.Config) bool {
	plain := slices.DeleteFunc(os.Environ(), func(pair string) bool { return strings.HasPrefix(pair, "TOCSIN_") })
	usual, err := config.Load("", config.Options{Env: plain})
	if err != nil || usual.DataDir != c.DataDir {
		return true
	}
	_, err = os.Stat(databasePath(c))
	return c.DataDir == config.DefaultDataDir && !errors.Is(err, fs.ErrNotExist)
}

// Sources are those of a config, as a process beside the daemon asks them.
func (Program) Sources(c *app.Config) (map[string]evaluator.Source, error) {
	return openSources(c, nil)
}

// LookForInflux asks what there is at an address.
func (Program) LookForInflux(ctx context.Context, url string) (setup.InfluxDB, error) {
	found, err := influx.Look(ctx, influx.Options{URL: url})
	return setup.InfluxDB{URL: url, Version: found.Version, Databases: found.Databases, Barred: found.Barred}, err
}

// Builder makes the addresses of channels.
func (Program) Builder() notify.Builder { return shoutrrr.New(shoutrrr.Options{}) }

// ReadData reads points from a file.
func (Program) ReadData(file io.Reader, form evaluator.DataForm) (*evaluator.Data, error) {
	return live.ReadData(file, form)
}

func loadConfig(path string, withSecrets bool) (*app.Config, error) {
	return config.Load(path, config.Options{
		Env: os.Environ(), CredentialsDir: os.Getenv("CREDENTIALS_DIRECTORY"),
		SkipChannelSecrets: !withSecrets, CheckChannel: shoutrrr.New(shoutrrr.Options{}).Check,
		CheckStore: mysql.Check,
	})
}

// readable reports whether this user may read a file.
func readable(path string) bool {
	f, err := os.Open(path)
	return err == nil && f.Close() == nil
}

func databasePath(c *app.Config) string { return filepath.Join(c.DataDir, "tocsin.db") }

// Open is open for a command. Where this user cannot read the data while
// the machine's daemon runs, its error says who can.
func (p Program) Open(ctx context.Context, c *app.Config, withKey bool) (*app.App, func() error, error) {
	a, closing, err := p.open(ctx, c, withKey)
	if err == nil || !c.Store.IsZero() || readable(databasePath(c)) {
		return a, closing, err
	}
	there, barred := daemonOf(ctx, c)
	switch {
	case barred != nil:
		return nil, nil, barred
	case there != nil:
		return nil, nil, rules.Errorf(rules.Forbidden,
			"the daemon that runs is another user's, and this command works on its database itself: put `sudo -u %s` before "+
				"it, or let Claude do it, which may use the daemon's socket", local.Group)
	}
	return nil, nil, err
}

// open makes an App on the database of a data directory, beside the daemon:
// for a command line, or for MCP, which gets no key.
func (p Program) open(ctx context.Context, c *app.Config, withKey bool) (*app.App, func() error, error) {
	place := local.Place{DataDir: c.DataDir}
	said, _, err := place.Running(ctx)
	if err != nil {
		return nil, nil, err // it may be apart
	}
	if said.Apart != "" {
		return nil, nil, rules.Errorf(rules.Unavailable,
			"%s; it alone can act now, so use its page, the links in its messages, or Claude over its socket",
			strings.TrimPrefix(said.Apart, "storage: "))
	}
	store, err := openStore(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	sources, err := openSources(c, nil)
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	directory := app.NewDirectory(c, store, nil, slog.Default())
	ledgers, err := openLedgers(ctx, c, store, directory, nil)
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	a := app.New(app.App{
		Config: c, Store: store, Ledgers: ledgers, Sources: sources, Version: p.Version, Started: time.Now(),
		Daemon: daemonAt(ctx, place), Ask: place.Status,
	})
	if withKey {
		sender := shoutrrr.New(shoutrrr.Options{})
		a.Sender = sender
		if vault, err := notify.OpenVault(keyPath(c), false); err == nil {
			keyed := app.NewDirectory(c, store, vault, slog.Default())
			a.Opens, a.Targets = keyed.Opens, keyed.Targets(sender)
		} else if _, err := os.Stat(keyPath(c)); errors.Is(err, fs.ErrNotExist) {
			a.Opens = func(app.StoredChannel) bool { return false }
		}
		a.Seal = func(id, kind string, url rules.Secret) ([]byte, error) {
			vault, err := notify.OpenVault(keyPath(c), true)
			if err != nil {
				return nil, err
			}
			return vault.Seal(id, kind, url)
		}
	}
	return a, store.Close, nil
}

func openLedgers(ctx context.Context, c *app.Config, store app.Store, d *app.Directory,
	committed func(),
) (*evaluator.LedgerCache, error) {
	return evaluator.OpenLedgerCache(ctx, store, evaluator.LedgerCacheOptions{
		Every: c.Every.Std(), Route: d.Route(c), ChannelsMoved: d.Forget, Committed: committed,
		Silences: func(ctx context.Context) ([]rules.Silence, error) { return store.Silences(ctx, time.Now()) },
	})
}

// openSources makes the configured sources. The live ones are stores in the
// daemon; another process asks the daemon for them.
func openSources(c *app.Config, stores map[string]*live.Store) (map[string]evaluator.Source, error) {
	out := map[string]evaluator.Source{}
	for name, s := range c.Sources {
		var source evaluator.Source
		var err error
		switch s.Kind {
		case app.KindInfluxDB:
			source, err = influx.New(influx.Options{
				URL: s.URL, Database: s.Database, Retention: s.Retention,
				Token: s.Token, Username: s.Username, Password: s.Password, Trust: s.Trust, Timeout: s.Timeout.Std(),
				MaxAnswer: s.MaxAnswer,
			})
		case app.KindInfluxDB3:
			source, err = influx3.New(influx3.Options{
				URL: s.URL, Database: s.Database, Token: s.Token, Trust: s.Trust, Timeout: s.Timeout.Std(), MaxAnswer: s.MaxAnswer,
			})
		case app.KindLive:
			if stores[name] != nil {
				source = stores[name]
			} else {
				source = live.NewRemote("http://tocsin", name, placeOf(c).Transport())
			}
		}
		if err != nil {
			return nil, fmt.Errorf("sources.%s.%w", name, err)
		}
		out[name] = source
	}
	return out, nil
}
