package app

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/9bikes/tocsin/rules"
)

// ConfigView is what may be shown of a config.
type ConfigView struct {
	Path     string   `json:"path"` // "" for no file
	DataDir  string   `json:"data_dir"`
	Listen   string   `json:"listen"`
	Every    string   `json:"every"`
	Sources  []string `json:"sources"`
	Channels []string `json:"channels"`
	// Settings are all keys that have a value, credentials left out.
	Settings []Setting `json:"settings"`
}

// ViewConfig returns what may be shown of a config.
func ViewConfig(c *Config) ConfigView {
	return ConfigView{
		Path: c.Path, DataDir: c.DataDir, Listen: c.Listen, Every: c.Every.String(),
		Sources: sortedNames(c.Sources), Channels: sortedNames(c.Channels),
		Settings: append([]Setting{}, c.Settings...),
	}
}

// sortedNames is never nil.
func sortedNames[V any](m map[string]V) []string {
	return append([]string{}, slices.Sorted(maps.Keys(m))...)
}

// ConfigWarnings are what a person should know about a config that works.
func (a *App) ConfigWarnings(ctx context.Context, c *Config) []string {
	list, err := a.Store.Channels(ctx)
	stored := map[string]bool{}
	for _, channel := range list {
		stored[channel.Name] = true
	}
	return append(append(namesUnseen(c, stored, err == nil), closedDoor(c)...), c.Concerns()...)
}

// Warnings are those of ConfigWarnings where it is not known which channels are
// stored, which they say.
func (c *Config) Warnings() []string {
	return append(append(namesUnseen(c, nil, false), closedDoor(c)...), c.Concerns()...)
}

// Concerns are what a person should know of a config wherever it is read:
// variables that mean nothing, links that phones do not show, and connections whose
// other end nobody makes sure of.
func (c *Config) Concerns() (out []string) {
	out = append(append(out, c.Ignored...), c.undotted()...)
	warn := func(path string) {
		out = append(out, path+".insecure_skip_verify: any certificate is believed, so whoever is in between can read the "+
			"credential and pretend; give the server's authority as ca_file instead")
	}
	if c.Heartbeat.Trust.InsecureSkipVerify {
		warn("heartbeat")
	}
	for _, name := range sortedNames(c.Sources) {
		if c.Sources[name].Trust.InsecureSkipVerify {
			warn("sources." + name)
		}
	}
	for _, name := range sortedNames(c.Channels) {
		if c.Channels[name].Settings.InsecureSkipVerify {
			warn("channels." + name)
		}
	}
	return out
}

// undotted warns about an address of links that services do not take for one.
func (c *Config) undotted() []string {
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Hostname() == "" || strings.ContainsAny(u.Hostname(), ".:") {
		return nil
	}
	return []string{fmt.Sprintf("public_url: %q is a name without a dot, to which Telegram and others make no links or "+
		"buttons; give its full name, such as %s.lan, or its address", u.Hostname(), u.Hostname())}
}

// namesUnseen warns about channels that the config names and that are not
// there, or may be mistyped.
func namesUnseen(c *Config, stored map[string]bool, known bool) []string {
	out := []string{}
	look := func(key string, wanted []string) {
		for _, name := range wanted {
			_, configured := c.Channels[name]
			switch {
			case configured || stored[name]:
			case known:
				out = append(out, fmt.Sprintf("%s: there is no channel %q; add it with `tocsin channels add %s`", key, name, name))
			default:
				out = append(out,
					fmt.Sprintf("%s: channel %q is not in the config; if it is not a stored one either, add it with `tocsin "+
						"channels add %s`", key, name, name))
			}
		}
	}
	for _, severity := range sortedNames(c.Notify) {
		look("notify."+severity, c.Notify[severity])
	}
	if !slices.Equal(c.Operators, c.Notify["default"]) {
		look("operators", c.Operators)
	}
	return out
}

// closedDoor warns about a listener that other machines reach, and that
// answers none of them.
func closedDoor(c *Config) []string {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil || rules.Loopback(host) || !c.Token.IsZero() {
		return nil
	}
	return []string{"listen: other machines reach " + c.Listen +
		", but without a token in the config they need one of `tocsin tokens add`; set token_file, for example token_file: " +
		"/etc/tocsin/token"}
}
