package app

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// Directory opens channels by name: those of the config and the stored ones.
type Directory struct {
	config map[string]ChannelConfig
	store  ChannelStore
	vault  *notify.Vault // nil where no credential may be opened
	log    *slog.Logger

	mu       sync.Mutex
	stored   map[string]StoredChannel
	stale    bool                     // the stored ones are to be read again
	policies map[string]notify.Policy // as they were read
}

// NewDirectory returns the directory of a config and a store. Without a vault
// it knows names only.
func NewDirectory(c *Config, store ChannelStore, vault *notify.Vault, log *slog.Logger) *Directory {
	return &Directory{
		config: c.Channels, store: store, vault: vault, log: log, stale: true,
		policies: map[string]notify.Policy{},
	}
}

// Forget makes the directory read the stored channels again. Until that can be
// done, those that it knows stay.
func (d *Directory) Forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stale = true
}

// read returns the stored channels, as well as they are known.
func (d *Directory) read() map[string]StoredChannel {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.readLocked()
}

func (d *Directory) readLocked() map[string]StoredChannel {
	if !d.stale {
		return d.stored
	}
	list, err := d.store.Channels(context.Background())
	if err != nil {
		d.log.Error("stored channels not read", "error", err)
		return d.stored
	}
	d.stored, d.stale = map[string]StoredChannel{}, false
	for _, c := range list {
		d.stored[c.Name] = c
	}
	clear(d.policies)
	return d.stored
}

// Names lists all channels.
func (d *Directory) Names() []string {
	names := slices.Collect(maps.Keys(d.config))
	for name := range d.read() {
		if _, twice := d.config[name]; !twice {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Open returns a channel with its credential; rules.NotFound when there is none
// or its credential cannot be opened, rules.Unavailable when nobody can tell now.
func (d *Directory) Open(name string) (notify.Channel, error) {
	if c, ok := d.config[name]; ok {
		if c.URL.IsZero() {
			return notify.Channel{}, rules.Errorf(rules.NotFound, "channel %q has no url in the config", name)
		}
		return notify.Channel{Name: name, Kind: c.Kind, URL: c.URL}, nil
	}
	d.mu.Lock()
	c, ok := d.readLocked()[name]
	stale := d.stale
	d.mu.Unlock()
	switch {
	case !ok && stale:
		return notify.Channel{}, rules.Errorf(rules.Unavailable, "the stored channels cannot be read now")
	case !ok || d.vault == nil:
		return notify.Channel{}, rules.Errorf(rules.NotFound, "no channel %q", name)
	}
	url, err := d.vault.Open(c.ID, c.Kind, c.Sealed)
	if err != nil {
		return notify.Channel{}, rules.Errorf(rules.NotFound, "channel %q: %s", name, rules.Sentence(err))
	}
	return notify.Channel{Name: name, Kind: c.Kind, URL: url}, nil
}

// Targets names those that a channel's messages go to, as sender reads its URL;
// none where it cannot be opened.
func (d *Directory) Targets(sender notify.Sender) func(channel string) []string {
	return func(channel string) []string {
		c, err := d.Open(channel)
		if err != nil {
			return nil
		}
		return sender.Targets(c.URL)
	}
}

// Opens reports whether the credential of a stored channel can be opened.
func (d *Directory) Opens(c StoredChannel) bool {
	if d.vault == nil {
		return false
	}
	_, err := d.vault.Open(c.ID, c.Kind, c.Sealed)
	return err == nil
}

// Policy says how a channel is used.
func (d *Directory) Policy(name string) notify.Policy {
	d.mu.Lock()
	defer d.mu.Unlock()
	stored := d.readLocked()
	if p, ok := d.policies[name]; ok {
		return p
	}
	kind, settings := "", notify.Settings{}
	if c, ok := d.config[name]; ok {
		kind, settings = c.Kind, c.Settings
	} else if c, ok := stored[name]; ok {
		kind, settings = c.Kind, c.Settings
	} else {
		return notify.Policy{} // none, or none that can be read now
	}
	p, err := settings.Policy(kind)
	if err != nil {
		d.log.Error("settings of a channel not used", "channel", name, "error", err)
		p, _ = notify.Settings{Fallback: settings.Fallback}.Policy(kind) // the other settings are what can be wrong
	}
	d.policies[name] = p
	return p
}

// Route names the channels for a severity.
func (d *Directory) Route(c *Config) func(rules.Severity) []string {
	return func(s rules.Severity) []string { return c.Route(s, d.Names()) }
}

// Operators names the channels for tocsin's own messages: those of operators,
// which are those of notify.default when nobody says, or every channel.
func (d *Directory) Operators(c *Config) func() []string {
	return func() []string {
		if len(c.Operators) > 0 {
			return c.Operators
		}
		return d.Names()
	}
}
