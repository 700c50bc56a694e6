package cli

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// addFlags are the ways to give a channel's URL that leave no trace: whole, or
// as the fields that its service asks for.
type addFlags struct {
	stdin   bool
	file    string
	refused string // --url, which is refused with the reason

	kind       string
	fields     []string // name=value, no secrets
	fieldFiles []string // name=path
	fieldStdin string   // the name of the one that standard input holds
}

func (d *door) channelsAdd() *cobra.Command {
	var f addFlags
	var s settingFlags
	var replace bool
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Add a channel; what its service needs is asked for",
		Long: `Add a channel. The terminal asks which service it is and for each thing that
the service needs, secrets without showing them; no special character can break
anything. A script gives them with --kind, --field, --field-file and
--field-stdin, or a whole URL with --url-stdin or --url-file. A secret is never
an argument. It is stored encrypted and never shown again.

While the daemon runs it stores the channel, for everybody who may use its
socket: root, its own user and the members of group tocsin. Without a daemon
only the owner of the data directory can.`,
		Example: "tocsin channels add phone\ntocsin channels add phone --url-file phone.url\n" +
			"pass show gotify | tocsin channels add phone --kind gotify --field server=gotify.lan --field-stdin token",
		Args: noURL,
		RunE: d.through(theKey,
			func(ctx context.Context, c *call, daemon Daemon) error {
				return c.addChannel(ctx, f, s, replace, daemon.AddChannel)
			},
			func(ctx context.Context, c *call) error { return c.addChannel(ctx, f, s, replace, c.storeChannel) }),
	}
	flags := cmd.Flags()
	flags.BoolVar(&replace, "replace", false, "give a channel that exists another credential; its settings stay")
	flags.BoolVar(&f.stdin, "url-stdin", false, "read the URL from standard input")
	flags.StringVar(&f.file, "url-file", "", "read the URL from this file")
	flags.StringVar(&f.refused, "url", "", "")
	hide(cmd, "url")
	flags.StringVar(&f.kind, "kind", "", "the service: ntfy, smtp, telegram, ...")
	flags.StringArrayVar(&f.fields, "field", nil, "name=value of what the service needs, but no secret (repeatable)")
	flags.StringArrayVar(&f.fieldFiles, "field-file", nil, "name=file that holds the value alone (repeatable)")
	flags.StringVar(&f.fieldStdin, "field-stdin", "", "name of the field that standard input holds")
	s.define(cmd)
	return cmd
}

// storing is how a channel is stored: by the daemon, or by this process.
type storing func(ctx context.Context, name string, url rules.Secret, s notify.Settings,
	replace bool) (rules.ChannelInfo, []string, error)

func (c *call) addChannel(ctx context.Context, f addFlags, s settingFlags, replace bool, store storing) error {
	settings, err := s.read(c.cmd)
	if err != nil {
		return err
	}
	if _, err := settings.Trust().TLS(os.ReadFile); err != nil {
		return err
	}
	url, err := c.channelURL(ctx, c.args[0], f)
	if err != nil {
		return err
	}
	info, warnings, err := store(ctx, c.args[0], url, settings, replace)
	if err != nil {
		return err
	}
	if c.builder.Public(url) {
		warnings = append(warnings, "everybody who knows the topic can read what is sent there; choose one that nobody "+
			"guesses, or protect it and give a token")
	}
	if settings.InsecureSkipVerify {
		warnings = append(warnings, "insecure_skip_verify: any certificate is believed, so whoever is in between can read "+
			"the credential and pretend; --ca-file is better")
	}
	act := "Added channel"
	if replace {
		act = "Replaced the credential of channel"
	}
	return c.answer(channelAnswer{info, warnings}, warnings, func() {
		c.line("%s %s (%s). Test it with: tocsin channels test %s", act, info.Name, info.Kind, info.Name)
	})
}

// storeChannel stores a channel without a daemon.
func (c *call) storeChannel(ctx context.Context, name string, url rules.Secret, s notify.Settings,
	replace bool,
) (info rules.ChannelInfo, warnings []string, err error) {
	if replace {
		info, err = c.ReplaceCredential(ctx, actor(), name, url)
	} else {
		info, err = c.AddChannel(ctx, actor(), name, url, s)
	}
	return info, c.Warnings(), err
}

// channelURL takes the URL from where the flags say, or asks for what makes it.
func (c *call) channelURL(ctx context.Context, name string, f addFlags) (rules.Secret, error) {
	fields := f.kind != "" || len(f.fields)+len(f.fieldFiles) > 0 || f.fieldStdin != ""
	switch {
	case f.stdin && f.file != "":
		return rules.Secret{}, rules.Errorf(rules.Invalid,
			"--url-stdin and --url-file are two ways to give one URL; use one of them")
	case fields && (f.stdin || f.file != ""):
		return rules.Secret{}, rules.Errorf(rules.Invalid,
			"a whole URL and single fields are two ways to say one thing; use one of them")
	case f.stdin:
		return lineOf(c.cmd.InOrStdin(), "standard input")
	case f.file != "":
		return lineOfFile(f.file, "--url-file", name+".url")
	case fields:
		return c.buildURL(f)
	case isTerminal(c.cmd.InOrStdin()):
		return c.askChannel(ctx, name)
	}
	return rules.Secret{}, rules.Errorf(rules.Invalid,
		"the URL is missing, and there is no terminal to ask on; use --url-stdin, --url-file, or --kind with --field; for "+
			"example `tocsin channels add %s --url-file %s.url`", name, name)
}

