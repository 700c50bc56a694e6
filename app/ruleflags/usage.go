package ruleflags

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// heading is the annotation of a flag that says under which heading help has it.
const heading = "heading"

// headed puts flags under a heading.
func headed(flags *pflag.FlagSet, title string, names ...string) {
	for _, name := range names {
		if err := flags.SetAnnotation(name, heading, []string{title}); err != nil {
			panic(err) // of a flag that was not registered
		}
	}
}

// completes offers the values that a flag can have.
func completes(cmd *cobra.Command, name string, values []string) {
	err := cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // of a flag that was not registered
	}
}

// usageWidth is that of a terminal nobody has made larger.
const usageWidth = 80

// usageByGroup is the usage of a command whose flags are too many for one list.
func usageByGroup(c *cobra.Command) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage:\n  %s\n\nExamples:\n%s\n", c.UseLine(), c.Example)
	for _, g := range grouped(c.LocalFlags()) {
		fmt.Fprintf(&b, "\n%s:\n%s", g.title, g.flags.FlagUsagesWrapped(usageWidth))
	}
	fmt.Fprintf(&b, "\nGlobal Flags:\n%s", c.InheritedFlags().FlagUsagesWrapped(usageWidth))
	_, err := fmt.Fprint(c.OutOrStderr(), b.String())
	return err
}

// flagGroup are the flags under one heading.
type flagGroup struct {
	title string
	flags *pflag.FlagSet
}

// grouped parts flags by their headings, in the order of the first of each. Those
// without one come last.
func grouped(flags *pflag.FlagSet) (out []flagGroup) {
	rest := flagGroup{"Others", pflag.NewFlagSet("", pflag.ContinueOnError)}
	flags.VisitAll(func(f *pflag.Flag) {
		title := strings.Join(f.Annotations[heading], "")
		if title == "" {
			rest.flags.AddFlag(f)
			return
		}
		for _, g := range out {
			if g.title == title {
				g.flags.AddFlag(f)
				return
			}
		}
		set := pflag.NewFlagSet("", pflag.ContinueOnError)
		set.SortFlags = false
		set.AddFlag(f)
		out = append(out, flagGroup{title, set})
	})
	return append(out, rest)
}
