package cli

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/app"
)

func (d *door) config() *cobra.Command {
	return group("config", "Look at the configuration", d.configCheck())
}

// configAnswer is what `config check` answers when nothing is wrong.
type configAnswer struct {
	Config   app.ConfigView `json:"config"`
	Warnings []string       `json:"warnings"`
}

func (d *door) configCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "Check the config file and the environment", Args: exactly(),
		Example: "tocsin config check --config /etc/tocsin/config.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := d.checkConfig(cmd.Context())
			if err != nil {
				return failed{err}
			}
			p := d.page(cmd)
			return p.answer(a, a.Warnings, func() {
				p.line("%s is good.", cmp.Or(a.Config.Path, "The configuration (there is no file)"))
				p.facts(settings(a.Config))
			})
		},
	}
}

// settings are the keys that have a value; of sources and channels it is also said
// that there are none.
func settings(v app.ConfigView) (out [][2]string) {
	for _, s := range v.Settings {
		out = append(out, [2]string{s.Key, strings.ReplaceAll(strings.TrimSpace(s.Value), "\n", " ")})
	}
	for _, none := range []struct {
		key   string
		names []string
	}{{"sources", v.Sources}, {"channels", v.Channels}} {
		if len(none.names) == 0 {
			out = append(out, [2]string{none.key, "none"})
		}
	}
	return out
}

// checkConfig asks the daemon what it makes of the file, if the daemon runs on
// it: it alone sees its environment, and the credentials that systemd gives it.
func (d *door) checkConfig(ctx context.Context) (configAnswer, error) {
	mine := d.configPath()
	if daemon, _, _ := d.daemon(ctx); daemon != nil {
		path, view, warnings, err := daemon.Config(ctx)
		if sameFile(path, mine) {
			return configAnswer{view, warnings}, err
		}
	}
	c, err := d.program.Load(mine, true)
	if err != nil {
		return configAnswer{}, err
	}
	return configAnswer{app.ViewConfig(c), c.Warnings()}, nil
}

// sameFile reports whether two paths lead to one file, or both to none.
func sameFile(a, b string) bool {
	if a == "" || b == "" {
		return a == b
	}
	one, err := os.Stat(a)
	other, err2 := os.Stat(b)
	return filepath.Clean(a) == filepath.Clean(b) || err == nil && err2 == nil && os.SameFile(one, other)
}
