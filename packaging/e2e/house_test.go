package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const module = "github.com/9bikes/tocsin"

// mayImport says which packages of the house each package of the centre may
// import: rules knows nobody; app knows everybody but what is built on it, which
// do not know each other.
var mayImport = map[string][]string{
	"rules": {"rules/unit", "rules/wording"},
	"evaluator": {
		"rules", "evaluator/aggregate", "evaluator/anomaly", "evaluator/expression", "evaluator/forecast",
		"evaluator/schedule",
	},
	"notify": {"rules", "rules/unit", "rules/wording", "evaluator"},
	"app": {
		"rules", "rules/ruledoc", "evaluator", "evaluator/lookup", "evaluator/schedule", "notify", "app/document",
	},

	"rules/column":  {"rules"},
	"rules/ruledoc": {"rules", "rules/wording"},
	"rules/unit":    {},
	"rules/wording": {},

	"evaluator/aggregate":  {"rules"},
	"evaluator/anomaly":    {},
	"evaluator/expression": {"rules"},
	"evaluator/forecast":   {},
	"evaluator/lookup":     {"rules", "evaluator"},
	"evaluator/schedule":   {"rules"},
	"evaluator/backtest":   {"rules", "evaluator", "evaluator/aggregate", "evaluator/schedule"},
	"evaluator/window":     {"rules", "evaluator", "evaluator/aggregate"},

	"app/bulk":     {"rules", "app"},
	"app/document": {"rules"},
	"app/when":     {"rules"},
	"app/insight": {
		"rules", "rules/ruledoc", "rules/unit", "evaluator", "evaluator/backtest", "evaluator/lookup", "evaluator/schedule",
		"notify", "app",
	},
	"app/ruleset": {"rules", "rules/ruledoc", "evaluator", "evaluator/backtest", "notify", "app", "app/document"},
}

// parts are rooms that belong to one door, which alone imports them: each stands
// for a piece of its work.
var parts = map[string]string{
	"app/clients": "app/cli", "app/ruleflags": "app/cli", "app/setup": "app/cli",
}

// importers says who may import each module of somebody else's. A driver or a
// protocol has one importer, the leaf that is named after it.
var importers = map[string][]string{
	"github.com/expr-lang/expr":       {"evaluator/expression"},
	"github.com/goccy/go-yaml":        {"app/document"},
	"github.com/gofrs/flock":          {"app/local"},
	"github.com/hashicorp/golang-lru": {"evaluator"},
	"github.com/robfig/cron":          {"evaluator", "evaluator/schedule"},

	"github.com/InfluxCommunity/influxdb3-go": {"evaluator/influx3"},
	"github.com/apache/arrow-go":              {"evaluator/influx3"},
	"google.golang.org/grpc":                  {"evaluator/influx3"},
	"github.com/containrrr/shoutrrr":          {"notify/shoutrrr"},
	"github.com/coreos/go-systemd":            {"app/systemd"},
	"github.com/wneessen/go-mail":             {"notify/shoutrrr"},
	"github.com/go-analyze/charts":            {"app/chart"},
	"github.com/go-sql-driver/mysql":          {"rules/mysql"},
	"github.com/google/jsonschema-go":         {"app/mcp"},
	"github.com/influxdata/influxql":          {"evaluator/influx"},
	"github.com/influxdata/line-protocol":     {"evaluator/live"},
	"github.com/mark3labs/mcp-go":             {"app/mcp", "app/stdio"},
	"github.com/pressly/goose":                {"rules/sqlite", "rules/mysql"},
	"github.com/prometheus/client_golang":     {"app/web"},
	"github.com/redis/go-redis":               {"rules/redis"},
	"github.com/shirou/gopsutil":              {"evaluator/live"},
	"github.com/tinylib/msgp":                 {"evaluator/influx"},
	"github.com/spf13/cobra":                  {"app/cli", "app/ruleflags"},
	"github.com/spf13/pflag":                  {"app/cli", "app/ruleflags"},
	"github.com/tailscale/hujson":             {"app/clients"},
	"golang.org/x/sys":                        {"app/clock", "app/daemon", "app/local", "app/resident"},
	"golang.org/x/term":                       {"app/cli"},
	"github.com/yuin/goldmark":                {"app/web"},
	"modernc.org/sqlite":                      {"rules/sqlite"},
}

// protocols are those of the standard library. The centre may parse addresses
// with net and net/url.
var protocols = []string{"database/sql", "net/http", "net/mail", "net/rpc", "net/smtp", "net/textproto", "os/exec"}

// room is one package of the house, or of somebody else's.
type room struct {
	ImportPath string
	Standard   bool
	Imports    []string
	GoFiles    []string
	Module     *struct{ Path string }
}

// name is the folder of a package of ours, "." of main.
func (r room) name() string {
	if r.ImportPath == module {
		return "."
	}
	return strings.TrimPrefix(r.ImportPath, module+"/")
}

