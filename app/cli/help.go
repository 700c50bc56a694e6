package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/app/markdown"
	"github.com/9bikes/tocsin/packaging/docs"
	"github.com/9bikes/tocsin/rules"
)

// topic is a document as `help` answers it.
type topic struct {
	Topic string `json:"topic"`
	Title string `json:"title"`
	Text  string `json:"text,omitempty"`
}

func (d *door) help() *cobra.Command {
	return &cobra.Command{
		Use: "help [TOPIC]", Short: "Read the documents; without a topic, list them", Args: cobra.ArbitraryArgs,
		Long: `Read the documents. Without a topic they are listed. A word that is no topic is
taken for a command, whose flags are shown as by --help.`,
		Example: "tocsin help channels\ntocsin help rules create",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return topicNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return d.listTopics(c)
			}
			if p, ok := docs.Find(strings.Join(args, " ")); ok {
				return d.showTopic(c, p)
			}
			return helpOf(c.Root(), args)
		},
	}
}

func topicNames() (names []string) {
	for _, p := range docs.Pages() {
		names = append(names, p.Name)
	}
	return names
}

func (d *door) listTopics(c *cobra.Command) error {
	list, rows := []topic{}, [][]string{}
	for _, p := range docs.Pages() {
		list = append(list, topic{Topic: p.Name, Title: p.Title()})
		rows = append(rows, []string{p.Name, p.Title()})
	}
	out := d.page(c)
	return out.answer(map[string][]topic{"topics": list}, nil, func() {
		out.table([]string{"TOPIC", "WHAT IT IS ABOUT"}, rows)
		out.line("")
		out.line("`tocsin help TOPIC` shows one, `tocsin --help` lists the commands.")
	})
}

func (d *door) showTopic(c *cobra.Command, p docs.Page) error {
	out := d.page(c)
	return out.answer(map[string]topic{"topic": {p.Name, p.Title(), p.Text}}, nil, func() {
		markdown.Write(out.out, p.Text, out.lineWidth(), out.colour)
		if command, _, err := c.Root().Find([]string{p.Name}); err == nil && command != c.Root() {
			out.line("")
			out.line("`tocsin %s --help` tells of the command.", p.Name)
		}
	})
}

// helpOf shows the usage of a command.
func helpOf(root *cobra.Command, words []string) error {
	c, rest, err := root.Find(words)
	if err != nil || len(rest) > 0 && c.HasSubCommands() {
		return noTopic(words)
	}
	return c.Help()
}

func noTopic(words []string) error {
	word := strings.Join(words, " ")
	if near := rules.Nearest(word, topicNames()); len(near) > 0 {
		return rules.Errorf(rules.NotFound, "there is no topic and no command %q; did you mean %s?", word,
			strings.Join(near, " or "))
	}
	return rules.Errorf(rules.NotFound,
		"there is no topic and no command %q; `tocsin help` lists the topics, `tocsin --help` the commands", word)
}
