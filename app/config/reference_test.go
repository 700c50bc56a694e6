package config_test

import (
	"cmp"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app/config"
	"github.com/9bikes/tocsin/app/document"
	"github.com/9bikes/tocsin/packaging/docs/docstest"
)

var update = flag.Bool("update", false, "write the reference anew")

func TestTheReferenceHasEveryKey(t *testing.T) {
	docstest.Generated(t, "config", reference(), *update)
}

// reference is a table of the keys at the top, and one for each table below.
func reference() string {
	var b strings.Builder
	section(&b, "At the top", "", config.Keys())
	for _, key := range config.Keys() {
		switch {
		case !key.Table:
		case strings.HasPrefix(key.Unit, "table of names"):
			section(&b, "Below `"+key.Path+".NAME`", key.Path+".NAME.", config.Keys())
		default:
			section(&b, "Below `"+key.Path+"`", key.Path+".", config.Keys())
		}
	}
	return b.String()
}

// section describes the keys that stand directly below a path.
func section(b *strings.Builder, title, path string, keys []document.Entry) {
	fmt.Fprintf(b, "\n## %s\n\n| Key | Value | Default | Meaning | For example |\n|---|---|---|---|---|\n", title)
	for _, key := range keys {
		name, below := strings.CutPrefix(key.Path, path)
		if !below || strings.Contains(name, ".") {
			continue
		}
		unit := key.Unit
		if key.Secret {
			unit = strings.Replace(unit, "path", "path of a credential", 1)
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | `%s` |\n", name, unit, cmp.Or(key.Default, "none"), key.Meaning, key.Example)
	}
}
