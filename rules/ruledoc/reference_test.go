package ruledoc_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/packaging/docs/docstest"
	"github.com/9bikes/tocsin/rules/ruledoc"
)

var update = flag.Bool("update", false, "write the reference anew")

func TestTheReferenceHasEveryKey(t *testing.T) {
	got := reference()
	docstest.Generated(t, "rules", got, *update)
	for path, k := range all(t) {
		if !strings.Contains(got, "| `"+k.Name+"` |") || !strings.Contains(got, k.Meaning) {
			t.Errorf("%s is not in the reference", path)
		}
	}
}

// reference is a table for each group of keys, and one for those below each key.
func reference() string {
	var b strings.Builder
	for _, group := range []ruledoc.Group{ruledoc.Measure, ruledoc.Judge, ruledoc.Tell} {
		var keys []ruledoc.Key
		for _, k := range ruledoc.Keys() {
			if k.Group == group {
				keys = append(keys, k)
			}
		}
		section(&b, string(group), keys)
	}
	ruledoc.Each(ruledoc.Keys(), func(k ruledoc.Key) {
		switch {
		case k.Form == ruledoc.NamedForm:
			section(&b, "Below `"+k.Path+".NAME`", k.Below)
		case len(k.Below) > 0:
			section(&b, "Below `"+k.Path+"`", k.Below)
		}
	})
	return b.String()
}

func section(b *strings.Builder, title string, keys []ruledoc.Key) {
	of := ""
	for _, k := range keys {
		if len(k.Types) > 0 {
			of = " In |"
		}
	}
	fmt.Fprintf(b, "\n### %s\n\n| Key |%s Value | Default | Meaning | For example |\n|%s---|---|---|---|---|\n", title, of,
		strings.Repeat("---|", len(of)/5))
	for _, k := range keys {
		fmt.Fprintf(b, "| `%s` |", k.Name)
		if of != "" {
			fmt.Fprintf(b, " %s |", types(k))
		}
		fmt.Fprintf(b, " %s | %s | %s | `%s` |\n", k.Written(), k.Default, k.Meaning, k.Example)
	}
}

func types(k ruledoc.Key) string {
	var out []string
	for _, t := range k.Types {
		out = append(out, string(t))
	}
	if len(out) == 0 {
		return "all"
	}
	return strings.Join(out, ", ")
}
