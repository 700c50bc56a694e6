package main

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// The key files of a data directory, which are in a backup only when asked.
const (
	channelsEntry = "channels.key"
	linksEntry    = "links.key"
)

func keyPath(c *app.Config) string      { return filepath.Join(c.DataDir, channelsEntry) }
func linksKeyPath(c *app.Config) string { return filepath.Join(c.DataDir, linksEntry) }

// keys are those that a daemon holds in memory, over reloads.
type keys struct{ channels, links *notify.Key }

// openKeys opens the key of the stored channels.
func (d *daemon) openKeys(c *app.Config) {
	d.keys.channels = d.keepKey(keyPath(c))
	d.vault = notify.NewVault(d.keys.channels)
}

// keepKey opens a key; what is wrong with it is told once people can be told.
func (d *daemon) keepKey(path string) *notify.Key {
	key, err := notify.KeepKey(path)
	d.report(path, err)
	return key
}

// signer signs the links in messages, where they are wanted.
func (d *daemon) signer(c *app.Config) *notify.Signer {
	if c.PublicURL == "" {
		return nil
	}
	if d.keys.links == nil {
		d.keys.links = d.keepKey(linksKeyPath(c))
	}
	return notify.NewSigner(d.keys.links)
}

// lookAtKeys sees to it that the key files are as they were, and open what was
// sealed.
func (d *daemon) lookAtKeys(ctx context.Context, c *app.Config) {
	d.report(keyPath(c), d.keys.channels.Look())
	if d.keys.links != nil {
		d.report(linksKeyPath(c), d.keys.links.Look())
	}
	d.report("channels", d.sealedAway(ctx))
}

// sealedAway names the stored channels whose credentials the key does not open.
func (d *daemon) sealedAway(ctx context.Context) error {
	list, err := d.store.Channels(ctx)
	if err != nil {
		return nil // looking after the database tells of that
	}
	var names []string
	for _, c := range list {
		if _, err := d.vault.Open(c.ID, c.Kind, c.Sealed); err != nil {
			names = append(names, c.Name)
		}
	}
	if names == nil {
		return nil
	}
	return rules.Errorf(rules.Unavailable, "the key of this machine does not open the credentials of %s: nothing can be sent there. Put the right %s back and restart tocsin, or give each its credential again: tocsin channels add --replace NAME", strings.Join(names, ", "), channelsEntry)
}
