// Package cli is the command line: it parses, calls the use cases of app and
// prints. With --json every answer is one JSON document that wraps its
// subject, {"rule": {...}, "warnings": []}, with [] where a list is empty; an
// error is {"error": {"code", "message", "field"}, "errors": [...]} on
// standard error. The exit codes are 0 done, 1 failed, 2 wrong usage or input,
// 3 not found and 4 conflict.
//
// What is done and decided belongs to app, how a daemon is found to app/local;
// what opens databases, sources and keys is handed in by app/daemon.
package cli

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/app/setup"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// Program is what the commands need from the program around them.
type Program struct {
	// Version is the program's, with the commit where it is known.
	Version string
	// ConfigFile is the config file that is used where none is named; "" for none.
	ConfigFile func() string
	// Load reads the config; an empty path is no file. Commands that have
	// nothing to do with channels load without their credentials.
	Load func(path string, withChannelSecrets bool) (*app.Config, error)
	// Find reads as much of the config as it takes to find the daemon: no
	// credential, which the daemon may have from elsewhere.
	Find func(path string) *app.Config
	// Open returns an App on the store, beside the daemon, and what closes it.
	// Only the command that stores a credential asks for the key.
	Open func(ctx context.Context, c *app.Config, withKey bool) (*app.App, func() error, error)
	// Daemon returns the daemon that runs on the config's data, nil where none
	// answers; the error says why this user may not ask it. Builder makes the
	// URLs that it is given.
	Daemon  func(ctx context.Context, c *app.Config) (Daemon, error)
	Builder notify.Builder
	// Serve runs the daemon until ctx ends.
	Serve func(ctx context.Context, configPath string) error
	// MCP serves a model over standard input and output until either ends.
	MCP func(ctx context.Context, o MCPOptions) error
	// Sources makes the configured sources, which needs no database.
	Sources func(c *app.Config) (map[string]evaluator.Source, error)
	// LookForInflux asks what there is at an address; the error says that it is no
	// InfluxDB.
	LookForInflux func(ctx context.Context, url string) (setup.InfluxDB, error)
	// Backup writes a copy of the database to a file.
	Backup func(ctx context.Context, c *app.Config, file string, withKey bool) error
	// Restore puts a backup in the place of the database, once agree has seen
	// what is in it, and tells where the one before is kept.
	Restore func(ctx context.Context, c *app.Config, file string, agree func(Contents) error) (kept string, err error)
	// ReadData reads a file of points to try rules on. Zero has it recognise what
	// unix times count.
	ReadData func(file io.Reader, form evaluator.DataForm) (*evaluator.Data, error)
	// Demo shows tocsin at work on made-up data.
	Demo func(ctx context.Context, out io.Writer) error
}

// Main runs the command line until it is done or ctx ends, and returns the
// exit code.
func Main(ctx context.Context, p Program, args []string, in io.Reader, out, errOut io.Writer) int {
	root := New(p)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	return report(errOut, root.ExecuteContext(ctx), slices.Contains(args, "--json"))
}

// New returns the root command. Whoever executes it prints its error; Main
// does both.
func New(p Program) *cobra.Command {
	d := &door{program: p}
	root := group("tocsin", "An alarm bell beside an InfluxDB",
		d.serve(), d.mcp(), d.demo(), d.rules(), d.alerts(), d.silences(), d.channels(), d.sources(), d.backtest(),
		d.status(), d.doctor(), d.audit(), d.tokens(), d.init(), d.backup(), d.restore(), d.config(), d.version())
	root.Long = `tocsin watches the data in an InfluxDB and tells people when something is wrong.

Start the daemon with "tocsin serve"; every other command works beside it.
"tocsin help" lists what there is to read.`
	root.SetHelpCommand(d.help())
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsagesWrapped 80"))
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(wrongFlag)
	root.PersistentFlags().StringVar(&d.path, "config", "",
		"config file (default: $TOCSIN_CONFIG, ~/.config/tocsin/config.yaml, /etc/tocsin/config.yaml)")
	root.PersistentFlags().BoolVar(&d.json, "json", false, "answer in JSON")
	return root
}

