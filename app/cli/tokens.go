package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

func (d *door) tokens() *cobra.Command {
	return group("tokens", "Let other machines and programs in", d.tokensList(), d.tokensAdd(), d.tokensRevoke())
}

// tokensAnswer is what `tokens list` answers.
type tokensAnswer struct {
	Tokens   []app.Token `json:"tokens"`
	Total    int         `json:"total"`
	Warnings []string    `json:"warnings"`
}

// tokenAnswer is what the acts on a token answer.
type tokenAnswer struct {
	Token app.Token `json:"token"`
	// Secret is the token itself, the one time that it is shown.
	Secret   string   `json:"secret,omitempty"`
	Warnings []string `json:"warnings"`
}

func (d *door) tokensList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the tokens, what they may do and when they were used", Args: exactly(),
		Example: "tocsin tokens list",
		RunE: d.with(nothing, func(ctx context.Context, c *call) error {
			list, err := c.ListTokens(ctx)
			if err != nil {
				return err
			}
			a := tokensAnswer{list, len(list), c.Warnings()}
			return c.answer(a, a.Warnings, func() { c.showTokens(list) })
		}),
	}
}

func (c *call) showTokens(list []app.Token) {
	if len(list) == 0 {
		c.line("There is no token yet: make one with `tocsin tokens add laptop --scope write`.")
		return
	}
	var rows [][]string
	for _, t := range list {
		rows = append(rows,
			[]string{t.Name, string(t.Scope), ago(t.CreatedAt, c.clock()), t.By.Name, c.tokenEnd(t), tokenUse(t)})
	}
	c.table([]string{"NAME", "SCOPE", "MADE", "BY", "EXPIRES", "LAST USED"}, rows)
}

func (c *call) tokenEnd(t app.Token) string {
	switch {
	case t.ExpiresAt.IsZero():
		return "never"
	case t.Expired(c.clock()):
		return "expired " + ago(t.ExpiresAt, c.clock())
	}
	return ago(t.ExpiresAt, c.clock())
}

// tokenUse is a day: more is not kept.
func tokenUse(t app.Token) string {
	if t.UsedAt.IsZero() {
		return "never"
	}
	return t.UsedAt.UTC().Format("2006-01-02")
}

func (d *door) tokensAdd() *cobra.Command {
	var scope, expires string
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Make a token and print it, once", Args: exactly("NAME"),
		Long: `Make a token for a program or a machine and print it. It cannot be shown
again: tocsin keeps only its SHA-256.

What it may do, --scope:
  points  send points, and nothing else (for Telegraf)
  read    look at everything
  ack     also acknowledge and snooze alerts
  write   also change rules and silences, and send tests
  admin   everything`,
		Example: `tocsin tokens add laptop --scope write --expires 90d
tocsin tokens add telegraf --scope points > telegraf.token`,
		RunE: d.with(nothing, func(ctx context.Context, c *call) error {
			req := app.TokenRequest{Name: c.args[0]}
			var err error
			if req.Scope, err = scopeFlag(scope); err != nil {
				return err
			}
			if req.Expires, err = future("--expires", expires, c.clock(), c.zone()); err != nil {
				return err
			}
			t, secret, err := c.AddToken(ctx, actor(), req)
			if err != nil {
				return err
			}
			warnings := c.closing(ctx)
			return c.answer(tokenAnswer{t, secret.Reveal(), warnings}, warnings, func() { c.showToken(t, secret) })
		}),
	}
	cmd.Flags().StringVar(&scope, "scope", "", "what it may do: points, read, ack, write or admin")
	cmd.Flags().StringVar(&expires, "expires", "", "when it ends, such as 90d or 2027-01-31; never if left out")
	return cmd
}

// closing warns with the first token, which closes the listener to those who
// come from this machine without one.
func (c *call) closing(ctx context.Context) []string {
	list, err := c.ListTokens(ctx)
	if err != nil || len(list) != 1 || !c.Config.Token.IsZero() || len(c.Config.Hosts) > 0 || c.Config.PublicURL != "" {
		return []string{}
	}
	return []string{"this is the first token: from now on whatever asks " + c.Config.Listen +
		" needs one, programs of this machine too, such as Telegraf at /write (--scope points) and Prometheus at /metrics " +
		"(--scope read); commands and `tocsin mcp` do not"}
}

func scopeFlag(text string) (app.Scope, error) {
	if text == "" {
		return "", rules.FieldErrorf("--scope",
			"is missing: points, read, ack, write or admin; for example --scope write for Claude, --scope points for Telegraf")
	}
	s, err := app.ParseScope(text)
	if err != nil {
		return "", rules.FieldErrorf("--scope", "must be points, read, ack, write or admin; got %q", text)
	}
	return s, nil
}

// showToken prints nothing but the token on standard output, so that it can go
// into a file without anybody seeing it.
func (c *call) showToken(t app.Token, secret rules.Secret) {
	end := "never expires"
	if !t.ExpiresAt.IsZero() {
		end = "expires on " + stamp(t.ExpiresAt, c.zone())
	}
	fmt.Fprintf(c.err, "Made token %s: scope %s, %s. Send it as `Authorization: Bearer TOKEN`.\nThis is the only time "+
		"it is shown:\n", t.Name, t.Scope, end)
	c.line("%s", secret.Reveal())
}

func (d *door) tokensRevoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke NAME", Short: "End a token at once", Args: exactly("NAME"), Example: "tocsin tokens revoke laptop",
		RunE: d.with(nothing, func(ctx context.Context, c *call) error {
			t, err := c.RevokeToken(ctx, c.args[0])
			if err != nil {
				return err
			}
			return c.answer(tokenAnswer{Token: t, Warnings: []string{}}, nil, func() {
				c.line("Revoked token %s. Whoever sends it is refused from now on.", t.Name)
			})
		}),
	}
}