func (r room) ours() bool {
	return r.ImportPath == module || strings.HasPrefix(r.ImportPath, module+"/")
}

// house is every package that the binary for one system is made of, and every
// one of ours.
type house map[string]room

// eachHouse runs a test for each kind of system, since files differ by it.
func eachHouse(t *testing.T, test func(*testing.T, house)) {
	for _, system := range []string{"linux", "darwin", "windows"} {
		t.Run(system, func(t *testing.T) { test(t, list(t, system)) })
	}
}

func list(t *testing.T, system string) house {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Standard,Imports,GoFiles,Module",
		"./...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	h := house{}
	for in := json.NewDecoder(bytes.NewReader(out)); ; {
		var r room
		if err := in.Decode(&r); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		h[r.ImportPath] = r
	}
	if len(h.ours()) < len(mayImport) {
		t.Fatalf("go list names %d packages of ours only", len(h.ours()))
	}
	return h
}

func (h house) ours() (out []room) {
	for _, key := range slices.Sorted(maps.Keys(h)) {
		if h[key].ours() {
			out = append(out, h[key])
		}
	}
	return out
}

// neighbours are the packages of ours that r imports, by folder.
func (h house) neighbours(r room) (out []string) {
	for _, imported := range r.Imports {
		if h[imported].ours() {
			out = append(out, h[imported].name())
		}
	}
	return out
}

// pure reports whether a package is the standard library's only, without
// input and output; such a one belongs to the centre.
func (h house) pure(folder string) bool {
	r := h[module+"/"+folder]
	return len(r.GoFiles) > 0 && !slices.ContainsFunc(r.Imports, func(imported string) bool {
		return !h[imported].Standard || imported == "os" || imported == "net" || slices.Contains(protocols, imported)
	})
}

// wiring is the one room that imports every other.
const wiring = "app/daemon"

// Two folders hold texts that the binary brings along, and import nobody: the
// stores have their migrations, the doors their documents.
const (
	migrations = "migrations"
	documents  = "packaging/docs"
)

// binaryTests are of the built binary, and this law; no code of ours is there.
const binaryTests = "packaging/e2e"

// suite reports whether a folder is a contract suite, for tests only.
func suite(folder string) bool {
	return strings.HasSuffix(folder, "test") && folder != "evaluator/backtest"
}

// testsStandOn reports whether what is for tests only may import a folder: the
// real store, the embedded source, and others of its kind.
func testsStandOn(folder string) bool {
	return suite(folder) || folder == "rules/sqlite" || folder == "evaluator/live"
}

func centre(folder string) bool { _, ok := mayImport[folder]; return ok }

func TestCodeLivesInItsFoldersOnly(t *testing.T) {
	eachHouse(t, func(t *testing.T, h house) {
		for _, r := range h.ours() {
			top, leaf, deep := strings.Cut(r.name(), "/")
			switch {
			case r.name() == "." || r.name() == migrations || r.name() == documents || centre(r.name()):
			case path.Dir(r.name()) == documents && suite(r.name()):
			case r.name() == binaryTests && len(r.GoFiles) == 0:
			case !centre(top) || !deep || strings.Contains(leaf, "/"):
				t.Errorf("%s: code lives in main, in %s, in their leaves, in migrations and in packaging/docs", r.name(),
					slices.Sorted(maps.Keys(mayImport)))
			}
		}
	})
}

func TestTheCentreImportsNoLeaf(t *testing.T) {
	eachHouse(t, func(t *testing.T, h house) {
		for folder, allowed := range mayImport {
			r, ok := h[module+"/"+folder]
			if !ok {
				t.Errorf("there is no package %s", folder)
			}
			for _, imported := range h.neighbours(r) {
				pure := path.Dir(imported) == folder && h.pure(imported)
				if !slices.Contains(allowed, imported) && !pure {
					t.Errorf("%s imports %s; it may import %v and its own pure sub-packages", folder, imported, allowed)
				}
			}
		}
	})
}

// TestTheCentreKnowsNoDriverAndNoProtocol looks at what the centre imports by
// itself and, of our own and given modules, through others.
func TestTheCentreKnowsNoDriverAndNoProtocol(t *testing.T) {
	eachHouse(t, func(t *testing.T, h house) {
		for folder := range mayImport {
			for _, imported := range h[module+"/"+folder].Imports {
				if slices.ContainsFunc(protocols, func(p string) bool {
					return imported == p || strings.HasPrefix(imported, p+"/")
				}) {
					t.Errorf("%s imports %s", folder, imported)
				}
			}
			for reached, by := range h.reach(module + "/" + folder) {
				if m := given(h[reached]); m != "" && !slices.ContainsFunc(importers[m], centre) {
					t.Errorf("%s reaches %s, through %s", folder, reached, by)
				}
			}
		}
	})
}

// reach is every package that one is made of, with one that imports it.
func (h house) reach(from string) map[string]string {
	by := map[string]string{}
	for todo := []string{from}; len(todo) > 0; todo = todo[1:] {
		for _, imported := range h[todo[0]].Imports {
			if _, seen := by[imported]; !seen {
				by[imported] = todo[0]
				todo = append(todo, imported)
			}
		}
	}
	return by
}

