package cli

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/app"
)

func (d *door) config() *cobra.Command {
	return group("config", "Look at the configuration", d.configCheck())
}

// configAnswer is what `config check` answers when nothing is wrong.
type configAnswer struct {
	Config   configView `json:"config"`
	Warnings []string   `json:"warnings"`
}

// configView is what may be shown of a config.
type configView struct {
	Path     string   `json:"path"` // "" for no file
	DataDir  string   `json:"data_dir"`
	Listen   string   `json:"listen"`
	Every    string   `json:"every"`
	Sources  []string `json:"sources"`
	Channels []string `json:"channels"`
}

func (d *door) configCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "Check the config file and the environment", Args: exactly(),
		Example: "tocsin config check --config /etc/tocsin/config.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := d.program.Load(d.configPath(), true)
			if err != nil {
				return failed{err}
			}
			p, a := d.page(cmd), configAnswer{viewConfig(config), append(namesUnseen(config), closedDoor(config)...)}
			return p.answer(a, a.Warnings, func() {
				p.line("%s is good.", cmp.Or(a.Config.Path, "The configuration (there is no file)"))
				p.facts([][2]string{
					{"data_dir", a.Config.DataDir},
					{"listen", a.Config.Listen},
					{"every", a.Config.Every},
					{"sources", names(a.Config.Sources, same)},
					{"channels", names(a.Config.Channels, same)},
				})
			})
		},
	}
}

func same(name string) string { return name }

func viewConfig(c *app.Config) configView {
	return configView{
		Path: c.Path, DataDir: c.DataDir, Listen: c.Listen, Every: c.Every.String(),
		Sources: sortedKeys(c.Sources), Channels: sortedKeys(c.Channels),
	}
}

// sortedKeys is never nil.
func sortedKeys[V any](m map[string]V) []string {
	return append([]string{}, slices.Sorted(maps.Keys(m))...)
}

// namesUnseen warns about channels that the config names and does not have:
// they may be stored, or mistyped.
func namesUnseen(c *app.Config) []string {
	out := []string{}
	look := func(key string, wanted []string) {
		for _, name := range wanted {
			if _, known := c.Channels[name]; !known {
				out = append(out, fmt.Sprintf("%s: channel %q is not in the config; if it is not a stored one either, add it with `tocsin channels add %s`", key, name, name))
			}
		}
	}
	for _, severity := range sortedKeys(c.Notify) {
		look("notify."+severity, c.Notify[severity])
	}
	if !slices.Equal(c.Operators, c.Notify["default"]) {
		look("operators", c.Operators)
	}
	return out
}

// closedDoor warns about a listener that other machines reach, and that
// answers none of them.
func closedDoor(c *app.Config) []string {
	host, _, err := net.SplitHostPort(c.Listen)
	address, notAddress := netip.ParseAddr(host)
	here := host == "localhost" || notAddress == nil && address.IsLoopback()
	if err != nil || here || !c.Token.IsZero() {
		return nil
	}
	return []string{"listen: other machines reach " + c.Listen + ", but without a token in the config they need one of `tocsin tokens add`, and commands cannot ask the live sources; set token_file, for example token_file: /etc/tocsin/token"}
}
