package cli

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

func (d *door) channels() *cobra.Command {
	return group("channels", "Where messages go", d.channelsList(), d.channelsAdd(), d.channelsSet(), d.channelsRemove(),
		d.channelsTest(), d.channelsDead(), d.channelsResend())
}

// channelsAnswer is what `channels list` answers.
type channelsAnswer struct {
	Channels []rules.ChannelInfo `json:"channels"`
	Total    int                 `json:"total"`
	Warnings []string            `json:"warnings"`
}

// channelAnswer is what the acts on a channel answer.
type channelAnswer struct {
	Channel  rules.ChannelInfo `json:"channel"`
	Warnings []string          `json:"warnings"`
}

// testAnswer is what `channels test` answers.
type testAnswer struct {
	Test     app.TestAnswer `json:"test"`
	Warnings []string       `json:"warnings"`
}

func (d *door) channelsList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the channels and how they are doing", Args: exactly(), Example: "tocsin channels list",
		RunE: d.through(theKey,
			func(ctx context.Context, c *call, daemon Daemon) error {
				list, warnings, err := daemon.Channels(ctx)
				if err != nil {
					return err
				}
				return c.listChannels(list, warnings)
			},
			func(ctx context.Context, c *call) error {
				list, err := c.ListChannels(ctx)
				if err != nil {
					return err
				}
				return c.listChannels(list, c.Warnings())
			}),
	}
}

func (c *call) listChannels(list []rules.ChannelInfo, warnings []string) error {
	return c.answer(channelsAnswer{list, len(list), warnings}, warnings, func() { c.showChannels(list) })
}

func (c *call) showChannels(list []rules.ChannelInfo) {
	if len(list) == 0 {
		c.line("There is no channel yet: add one with `tocsin channels add phone`.")
		return
	}
	var rows [][]string
	for _, i := range list {
		rows = append(rows, []string{
			i.Name, i.Kind, i.Origin, i.Health, ago(i.LastSuccess, c.clock()), dash(app.TroubleOf(i)), deadCount(i.DeadLetters),
			dash(i.Fallback), quietText(i),
		})
	}
	c.table([]string{"NAME", "KIND", "FROM", "HEALTH", "LAST SUCCESS", "LAST ERROR", "DEAD", "FALLBACK", "QUIET"}, rows)
}

// dash stands for nothing in a table.
func dash(text string) string { return cmp.Or(text, "-") }

func deadCount(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

// quietText is when a channel keeps its messages back, and whether it does now.
func quietText(i rules.ChannelInfo) string {
	if i.QuietNow {
		return i.Quiet + " (now)"
	}
	return dash(i.Quiet)
}

// hide takes a flag out of the help.
func hide(c *cobra.Command, flag string) {
	c.Flags().Lookup(flag).Hidden = true
}

// noURL refuses a URL among the arguments without repeating it.
func noURL(c *cobra.Command, args []string) error {
	onCommandLine := c.Flags().Changed("url")
	for _, arg := range args {
		onCommandLine = onCommandLine || strings.Contains(arg, "://")
	}
	if onCommandLine || len(args) > 1 {
		return rules.Errorf(rules.Invalid,
			"a channel's URL holds a credential and would stay in the shell's history and in the list of processes; "+
				"run `tocsin channels add NAME` and type it when asked, or use --url-stdin or --url-file. If it was a real one, "+
				"make the service give you another")
	}
	return exactly("NAME")(c, args)
}

const maxURL = 16 << 10

// lineOf reads the one line that holds a URL.
func lineOf(r io.Reader, from string) (rules.Secret, error) {
	text, err := io.ReadAll(io.LimitReader(bufio.NewReader(r), maxURL))
	if err != nil {
		return rules.Secret{}, fmt.Errorf("read the URL from %s: %w", from, err)
	}
	if text, err = rules.PlainText(text); err != nil {
		return rules.Secret{}, rules.Errorf(rules.Invalid, "%s %v", from, err)
	}
	url := strings.TrimSpace(string(text))
	if url == "" || strings.ContainsAny(url, "\r\n") {
		return rules.Secret{}, rules.Errorf(rules.Invalid,
			"%s must hold the URL on one line and nothing else; for example ntfy://ntfy.sh/my-topic", from)
	}
	return rules.NewSecret(url), nil
}

// typed waits for what a person types, or for Ctrl-C: a read from a terminal
// does not end with a context. The process does, and the read with it.
func typed(ctx context.Context, read func() (string, error)) (text string, err error) {
	done := make(chan struct{})
	var got string
	var readErr error
	go func() {
		defer close(done)
		got, readErr = read()
	}()
	select {
	case <-done:
		return got, readErr
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (d *door) channelsRemove() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "remove NAME", Short: "Remove a stored channel", Args: exactly("NAME"), Example: "tocsin channels remove phone",
		RunE: d.with(nothing, func(ctx context.Context, c *call) error {
			name := c.args[0]
			if !yes && !c.agreed("Remove channel "+name+"? Its URL cannot be brought back.") {
				return c.nothingDone()
			}
			info := c.channelInfo(ctx, name)
			if err := c.RemoveChannel(ctx, name); err != nil {
				return err
			}
			a := channelAnswer{info, c.Warnings()}
			return c.answer(a, a.Warnings, func() { c.line("Removed channel %s.", name) })
		}),
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// channelInfo is what is known of a channel before it goes.
func (c *call) channelInfo(ctx context.Context, name string) rules.ChannelInfo {
	list, err := c.ListChannels(ctx)
	if err == nil {
		for _, i := range list {
			if i.Name == name {
				return i
			}
		}
	}
	return rules.ChannelInfo{Name: name}
}

// agreed asks on a terminal; without one, giving the command was saying yes.
func (c *call) agreed(question string) bool {
	in := c.cmd.InOrStdin()
	if !isTerminal(in) {
		return true
	}
	fmt.Fprintf(c.err, "%s [y/N] ", clean(question))
	answer, err := typed(c.cmd.Context(), func() (string, error) { return bufio.NewReader(in).ReadString('\n') })
	if err != nil {
		return false
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

// nothingDone is the end of a command that a person took back.
func (c *call) nothingDone() error {
	fmt.Fprintln(c.err, "Nothing was done.")
	return silent{}
}

func (d *door) channelsTest() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use: "test NAME", Short: "Send a test message through a channel", Args: exactly("NAME"),
		Example: "tocsin channels test phone",
		RunE: d.through(nothing,
			func(ctx context.Context, c *call, daemon Daemon) error {
				got, warnings, err := daemon.TestChannel(ctx, c.args[0], wait)
				return c.showTest(got, warnings, err)
			},
			func(ctx context.Context, c *call) error {
				got, err := c.TestChannel(ctx, actor(), c.args[0], wait)
				return c.showTest(got, c.Warnings(), err)
			}),
	}
	cmd.Flags().DurationVar(&wait, "wait", 20*time.Second, "how long to wait for the daemon to deliver it")
	return cmd
}

// showTest tells what came of a test; what was not delivered is a failure.
func (c *call) showTest(got app.TestAnswer, warnings []string, err error) error {
	if err != nil {
		return err
	}
	if err := c.answer(testAnswer{got, warnings}, nil, func() { c.line("%s", got.Text) }); err != nil {
		return err
	}
	if got.State != string(rules.Sent) {
		return silent{}
	}
	return nil
}
