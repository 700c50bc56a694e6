package web_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app/web"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/packaging/docs/docstest"
	"github.com/9bikes/tocsin/rules"
)

func TestTheReferenceHasEveryRoute(t *testing.T) {
	who := map[string]string{everybody: "everybody", readers: "`read`", writers: "`points`"}
	var b strings.Builder
	b.WriteString("| Request | Who may | Answer |\n|---|---|---|\n")
	for _, r := range newHouse(t).door(web.Options{}).Routes() {
		may := who[admits[r.Pattern]]
		if strings.Contains(r.Pattern, " /a/") {
			may = "who has the link"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.ReplaceAll(r.Pattern, "{$}", ""), may, r.Meaning)
	}
	docstest.Generated(t, "http", b.String(), *update)
}

// TestTheReferenceHasEveryMetric asks a daemon on which everything has happened
// that makes one.
func TestTheReferenceHasEveryMetric(t *testing.T) {
	h := newHouse(t)
	h.rule("Freezer", "live", true)
	h.tick(-2)
	door := h.local()
	h.lose("phone")
	door.Delivered("phone", notify.Message{}, rules.Outcome{State: rules.Sent})
	text := ask(t, door, request{path: "/metrics"}).Body.String()
	var b strings.Builder
	b.WriteString("| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n")
	head := regexp.MustCompile(`(?m)^# HELP (tocsin_\w+) (.*)\n# TYPE \w+ (\w+)$`)
	for _, m := range head.FindAllStringSubmatch(text, -1) {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m[1], m[3], labels(text, m[1]), m[2])
	}
	docstest.Generated(t, "metrics", b.String(), *update)
}

// labels are the names of those that a metric has.
func labels(text, name string) string {
	var out []string
	for _, sample := range regexp.MustCompile(`(?m)^`+name+`\{(.*)\}`).FindAllStringSubmatch(text, -1) {
		for _, label := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(sample[1], -1) {
			if shown := "`" + label[1] + "`"; !slices.Contains(out, shown) {
				out = append(out, shown)
			}
		}
	}
	return strings.Join(out, ", ")
}
