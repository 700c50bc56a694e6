package cli_test

import (
	"cmp"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

var (
	manDir     = flag.String("man", "", "write the pages of the manual into this directory")
	manVersion = flag.String("man-version", "dev", "of the program that they are about")
)

// TestEveryCommandHasAPageOfTheManual also writes the manual of the packages,
// with -man: the program itself has none of what makes it.
func TestEveryCommandHasAPageOfTheManual(t *testing.T) {
	dir := cmp.Or(*manDir, t.TempDir())
	root := commands()
	var plain func(c *cobra.Command)
	plain = func(c *cobra.Command) {
		c.DisableAutoGenTag = true // nobody cares what made the page
		for _, sub := range c.Commands() {
			plain(sub)
		}
	}
	plain(root)
	header := &doc.GenManHeader{Section: "1", Source: "tocsin " + *manVersion, Manual: "tocsin"}
	if err := doc.GenManTree(root, header, dir); err != nil {
		t.Fatal(err)
	}
	eachCommand(root, func(c *cobra.Command) {
		page := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
		if info, err := os.Stat(filepath.Join(dir, page)); c.Name() != "help" && (err != nil || info.Size() < 200) {
			t.Errorf("%s: %v", page, err)
		}
	})
}
