package cli

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/rules"
)

// initAnswer is what `init` answers.
type initAnswer struct {
	Client   initView `json:"client"`
	Warnings []string `json:"warnings"`
}

// initView is a client's entry and where it belongs.
type initView struct {
	Name    string          `json:"name"`
	File    string          `json:"file"`
	Entry   json.RawMessage `json:"entry"`             // as the file has it
	Command string          `json:"command,omitempty"` // that makes the same entry
	Written bool            `json:"written"`           // the file has it now
	Changed bool            `json:"changed"`           // it did not have it before
	Backup  string          `json:"backup,omitempty"`  // the file as it was
}

// initFlags are how a client shall reach tocsin.
type initFlags struct {
	client, name, connect, tokenFile string
	readOnly, write                  bool
}

func (d *door) init() *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use: "init", Short: "Connect Claude, Cursor or VS Code to tocsin", Args: exactly(),
		Long: `Print the entry with which a client starts "tocsin mcp", and where it belongs.
With --write it is put there: what the file holds stays, comments in that of
VS Code too, and a copy of the file as it was is kept beside it. A file that
cannot be read as JSON is left alone.

With --connect the client reaches a tocsin that runs elsewhere, or as another
user: at its address, with a token of its own, or at its local socket.`,
		Example: `tocsin init --client claude-code
tocsin init --client claude-desktop --write --config /etc/tocsin/config.yaml
tocsin init --client cursor --connect http://raspberrypi.lan:8627 --token-file ~/.config/tocsin/pi.token
tocsin init --client vscode --connect unix:/run/tocsin/tocsin.sock --read-only`,
		RunE: func(cmd *cobra.Command, _ []string) error { return d.runInit(cmd, f) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.client, "client", "", "claude-code, claude-desktop, cursor or vscode")
	flags.BoolVar(&f.write, "write", false, "put the entry into the client's file")
	flags.StringVar(&f.connect, "connect", "", "reach a running daemon: http(s)://HOST:PORT or unix:PATH of its socket")
	flags.StringVar(&f.tokenFile, "token-file", "", "the file that holds the token for --connect")
	flags.BoolVar(&f.readOnly, "read-only", false, "let the client look, and change nothing")
	flags.StringVar(&f.name, "name", "tocsin", "the name of the entry, for those who have several")
	return cmd
}

func (d *door) runInit(cmd *cobra.Command, f initFlags) error {
	c, err := findClient(f.client)
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
	v, err := c.place(f, binary, args)
	if err != nil {
		return err
	}
	p := d.page(cmd)
	return p.answer(initAnswer{v, warnings}, warnings, func() { p.showInit(c, f, v) })
}

// place makes the entry, and writes it if that is wanted.
func (c client) place(f initFlags, binary string, args []string) (v initView, err error) {
	v = initView{Name: c.name}
	if v.File, err = c.file(); err != nil {
		return v, err
	}
	entry := c.entry(binary, args)
	if v.Entry, err = c.shown(f.name, entry); err != nil {
		return v, err
	}
	if c.name == "claude-code" {
		v.Command = quoted(slices.Concat([]string{"claude", "mcp", "add", "--scope", "user", f.name, "--", binary}, args)...)
	}
	if !f.write {
		return v, nil
	}
	done, err := c.write(v.File, f.name, entry, time.Now())
	v.Written, v.Changed, v.Backup = err == nil, done.changed, done.backup
	return v, err
}

func (p page) showInit(c client, f initFlags, v initView) {
	switch {
	case v.Written && !v.Changed:
		p.line("%s has this entry already, in %s. Nothing was changed.", c.title, v.File)
		return
	case v.Written:
		p.line("Wrote %s to %s.", f.name, v.File)
		if v.Backup != "" {
			p.line("The file as it was is %s.", v.Backup)
		}
		p.line("%s", c.after)
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
		to, more, err := d.connection(f)
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

// connection are the arguments that reach a daemon.
func (d *door) connection(f initFlags) (args, warnings []string, err error) {
	if d.path != "" {
		return nil, nil, rules.FieldErrorf("--config", "is not read with --connect; leave one of them out")
	}
	if path, ok := strings.CutPrefix(f.connect, "unix:"); ok {
		if f.tokenFile != "" {
			return nil, nil, rules.FieldErrorf("--token-file", "is not needed at a socket: the system says who you are")
		}
		if path, err = filepath.Abs(path); err != nil || f.connect == "unix:" {
			return nil, nil, rules.FieldErrorf("--connect",
				"must name the socket; for example --connect unix:/run/tocsin/tocsin.sock")
		}
		return []string{"--connect", "unix:" + path}, nil, nil
	}
	u, err := endpoint(f.connect)
	if err != nil {
		return nil, nil, err
	}
	args = []string{"--connect", u.String()}
	here := rules.Loopback(u.Hostname())
	if f.tokenFile == "" && !here {
		return nil, nil, rules.FieldErrorf("--token-file",
			"is missing: %s asks for a token. Make one there with `tocsin tokens add %s --scope write`, put it into a file "+
				"that only you can read, and name that file", u.Host, "laptop")
	}
	if u.Scheme == "http" && !here {
		warnings = append(warnings,
			"over http:// everybody on the way can read the token; a proxy with TLS in front, or ssh, keeps it")
	}
	if f.tokenFile == "" {
		return args, warnings, nil
	}
	file, err := filepath.Abs(f.tokenFile)
	if err != nil {
		return nil, nil, rules.FieldErrorf("--token-file", "cannot be made an absolute path: %v", err)
	}
	return append(args, "--token-file", file), append(warnings, tokenFileWarnings(file)...), nil
}

// endpoint reads the address of a daemon. An address that holds a credential is
// refused and not repeated.
func endpoint(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, rules.FieldErrorf("--connect",
			"must be an address such as http://raspberrypi.lan:8627, or unix: and the path of a socket")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, rules.FieldErrorf("--connect",
			"must be scheme, host and path alone: the token goes into a file, see --token-file")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/mcp"
	}
	return u, nil
}

func tokenFileWarnings(file string) []string {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return []string{"there is no file " + file + " that you can read yet: put the token into it, and nothing else"}
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return []string{"other users of this machine can read " + file + "; mend it with: chmod 600 " + quoted(file)}
	}
	return nil
}
