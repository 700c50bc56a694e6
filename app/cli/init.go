package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/app/clients"
	"github.com/9bikes/tocsin/rules"
)

// initAnswer is what `init` answers.
type initAnswer struct {
	Client   clients.Entry `json:"client"`
	Warnings []string      `json:"warnings"`
}

// initFlags are how a client shall reach tocsin.
type initFlags struct {
	client, name, connect, tokenFile string
	influx                           string // where to look for it
	readOnly, write                  bool
}

func (d *door) init() *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use: "init", Short: "Write a first config, or connect Claude, Cursor or VS Code", Args: exactly(),
		Long: `Without --client, at a terminal: find the InfluxDB of this machine, or the one
of --influxdb, ask for the database, write both to the config, and say what to
do next, with rules for what is measured there.

With --client: print the entry with which a client starts "tocsin mcp", and
where it belongs. With --write it is put there: what the file holds stays,
comments in that of VS Code too, and a copy of the file as it was is kept beside
it. A file that cannot be read as JSON is left alone.

With --connect the client reaches a tocsin that runs elsewhere, or as another
user: at its address, with a token of its own, or at its local socket.`,
		Example: `tocsin init --client claude-code
tocsin init --influxdb http://nas.lan:8086
tocsin init --client claude-desktop --write --config /etc/tocsin/config.yaml
tocsin init --client cursor --connect http://raspberrypi.lan:8627 --token-file ~/.config/tocsin/pi.token
tocsin init --client vscode --connect unix:/run/tocsin/tocsin.sock --read-only`,
		RunE: func(cmd *cobra.Command, _ []string) error { return d.runInit(cmd, f) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.influx, "influxdb", "", "where the InfluxDB of a first config is")
	flags.StringVar(&f.client, "client", "", "claude-code, claude-desktop, cursor or vscode")
	flags.BoolVar(&f.write, "write", false, "put the entry into the client's file")
	flags.StringVar(&f.connect, "connect", "", "reach a running daemon: http(s)://HOST:PORT or unix:PATH of its socket")
	flags.StringVar(&f.tokenFile, "token-file", "", "the file that holds the token for --connect")
	flags.BoolVar(&f.readOnly, "read-only", false, "let the client look, and change nothing")
	flags.StringVar(&f.name, "name", "tocsin", "the name of the entry, for those who have several")
	return cmd
}

func (d *door) runInit(cmd *cobra.Command, f initFlags) error {
	if f.client == "" && (f.influx != "" || isTerminal(cmd.InOrStdin()) && cmd.Flags().NFlag() == 0) {
		return d.setUp(cmd, f.influx)
	}
	if f.influx != "" {
		return rules.FieldErrorf("--influxdb", "is for a first config; leave it out, or leave out --client")
	}
	c, err := clients.Find(f.client)
	if err != nil {
		return err
	}
	if strings.TrimSpace(f.name) == "" {
		return rules.FieldErrorf("--name", "must not be empty; for example --name tocsin")
	}
	args, warnings, err := d.mcpArgs(cmd.Context(), f)
	if err != nil {
		return err
	}
	binary, err := os.Executable()
	if err != nil {
		return rules.Errorf(rules.Unavailable, "this system does not tell where the program is: %v", err)
	}
	if strings.Contains(binary, "go-build") {
		warnings = append(warnings,
			"this is a program that `go run` made and will remove; build tocsin, and run that `tocsin init`")
	}
	v, err := c.Place(clients.Request{Name: f.name, Command: binary, Args: args, Write: f.write})
	if err != nil {
		return err
	}
	p := d.page(cmd)
	return p.answer(initAnswer{v, warnings}, warnings, func() { p.showInit(c, f, v) })
}

func (p page) showInit(c clients.Client, f initFlags, v clients.Entry) {
	switch {
	case v.Written && !v.Changed:
		p.line("%s has this entry already, in %s. Nothing was changed.", c.Title, v.File)
		return
	case v.Written:
		p.line("Wrote %s to %s.", f.name, v.File)
		if v.Backup != "" {
			p.line("The file as it was is %s.", v.Backup)
		}
		p.line("%s", c.After)
		return
	case v.Command != "":
		p.line("Run this, or the same `tocsin init` with --write:")
		p.line("")
		p.line("  %s", v.Command)
		p.line("")
		p.line("It makes this entry in %s:", v.File)
	default:
		p.line("This belongs in %s; with --write it is put there:", v.File)
	}
	p.line("")
	for line := range strings.SplitSeq(string(v.Entry), "\n") {
		p.line("%s", line)
	}
}

// mcpArgs are the arguments with which a client starts tocsin, and what people
// should know about them.
func (d *door) mcpArgs(ctx context.Context, f initFlags) (args, warnings []string, err error) {
	args, warnings = []string{"mcp"}, []string{}
	if f.connect != "" {
		if d.path != "" {
			return nil, nil, rules.FieldErrorf("--config", "is not read with --connect; leave one of them out")
		}
		to, more, err := clients.Reach(f.connect, f.tokenFile)
		if err != nil {
			return nil, nil, err
		}
		args, warnings = append(args, to...), append(warnings, more...)
	} else {
		if f.tokenFile != "" {
			return nil, nil, rules.FieldErrorf("--token-file", "is for --connect; on this machine no token is needed")
		}
		with, more, err := d.ownConfig()
		if err != nil {
			return nil, nil, err
		}
		args, warnings = append(args, with...), append(warnings, more...)
	}
	if f.readOnly {
		args = append(args, "--read-only")
	}
	return args, warnings, ctx.Err()
}

// ownConfig carries the config that this user's commands use to a client, which
// has neither their environment nor their directory.
func (d *door) ownConfig() (args, warnings []string, err error) {
	path := d.configPath()
	if path == "" {
		return nil,
			[]string{"there is no config file, so tocsin knows no source; write one and run this again with --config FILE"}, nil
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, nil, rules.FieldErrorf("--config", "cannot be made an absolute path: %v", err)
	}
	_, err = d.program.Load(path, false)
	if err != nil {
		warnings = append(warnings, "with this config the client will not get far: "+rules.Sentence(err))
	}
	if rules.CodeOf(err) == rules.Forbidden {
		warnings = append(warnings,
			"a daemon of another user is reached at its socket: --connect unix:/run/tocsin/tocsin.sock")
	}
	return []string{"--config", path}, warnings, nil
}