// door is the command line with its global flags.
type door struct {
	program Program
	path    string
	json    bool
}

// group returns a command that only has others below it.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			return noCommand(c, args[0])
		},
	}
	c.AddCommand(commands...)
	return c
}

func noCommand(c *cobra.Command, word string) error {
	var known []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			known = append(known, sub.Name())
		}
	}
	near := rules.Nearest(word, known)
	switch {
	case strings.Contains(word, "://"): // a channel's URL, which nothing repeats
		return rules.Errorf(rules.Invalid, "%s takes a command, not an address; known: %s", c.CommandPath(),
			strings.Join(known, ", "))
	case len(near) > 0:
		return rules.Errorf(rules.Invalid, "there is no command %s %s; did you mean %s?", c.CommandPath(), word,
			strings.Join(near, " or "))
	}
	return rules.Errorf(rules.Invalid, "there is no command %s %s; known: %s", c.CommandPath(), word,
		strings.Join(known, ", "))
}

// wrongFlag says what a flag should have been.
func wrongFlag(c *cobra.Command, err error) error {
	var value *pflag.InvalidValueError
	if errors.As(err, &value) {
		f := value.GetFlag()
		return rules.FieldErrorf("--"+f.Name, "must be %s; got %q; see `%s --help`", cmp.Or(flagForms[f.Value.Type()], "of another form"),
			value.GetValue(), c.CommandPath())
	}
	text := err.Error()
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		if near := rules.Nearest(unknown.GetSpecifiedName(), flagNames(c)); len(near) > 0 {
			text += "; did you mean --" + strings.Join(near, " or --") + "?"
		}
	}
	return rules.Errorf(rules.Invalid, "%s; see `%s --help`", text, c.CommandPath())
}

// flagForms says what the flags that are no text take, by the type that pflag
// gives them.
var flagForms = map[string]string{
	"int": "a whole number such as 50", "bool": "true or false", "duration": "a duration such as 20s or 1m",
}

func flagNames(c *cobra.Command) (names []string) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return names
}

// exactly refuses any other number of arguments than those that names lists;
// one in brackets may be left out.
func exactly(names ...string) cobra.PositionalArgs {
	least := slices.IndexFunc(names, func(s string) bool { return strings.HasPrefix(s, "[") })
	if least < 0 {
		least = len(names)
	}
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return rules.Errorf(rules.Invalid, "%s is missing; for example `%s`", names[len(args)], example(c))
		case len(args) > len(names) && len(names) == 0:
			return rules.Errorf(rules.Invalid, "`%s` takes flags alone; put a value with spaces in quotes; for example `%s`",
				c.CommandPath(), example(c))
		case len(args) > len(names):
			return rules.Errorf(rules.Invalid, "`%s` takes %s and no more; put a value with spaces in quotes", c.CommandPath(),
				strings.Join(names, " "))
		}
		return nil
	}
}

// example is the first line of a command's examples.
func example(c *cobra.Command) string {
	first, _, _ := strings.Cut(strings.TrimSpace(c.Example), "\n")
	if first == "" {
		return c.CommandPath()
	}
	return first
}

// call is one command at work on an open App.
type call struct {
	*app.App
	page
	builder notify.Builder // of channels' addresses
	daemon  Daemon         // answers in the place of the App, where it does
	warned  []string       // by its last answer
	cmd     *cobra.Command
	args    []string
}

// need is what a command has to do with the channels' credentials.
type need uint8

const (
	nothing need = iota
	kinds        // the kinds of the channels, where this user may read their URLs
	theKey       // the key that seals a URL
)

// configPath is the file of --config, or the one that is used without it.
func (d *door) configPath() string {
	return cmp.Or(d.path, d.program.ConfigFile())
}

func (d *door) load(n need) (*app.Config, error) {
	path := d.configPath()
	if n != nothing {
		if c, err := d.program.Load(path, true); err == nil {
			return c, nil
		}
	}
	return d.program.Load(path, false)
}