func lineOfFile(path, flag, example string) (rules.Secret, error) {
	file, err := os.Open(path)
	if err != nil {
		return rules.Secret{}, rules.Errorf(rules.Invalid,
			"the file of %s cannot be opened; it must be the path of a file that holds the value alone; for example %s %s", flag,
			flag, example)
	}
	text, err := lineOf(file, "the file of "+flag)
	_ = file.Close() // it was read
	return text, err
}

// buildURL makes the URL of the fields that a script gives.
func (c *call) buildURL(f addFlags) (rules.Secret, error) {
	form, err := c.formOf(f.kind)
	if err != nil {
		return rules.Secret{}, err
	}
	given := map[string]rules.Secret{}
	for _, pair := range f.fields {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || !slices.ContainsFunc(form.Fields, func(field notify.FormField) bool { return field.Name == name }) {
			return rules.Secret{}, rules.FieldErrorf("--field",
				"must be name=value with one of the names %s; for example --field %s=%s", strings.Join(namesOf(form), ", "),
				form.Fields[0].Name, form.Fields[0].Example)
		}
		if slices.ContainsFunc(form.Fields, func(field notify.FormField) bool { return field.Name == name && field.Secret }) {
			return rules.Secret{}, rules.FieldErrorf("--field",
				"%s is a secret and would stay in the shell's history; use --field-file %s=FILE or --field-stdin %s. If it was a "+
					"real one, make the service give you another", name, name, name)
		}
		given[name] = rules.NewSecret(value)
	}
	for _, pair := range f.fieldFiles {
		name, path, ok := strings.Cut(pair, "=")
		if !ok {
			return rules.Secret{}, rules.FieldErrorf("--field-file",
				"must be name=file; for example --field-file token=gotify.token")
		}
		if given[name], err = lineOfFile(path, "--field-file", name+"="+name+".txt"); err != nil {
			return rules.Secret{}, err
		}
	}
	if f.fieldStdin != "" {
		if given[f.fieldStdin], err = lineOf(c.cmd.InOrStdin(), "standard input"); err != nil {
			return rules.Secret{}, err
		}
	}
	return c.builder.Build(f.kind, given)
}

func (c *call) formOf(kind string) (notify.Form, error) {
	var known []string
	for _, f := range c.builder.Forms() {
		if f.Kind == kind {
			return f, nil
		}
		known = append(known, f.Kind)
	}
	return notify.Form{}, rules.FieldErrorf("--kind", "must be one of %s; for example --kind ntfy",
		strings.Join(known, ", "))
}

func namesOf(f notify.Form) (out []string) {
	for _, field := range f.Fields {
		out = append(out, field.Name)
	}
	return out
}

// settingFlags say how a channel is used.
type settingFlags struct {
	fallback, rate, timeout             string
	groupBy                             []string
	groupWait, groupEvery               string
	quiet, quietDays, quietZone, except string
	title, text                         string
	edit, neverTwice                    bool
	caFile, certFile, keyFile, proxy    string
	skipVerify                          bool
}

func (f *settingFlags) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.fallback, "fallback", "", "the channel that is told when this one fails")
	flags.StringVar(&f.rate, "rate", "", "the most messages in a time, such as 10/m or 60/h")
	flags.StringVar(&f.timeout, "timeout", "",
		"how long an answer is awaited before a message may be sent again, such as 90s (default 60s)")
	flags.StringSliceVar(&f.groupBy, "group-by", nil, "tags or labels: alerts in which they differ are told apart")
	flags.StringVar(&f.groupWait, "group-wait", "", "how long the first of a group waits for others, such as 30s")
	flags.StringVar(&f.groupEvery, "group-every", "", "how often a group is told of at most, such as 5m (default 10s)")
	flags.StringVar(&f.quiet, "quiet", "", "hours in which messages wait, such as 22:00-07:00")
	flags.StringVar(&f.quietDays, "quiet-days", "", "days of the quiet hours, such as sat,sun (default every day)")
	flags.StringVar(&f.quietZone, "quiet-zone", "", "time zone of the quiet hours (default the config's)")
	flags.StringVar(&f.except, "quiet-except", "", "severities that are told nonetheless, such as critical")
	flags.BoolVar(&f.edit, "edit", false,
		"the end of an alert only changes its first message, and nothing rings (Telegram, Discord, Matrix)")
	flags.BoolVar(&f.neverTwice, "never-twice", false,
		"do not send a message again that may have arrived: better lost than told twice")
	flags.StringVar(&f.caFile, "ca-file", "", "certificates in PEM that TLS believes besides the machine's")
	flags.BoolVar(&f.skipVerify, "insecure-skip-verify", false, "TLS takes any certificate")
	flags.StringVar(&f.certFile, "cert-file", "", "client certificate in PEM, for a service that asks for one")
	flags.StringVar(&f.keyFile, "key-file", "", "its key in PEM")
	flags.StringVar(&f.proxy, "proxy", "", "the proxy that leads to the service, or none (default HTTPS_PROXY's)")
	flags.StringVar(&f.title, "title-template", "", "Go template of the title")
	flags.StringVar(&f.text, "text-template", "", "Go template of the text")
}

