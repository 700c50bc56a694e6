package docs_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/packaging/docs"
)

// texts are the documents and what stands around them, by their paths from here.
func texts(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, pattern := range []string{"*.md", "../../*.md", "../../.github/*.md", "../../rules/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			out[file] = string(text)
		}
	}
	return out
}

func TestEveryDocumentIsListed(t *testing.T) {
	listed := map[string]bool{}
	for _, p := range docs.Pages() {
		listed[p.Name+".md"] = true
		if !strings.HasPrefix(p.Text, "# ") {
			t.Errorf("%s begins without a title", p.Name)
		}
	}
	for file := range texts(t) {
		if filepath.Base(file) == file && !listed[file] {
			t.Errorf("%s is in no list", file)
		}
	}
}

func TestTheReadmeIsAFrontDoor(t *testing.T) {
	text := texts(t)["../../README.md"]
	if lines := strings.Count(text, "\n"); lines > 300 {
		t.Errorf("README.md has %d lines; what is more belongs into packaging/docs", lines)
	}
	for _, p := range docs.Pages() {
		if !strings.Contains(text, "(packaging/docs/"+p.Name+".md") {
			t.Errorf("README.md does not lead to %s", p.Name)
		}
	}
}

var (
	fence  = regexp.MustCompile("(?ms)^```.*?^```")
	target = regexp.MustCompile(`\]\(([^)\s]+)\)`)
)

func TestLinksLeadSomewhere(t *testing.T) {
	all := texts(t)
	for _, file := range slices.Sorted(maps.Keys(all)) {
		for _, link := range target.FindAllStringSubmatch(fence.ReplaceAllString(all[file], ""), -1) {
			path, anchor, _ := strings.Cut(link[1], "#")
			if strings.Contains(path, "://") {
				continue
			}
			to := file
			if path != "" {
				to = filepath.Join(filepath.Dir(file), path)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s links to %s, which is not there", file, link[1])
			} else if anchor != "" && !slices.Contains(anchors(all[to]), anchor) {
				t.Errorf("%s links to %s; %s has %v", file, link[1], to, anchors(all[to]))
			}
		}
	}
}

var filed = regexp.MustCompile("`([a-z0-9_]+/[a-zA-Z0-9_/.]+)`")

// TestContributingNamesWhatIsThere keeps its map of the house true.
func TestContributingNamesWhatIsThere(t *testing.T) {
	named := filed.FindAllStringSubmatch(texts(t)["../../.github/CONTRIBUTING.md"], -1)
	for _, path := range named {
		_, err := os.Stat(filepath.Join("..", "..", path[1]))
		if err != nil && path[1] != "testing/synctest" {
			t.Errorf("CONTRIBUTING.md names %s: %v", path[1], err)
		}
	}
	if len(named) < 40 {
		t.Errorf("only %d files are named", len(named))
	}
}

// anchors are the headings of a document as links name them.
func anchors(text string) (out []string) {
	for line := range strings.SplitSeq(fence.ReplaceAllString(text, ""), "\n") {
		if strings.HasPrefix(line, "#") {
			heading := strings.ToLower(strings.TrimSpace(strings.TrimLeft(line, "#")))
			heading = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(heading, "")
			out = append(out, strings.ReplaceAll(heading, " ", "-"))
		}
	}
	return out
}

func TestTextsAreNoWiderThanAScreen(t *testing.T) {
	for file, text := range texts(t) {
		for i, line := range strings.Split(fence.ReplaceAllStringFunc(text, func(s string) string {
			return strings.Repeat("\n", strings.Count(s, "\n"))
		}), "\n") {
			if !strings.HasPrefix(line, "|") && len([]rune(line)) > 120 {
				t.Errorf("%s:%d has %d columns", file, i+1, len([]rune(line)))
			}
		}
	}
}