// given is the entry of importers that a package belongs to, "" for none.
func given(r room) string {
	if r.Module == nil {
		return ""
	}
	name := regexp.MustCompile(`/v[0-9]+$`).ReplaceAllString(r.Module.Path, "")
	if _, ok := importers[name]; !ok {
		return ""
	}
	return name
}

func TestLeavesImportTheCentreAndNoSibling(t *testing.T) {
	eachHouse(t, func(t *testing.T, h house) {
		for _, r := range h.ours() {
			parent := path.Dir(r.name())
			if !centre(parent) || centre(r.name()) || r.name() == wiring {
				continue
			}
			for _, imported := range h.neighbours(r) {
				switch {
				case centre(imported) && (!centre(path.Dir(imported)) || path.Dir(imported) == parent ||
					path.Dir(imported) == "rules"):
				case parts[imported] == r.name():
				case parent == "rules" && imported == migrations, parent == "app" && imported == documents:
				case path.Dir(imported) == parent && h.pure(imported) && !suite(imported):
				case suite(r.name()) && testsStandOn(imported):
				default:
					t.Errorf("%s imports %s; a leaf imports the centre, of its rooms below another those of its parent and of rules, "+
						"and its parent's pure sub-packages", r.name(), imported)
				}
			}
		}
	})
}

// TestOnlyTheWiringImportsEveryone, and only main, which is one file, imports
// that.
func TestOnlyTheWiringImportsEveryone(t *testing.T) {
	eachHouse(t, func(t *testing.T, h house) {
		if files := h[module].GoFiles; len(files) != 1 {
			t.Errorf("main is %v, want main.go alone", files)
		}
		for _, r := range h.ours() {
			for _, imported := range h.neighbours(r) {
				if imported == wiring && r.name() != "." {
					t.Errorf("%s imports %s, which main alone does", r.name(), wiring)
				}
				if r.name() == "." && imported != wiring && imported != "app/cli" {
					t.Errorf("main imports %s; that is for %s", imported, wiring)
				}
				if door, part := parts[imported]; part && r.name() != door && r.name() != wiring {
					t.Errorf("%s imports %s, which %s alone does", r.name(), imported, door)
				}
				if suite(imported) && !suite(r.name()) {
					t.Errorf("%s imports %s, which is for tests", r.name(), imported)
				}
				if imported == "." {
					t.Errorf("%s imports main", r.name())
				}
			}
			if texts := r.name() == migrations || r.name() == documents; texts && len(h.neighbours(r)) > 0 {
				t.Errorf("%s imports %v", r.name(), h.neighbours(r))
			}
		}
	})
}

func TestEachModuleHasItsImporters(t *testing.T) {
	eachHouse(t, func(t *testing.T, h house) {
		for _, r := range h.ours() {
			for _, imported := range r.Imports {
				other := h[imported]
				if other.Standard || other.ours() {
					continue
				}
				if allowed := importers[given(other)]; !slices.Contains(allowed, r.name()) {
					t.Errorf("%s imports %s; house_test.go allows %v", r.name(), imported, allowed)
				}
			}
		}
	})
}

// mostLines is how many lines a room may have without its tests: more does not
// fit a head. Three are larger still.
const mostLines = 5000

var larger = []string{"rules", "evaluator", "app/mcp"}

func TestRoomsFitAHead(t *testing.T) {
	eachHouse(t, func(t *testing.T, h house) {
		for _, r := range h.ours() {
			lines := 0
			for _, file := range r.GoFiles {
				text, err := os.ReadFile(path.Join(r.name(), file))
				if err != nil {
					t.Fatal(err)
				}
				lines += bytes.Count(text, []byte("\n"))
			}
			if lines > mostLines && !slices.Contains(larger, r.name()) {
				t.Errorf("%s has %d lines without its tests, the most is %d", r.name(), lines, mostLines)
			}
		}
	})
}

// TestNothingNamesAMachine keeps the paths of one workplace and the hosts of
// its registries out of the project: who builds it has others.
func TestNothingNamesAMachine(t *testing.T) {
	// Written so that this file does not find itself.
	foreign := regexp.MustCompile(`(^|[^\w.])/wor[k]/|(^|[^\w/])share[d]/|prox[y]\.golang\.org|su[m]\.golang\.org|registr[y]\.npmjs\.org|de[b]\.debian\.org`)
	files, err := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others",
		"--exclude-standard").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	seen := 0
	for name := range strings.SplitSeq(strings.TrimRight(string(files), "\x00"), "\x00") {
		text, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue // removed and not yet committed
		}
		if err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
			continue
		}
		seen++
		for i, line := range strings.Split(string(text), "\n") {
			if found := foreign.FindString(line); found != "" {
				t.Errorf("%s:%d names %q", name, i+1, found)
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d files were read", seen)
	}
}
