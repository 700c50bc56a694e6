package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/rules/ruledoc"
)

// rulesSchema needs neither a config nor a database.
func (d *door) rulesSchema() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of files of rules, for editors", Args: exactly(),
		Long: `Print the JSON Schema of files of rules. An editor that knows it completes keys,
explains them and marks what is wrong. The YAML language server, which most
editors have, takes it from a comment at the head of a file:

    # yaml-language-server: $schema=rules.schema.json`,
		Example: "tocsin rules schema > rules.schema.json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := d.page(cmd)
			fmt.Fprintf(out.out, "%s\n", ruledoc.Schema())
			return out.out.err
		},
	}
}
