package e2e_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/packaging/docs"
)

var (
	yamlBlock  = regexp.MustCompile("(?ms)^( *)```yaml\n(.*?)^ *```")
	shellBlock = regexp.MustCompile("(?ms)^ *```sh\n(.*?)^ *```")
	ofTocsin   = regexp.MustCompile(`^(?:sudo (?:-u tocsin )?)?tocsin ((?:[^#|&;<>'"]|'[^']*'|"[^"]*")*)`)
	ofAFile    = regexp.MustCompile(`_file: *([^ ,}\n]+)`)
)

// TestWhatTheDocumentsSayWorks gives every YAML block of the documents and of
// the README to the binary: a config is checked, a rule is tried on nothing, and
// a test of rules must pass.
func TestWhatTheDocumentsSayWorks(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	rulePage, _ := docs.Find("rules")
	freezer := yamlBlock.FindStringSubmatch(rulePage.Text)[2]
	seen := map[string]int{}
	for _, p := range append(docs.Pages(), docs.Page{Name: "README", Text: string(readme)}) {
		for _, found := range yamlBlock.FindAllStringSubmatch(p.Text, -1) {
			block := strings.ReplaceAll("\n"+found[2], "\n"+found[1], "\n")[1:]
			s := snippets{T: t, page: p.Name, block: block, dir: t.TempDir()}
			s.write("rules.yaml", asList(freezer))
			switch {
			case strings.Contains(block, "rule_files:"):
				seen["test"]++
				s.write("it.test.yaml", block)
				s.works("rules", "test", "it.test.yaml")
			case strings.Contains(block, "condition:"):
				seen["rule"]++
				s.tryRule()
			default:
				seen["config"]++
				s.checkConfig()
			}
		}
	}
	if seen["test"] < 1 || seen["rule"] < 6 || seen["config"] < 6 {
		t.Errorf("the documents have %v", seen)
	}
}

// snippets is one block of a document, and a folder of its own.
type snippets struct {
	*testing.T
	page, block, dir string
}

func (s *snippets) write(name, text string) {
	s.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
}

func (s *snippets) works(args ...string) {
	s.Helper()
	if out, err := s.run(args...); err != nil {
		s.Errorf("%s: tocsin %s: %v\n%s\n%s", s.page, strings.Join(args, " "), err, out, s.block)
	}
}

func (s *snippets) run(args ...string) ([]byte, error) {
	cmd := exec.CommandContext(s.Context(), binary, args...)
	cmd.Dir = s.dir
	return cmd.CombinedOutput()
}

// tryRule has a rule judged without data; what that comes to is no matter, and a
// query needs a database. What a block leaves out is filled in.
func (s *snippets) tryRule() {
	s.Helper()
	rule := s.block
	if !strings.Contains(rule, "name:") {
		rule += "name: it\n"
	}
	if own := strings.Contains(rule, "type: expression") || strings.Contains(rule, "type: query"); !own &&
		!strings.Contains(rule, "measurement:") {
		rule += "measurement: temperature\nfield: celsius\n"
	}
	s.write("rule.yaml", asList(rule))
	s.write("it.test.yaml",
		"rule_files: [rule.yaml]\ntests:\n- series: [{series: other, field: celsius, values: 1x9}]\n  expect: [{rule: "+
			regexp.MustCompile(`(?m)^name: (.*)`).FindStringSubmatch(rule)[1]+", at: 1m, firing: []}]\n")
	out, err := s.run("rules", "test", "it.test.yaml")
	var exit *exec.ExitError
	judged := err == nil || errors.As(err, &exit) && exit.ExitCode() == 1
	if !judged && !bytes.Contains(out, []byte("takes no query of your own")) {
		s.Errorf("%s: %v\n%s\n%s", s.page, err, out, s.block)
	}
}

// asList puts a rule into the file that apply and test read.
func asList(rule string) string {
	return "rules:\n- " + strings.ReplaceAll(strings.TrimSpace(rule), "\n", "\n  ") + "\n"
}

// checkConfig completes a part of a config, with the files and channels that it
// names.
func (s *snippets) checkConfig() {
	s.Helper()
	config := s.block
	if strings.HasPrefix(config, "template:") {
		config = "channels:\n  phone:\n    url: ntfy://ntfy.sh/t\n    " +
			strings.ReplaceAll(strings.TrimSpace(config), "\n", "\n    ") + "\n"
	}
	config = ofAFile.ReplaceAllStringFunc(config, func(found string) string {
		name := filepath.Base(ofAFile.FindStringSubmatch(found)[1])
		secret := "https://example.org/hook\n"
		if name == "store" {
			secret = "mysql://tocsin:secret@db.lan/tocsin\n"
		}
		s.write(name, secret)
		return "_file: " + name
	})
	s.write("config.yaml", config)
	s.works("config", "check", "--config", "config.yaml")
}

// TestConfigsThatAreShippedWork gives those of the packages, the image and the
// manifests to the binary.
func TestConfigsThatAreShippedWork(t *testing.T) {
	add := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	for _, file := range []string{
		"deb/config.yaml", "docker/config.yaml", "docker/beside-influxdb.yaml", "k8s/base/config.yaml",
		"homeassistant/tocsin/DOCS.md",
	} {
		text, err := os.ReadFile(filepath.Join("packaging", file))
		if err != nil {
			t.Fatal(err)
		}
		block := string(text)
		if found := add.FindStringSubmatch(block); found != nil {
			block = found[1]
		}
		s := snippets{T: t, page: file, block: block, dir: t.TempDir()}
		s.checkConfig()
	}
}

// TestCommandsOfTheDocumentsExist reads every command line of the documents and
// of the README, and has its command and flags known.
func TestCommandsOfTheDocumentsExist(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, p := range append(docs.Pages(), docs.Page{Name: "README", Text: string(readme)}) {
		for _, block := range shellBlock.FindAllStringSubmatch(p.Text, -1) {
			for line := range strings.SplitSeq(strings.ReplaceAll(block[1], "\\\n", " "), "\n") {
				command := ofTocsin.FindStringSubmatch(strings.TrimSpace(line))
				if command == nil {
					continue
				}
				seen++
				s := snippets{T: t, page: p.Name, block: line, dir: t.TempDir()}
				out, err := exec.CommandContext(t.Context(), "bash", "-c", `"$0" `+command[1]+" --help", binary).CombinedOutput()
				if err != nil {
					s.Errorf("%s: %s: %v\n%s", p.Name, line, err, out)
				}
			}
		}
	}
	if seen < 100 {
		t.Errorf("only %d commands were found", seen)
	}
}
