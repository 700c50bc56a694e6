package cli

import (
	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/rules"
)

// MCPOptions say whom a model speaks with, and what it may do.
type MCPOptions struct {
	// Config is the path of the config, which is not read with Connect.
	Config string
	// Connect is the URL of a daemon, or unix: and the path of its socket; ""
	// for the daemon of this machine or, without one, the database.
	Connect string
	// TokenFile holds the token for Connect; "" takes TOCSIN_TOKEN.
	TokenFile string
	// ReadOnly lets the model look and change nothing.
	ReadOnly bool
}

func (d *door) mcp() *cobra.Command {
	var o MCPOptions
	c := &cobra.Command{
		Use: "mcp", Short: "Serve a model such as Claude over standard input and output", Args: exactly(),
		Long: `Serve a model such as Claude over standard input and output.

While the daemon of this machine runs, it answers: through its socket, which
members of the group tocsin may use. Otherwise the database is used directly.
That is decided for each message, so either may come and go.

With --connect a daemon elsewhere answers, and no config is read. Its token
comes from the environment variable TOCSIN_TOKEN or from --token-file.`,
		Example: `tocsin mcp --config /etc/tocsin/config.yaml
tocsin mcp --connect https://pi.local:8627 --token-file ~/.config/tocsin/pi.token
tocsin mcp --connect unix:/run/tocsin/tocsin.sock --read-only`,
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case o.Connect != "" && d.path != "":
				return rules.FieldErrorf("--connect", "takes no --config: the daemon there has its own")
			case o.Connect == "" && o.TokenFile != "":
				return rules.FieldErrorf("--token-file", "is for --connect; on this machine no token is needed")
			case o.Connect == "":
				o.Config = d.configPath()
			}
			return ran(d.program.MCP(c.Context(), o))
		},
	}
	c.Flags().StringVar(&o.Connect, "connect", "", "a running daemon: URL or unix:PATH")
	c.Flags().StringVar(&o.TokenFile, "token-file", "", "file with the token for --connect (default: $TOCSIN_TOKEN)")
	c.Flags().BoolVar(&o.ReadOnly, "read-only", false, "let the model look and change nothing")
	return c
}
