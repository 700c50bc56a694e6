package daemon

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
	list, err := d.store.Channels(ctx)
	if err != nil {
		return // looking after the database tells of that
	}
	d.report(keyPath(c), d.keys.channels.Look(func(v *notify.Vault) int { return len(list) - len(sealedAway(v, list)) }))
	if d.keys.links != nil {
		d.report(linksKeyPath(c), d.keys.links.Look(nil))
	}
	var trouble error
	if names := sealedAway(d.vault, list); names != nil {
		trouble = rules.Errorf(rules.Unavailable,
			"the key of this machine does not open the credentials of %s: nothing can be sent there. Put the right %s back, "+
				"or give each its credential again: tocsin channels add --replace NAME", strings.Join(names, ", "), channelsEntry)
	}
	d.report("channels", trouble)
}

// sealedAway names the stored channels whose credentials a key does not open.
func sealedAway(v *notify.Vault, list []app.StoredChannel) (names []string) {
	for _, c := range list {
		if _, err := v.Open(c.ID, c.Kind, c.Sealed); err != nil {
			names = append(names, c.Name)
		}
	}
	return names
}
