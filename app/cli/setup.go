package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/setup"
)

// setUp makes a first config at a terminal.
func (d *door) setUp(cmd *cobra.Command, address string) error {
	c := &call{page: d.page(cmd), cmd: cmd}
	done, err := setup.Setup{
		Load: func(path string) (*app.Config, error) { return d.program.Load(path, false) },
		Look: d.program.LookForInflux, Sources: d.program.Sources, Choose: c.chooseDatabase,
	}.Run(cmd.Context(), d.configPath(), address)
	for line := range strings.Lines(done) {
		c.line("%s", strings.TrimSuffix(line, "\n"))
	}
	return err
}

func (c *call) chooseDatabase(found setup.InfluxDB, likely string) (string, error) {
	c.line("Found %s at %s, with %s: %s.", found.Version, found.URL,
		plural(len(found.Databases), "database", "databases"), strings.Join(found.Databases, ", "))
	answer, err := c.ask(fmt.Sprintf("Which one has what you measure? (Enter for %s) ", likely))
	if answer == "" {
		answer = likely
	}
	return answer, err
}