// apply puts the flags that were given into settings; an empty one takes the
// setting away.
func (f *settingFlags) apply(cmd *cobra.Command, s *notify.Settings) {
	given := cmd.Flags().Changed
	for flag, at := range map[string][2]*string{
		"fallback": {&f.fallback, &s.Fallback}, "rate": {&f.rate, &s.Rate}, "timeout": {&f.timeout, &s.Timeout},
		"proxy": {&f.proxy, &s.Proxy}, "group-wait": {&f.groupWait, &s.GroupWait},
		"group-every": {&f.groupEvery, &s.GroupEvery},
	} {
		if given(flag) {
			*at[1] = *at[0]
		}
	}
	for flag, at := range map[string][2]*string{
		"ca-file": {&f.caFile, &s.CAFile}, "cert-file": {&f.certFile, &s.CertFile}, "key-file": {&f.keyFile, &s.KeyFile},
	} {
		if given(flag) { // the daemon reads it, and works elsewhere
			*at[1] = absolute(*at[0])
		}
	}
	if given("insecure-skip-verify") {
		s.InsecureSkipVerify = f.skipVerify
	}
	if given("edit") {
		s.Edit = f.edit
	}
	if given("group-by") {
		s.GroupBy = f.groupBy
	}
	if given("never-twice") {
		s.NeverTwice = f.neverTwice
	}
	if given("quiet") || given("quiet-days") {
		s.Quiet = nil
		if f.quiet+f.quietDays != "" {
			s.Quiet = &notify.Quiet{}
		}
	}
	if s.Quiet != nil {
		f.applyQuiet(given, s.Quiet)
	}
	if given("title-template") || given("text-template") {
		s.Template = nil
		if f.title+f.text != "" {
			s.Template = &notify.TemplateTexts{Title: f.title, Text: f.text}
		}
	}
}

// absolute is a path from the root; none stays none.
func absolute(path string) string {
	if whole, err := filepath.Abs(path); err == nil && path != "" {
		return whole
	}
	return path
}

func (f *settingFlags) applyQuiet(given func(string) bool, q *notify.Quiet) {
	for flag, at := range map[string][2]*string{
		"quiet": {&f.quiet, &q.Hours}, "quiet-days": {&f.quietDays, &q.Days}, "quiet-zone": {&f.quietZone, &q.Zone},
	} {
		if given(flag) {
			*at[1] = *at[0]
		}
	}
	if !given("quiet-except") {
		return
	}
	q.Except = nil
	for s := range strings.SplitSeq(f.except, ",") {
		if s = strings.TrimSpace(s); s != "" {
			q.Except = append(q.Except, rules.Severity(s))
		}
	}
}

// read makes settings of the flags alone.
func (f *settingFlags) read(cmd *cobra.Command) (s notify.Settings, err error) {
	f.apply(cmd, &s)
	return s, f.needQuiet(cmd, s)
}

func (f *settingFlags) needQuiet(cmd *cobra.Command, s notify.Settings) error {
	given := cmd.Flags().Changed
	if s.Quiet == nil && (given("quiet-zone") || given("quiet-except")) && f.quietZone+f.except != "" {
		return rules.FieldErrorf("--quiet", "is missing; for example --quiet 22:00-07:00")
	}
	return nil
}

func (d *door) channelsSet() *cobra.Command {
	var f settingFlags
	cmd := &cobra.Command{
		Use: "set NAME", Short: "Change how a stored channel is used; its URL stays", Args: exactly("NAME"),
		Long: "Change how a stored channel is used. An empty value takes a setting away.",
		Example: "tocsin channels set phone --fallback mail --quiet 22:00-07:00 --quiet-except critical\ntocsin channels " +
			"set phone --quiet ''",
		RunE: d.with(nothing, func(ctx context.Context, c *call) error {
			name := c.args[0]
			err := c.ChangeChannel(ctx, name, func(s *notify.Settings) error {
				f.apply(c.cmd, s)
				return f.needQuiet(c.cmd, *s)
			})
			if err != nil {
				return err
			}
			a := channelAnswer{c.channelInfo(ctx, name), c.Warnings()}
			return c.answer(a, a.Warnings, func() { c.line("Changed channel %s.", name) })
		}),
	}
	f.define(cmd)
	return cmd
}
