package cli_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/9bikes/tocsin/app/cli"
	"github.com/9bikes/tocsin/packaging/docs"
	"github.com/9bikes/tocsin/packaging/docs/docstest"
)

var update = flag.Bool("update", false, "write the reference anew")

func TestTheReferenceHasEveryCommand(t *testing.T) {
	var b strings.Builder
	root := commands()
	b.WriteString("| Command | What it does |\n|---|---|\n")
	eachCommand(root, func(c *cobra.Command) {
		path := c.CommandPath()
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", path, strings.ReplaceAll(path, " ", "-"), inTable(c.Short))
	})
	eachCommand(root, func(c *cobra.Command) { describe(&b, c) })
	docstest.Generated(t, "cli", b.String(), *update)
}

// commands are all that there are, with those that cobra adds.
func commands() *cobra.Command {
	root := cli.New(cli.Program{})
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	return root
}

// eachCommand calls f with every command that does something of itself.
// Those of completion tell of their shells at length.
func eachCommand(c *cobra.Command, f func(*cobra.Command)) {
	for _, sub := range c.Commands() {
		switch {
		case sub.Name() == "completion", !sub.IsAvailableCommand() && sub.Name() != "help":
		case sub.HasSubCommands():
			eachCommand(sub, f)
		default:
			f(sub)
		}
	}
}

func describe(b *strings.Builder, c *cobra.Command) {
	fmt.Fprintf(b, "\n## %s\n\n    %s\n\n", c.CommandPath(), c.UseLine())
	if c.Long != "" {
		b.WriteString(strings.TrimSpace(c.Long) + "\n\n")
	} else {
		b.WriteString(c.Short + ".\n\n")
	}
	if c.Example != "" {
		fmt.Fprintf(b, "```sh\n%s\n```\n", strings.TrimSpace(c.Example))
	}
	head := "\n| Flag | Meaning |\n|---|---|\n"
	c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		kind, usage := pflag.UnquoteUsage(f)
		name := strings.TrimSpace("--" + f.Name + " " + kind)
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if plain := f.DefValue; plain != "" && plain != "false" && plain != "0" && plain != "[]" {
			usage += " (`" + plain + "` if left out)"
		}
		fmt.Fprintf(b, "%s| `%s` | %s |\n", head, name, inTable(usage))
		head = ""
	})
}

func inTable(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// TestTheDocumentsNameCommandsThatExist reads every command of the documents
// and of the README as the command line does.
func TestTheDocumentsNameCommandsThatExist(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	pages, seen := append(docs.Pages(), docs.Page{Name: "README", Text: string(readme)}), 0
	for _, p := range pages {
		for _, command := range commandsIn(p.Text) {
			seen++
			if err := takes(command); err != nil {
				t.Errorf("%s: tocsin %s: %v", p.Name, command, err)
			}
		}
	}
	if seen < 150 {
		t.Errorf("only %d commands were found", seen)
	}
}

var (
	continued = regexp.MustCompile(`\\\n\s*`)
	shell     = regexp.MustCompile("(?ms)^ *```(?:sh|ini)\n(.*?)^ *```")
	spoken    = regexp.MustCompile("`(?:sudo (?:-u tocsin )?)?tocsin ([a-z][^`]*)`")
	typed     = regexp.MustCompile(`(?m)(?:^|\| |sudo |-u tocsin |/bin/)tocsin ([a-z-][^\n|>]*)`)
)

// commandsIn finds what follows `tocsin` in the shell blocks and the sentences
// of a text.
func commandsIn(text string) (out []string) {
	text = continued.ReplaceAllString(text, " ")
	for _, block := range shell.FindAllStringSubmatch(text, -1) {
		for _, found := range typed.FindAllStringSubmatch(block[1], -1) {
			out = append(out, found[1])
		}
	}
	for _, found := range spoken.FindAllStringSubmatch(shell.ReplaceAllString(text, ""), -1) {
		out = append(out, found[1])
	}
	return out
}

// takes reports whether the command line takes such arguments.
func takes(command string) error {
	var args []string
	for _, word := range words.FindAllString(command, -1) {
		switch word = strings.NewReplacer("'", "", `"`, "").Replace(word); {
		case strings.HasPrefix(word, "#"):
			return check(args)
		case word != "…" && word != "...":
			args = append(args, word)
		}
	}
	return check(args)
}

var words = regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"])+`)

func check(args []string) error {
	c, rest, err := commands().Find(args)
	if err != nil {
		return err
	}
	if err := c.ParseFlags(rest); err != nil && !errors.Is(err, pflag.ErrHelp) {
		return err
	}
	if c.HasSubCommands() && len(c.Flags().Args()) > 0 {
		return fmt.Errorf("%s has no command %s", c.CommandPath(), c.Flags().Arg(0))
	}
	return nil
}