// with opens the App for the time of one command.
func (d *door) with(n need, run func(ctx context.Context, c *call) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) (err error) {
		config, err := d.load(n)
		if err != nil {
			daemon, found, _ := d.daemon(cmd.Context())
			if daemon == nil {
				return failed{err}
			}
			config = found // the daemon has from systemd what is missing here
		}
		a, closing, err := d.program.Open(cmd.Context(), config, n == theKey)
		if err != nil {
			return failed{err}
		}
		defer func() { err = errors.Join(err, closing()) }()
		return run(cmd.Context(), &call{App: a, page: d.page(cmd), builder: d.program.Builder, cmd: cmd, args: args})
	}
}

// Daemon is a running daemon, as the commands use it for what takes the key of
// the channels. The warnings are of every answer.
type Daemon interface {
	// AddChannel stores a channel, or gives one that exists another credential.
	AddChannel(ctx context.Context, name string, url rules.Secret, s notify.Settings, replace bool) (rules.ChannelInfo,
		[]string, error)
	// TestChannel sends a test message and waits for what comes of it.
	TestChannel(ctx context.Context, name string, patience time.Duration) (app.TestAnswer, []string, error)
	// Status, Doctor and Channels say what the daemon knows and sees.
	Status(ctx context.Context) (app.Status, error)
	Doctor(ctx context.Context) ([]insight.Finding, error)
	Channels(ctx context.Context) (list []rules.ChannelInfo, warnings []string, err error)
	// Alerts, Alert and Acknowledge do at the daemon what the App's do.
	Alerts(ctx context.Context, f app.AlertFilter) (list []app.AlertView, total int, warnings []string, err error)
	Alert(ctx context.Context, id string) (v app.AlertView, warnings []string, err error)
	Acknowledge(ctx context.Context, id string, req app.AckRequest) (v app.AlertView, warnings []string, err error)
	// Config says what the daemon makes of its config file as it is now.
	Config(ctx context.Context) (path string, view app.ConfigView, warnings []string, err error)
}

// daemon returns the daemon that runs on the data of the config, nil where none
// answers; the error says why this user may not ask it.
func (d *door) daemon(ctx context.Context) (Daemon, *app.Config, error) {
	if d.program.Daemon == nil {
		return nil, nil, nil
	}
	config := d.program.Find(d.configPath())
	daemon, forbidden := d.program.Daemon(ctx, config)
	return daemon, config, forbidden
}

// through runs a command at the daemon, so that whoever may use its socket can
// run it, or on the store where no daemon answers.
func (d *door) through(n need, atDaemon func(ctx context.Context, c *call, daemon Daemon) error,
	beside func(ctx context.Context, c *call) error,
) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		daemon, config, forbidden := d.daemon(cmd.Context())
		if daemon == nil {
			err := d.with(n, beside)(cmd, args)
			if forbidden != nil && errors.As(err, new(failed)) {
				return failed{forbidden} // neither the data nor the daemon
			}
			return err
		}
		a := app.New(app.App{Config: config})
		return atDaemon(cmd.Context(), &call{App: a, page: d.page(cmd), builder: d.program.Builder, cmd: cmd, args: args},
			daemon)
	}
}

// actor is who acts: the user of the operating system.
func actor() rules.Actor {
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return rules.Actor{Name: name, Door: "cli"}
}

// clock is the App's.
func (c *call) clock() time.Time { return c.Now() }

func (d *door) serve() *cobra.Command {
	return &cobra.Command{
		Use: "serve", Short: "Run the daemon: evaluate rules, tell people, serve the web page", Args: exactly(),
		Example: "tocsin serve --config /etc/tocsin/config.yaml",
		RunE:    func(c *cobra.Command, _ []string) error { return ran(d.program.Serve(c.Context(), d.configPath())) },
	}
}

func (d *door) demo() *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "Show tocsin at work on made-up data, without an InfluxDB", Args: exactly(),
		Example: "tocsin demo",
		RunE:    func(c *cobra.Command, _ []string) error { return ran(d.program.Demo(c.Context(), c.OutOrStdout())) },
	}
}

// ran marks the error of a program that runs on its own. Being ended by a
// signal is none.
func ran(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return nil
	}
	return failed{err}
}
