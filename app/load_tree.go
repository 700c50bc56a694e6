package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/9bikes/tocsin/rules"
)

// node is one value of the configuration and where it was read.
type node struct {
	at    string // the place of the value, for errors
	keyAt string // the place of its key
	form  nodeForm
	text  string           // of a scalar
	list  []*node          // of a list
	table map[string]*node // of a table
	order []string         // the keys of the table as they were written
	env   bool             // from the environment
	path  bool             // from a credentials directory: text is an absolute path
}

type nodeForm uint8

const (
	formEmpty nodeForm = iota
	formScalar
	formList
	formTable
)

func newTable(at string) *node {
	return &node{at: at, keyAt: at, form: formTable, table: map[string]*node{}}
}

func (n *node) set(key string, v *node) {
	if n.form != formTable {
		n.form, n.table, n.order = formTable, map[string]*node{}, nil
	}
	if n.table[key] == nil {
		n.order = append(n.order, key)
	}
	n.table[key] = v
}

// has reports whether a key was given a value.
func (n *node) has(key string) bool {
	v := n.table[key]
	return v != nil && v.form != formEmpty
}

// growPlain turns a document into nodes, and refuses what is not written where
// it stands. It joins all that is wrong, and returns what could be read.
func growPlain(file string, body ast.Node) (*node, error) {
	g := grower{file: file}
	n := g.grow(body)
	return n, errors.Join(g.errs...)
}

// grower makes nodes of the values of a file and collects what is wrong.
type grower struct {
	file string
	errs []error
}

// parseConfig turns YAML into nodes. Its errors name lines and never quote
// them: a line may hold a secret.
func parseConfig(path string, text []byte) (*node, error) {
	root := newTable(path)
	file, err := parseDocument(path, text, mostTokens)
	if err != nil {
		return root, err
	}
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if len(root.table) > 0 {
			return root, placed(placeOf(path, doc.Body.GetToken()), rules.Errorf(rules.Invalid, "a second document begins; write one, without ---"))
		}
		body, wrong := growPlain(path, doc.Body)
		root, err = body, errors.Join(err, wrong)
	}
	return root, err
}

func placed(at string, err error) error { return fmt.Errorf("%s: %w", at, err) }

func placeOf(path string, t *token.Token) string {
	if t == nil || t.Position == nil {
		return path
	}
	return fmt.Sprintf("%s: line %d, column %d", path, t.Position.Line, t.Position.Column)
}

// syntax tells the cures of broken YAML by a part of the parser's message,
// which itself may quote the file.
var syntax = []struct{ part, cure string }{
	{"already defined", "the same key stands twice; keep one of them"},
	{"unexpected key name", "a key without a value; a colon needs a space after it, for example token: abc"},
	{"quoted text", "a quote is not closed"},
	{"mapping value is not allowed", "a colon where none is expected; indent with the same number of spaces, and put a value with a colon in quotes"},
	{"value is not allowed", "the indentation does not fit the lines above; use the same number of spaces"},
	{"cannot start any token", "a tab or a special character; indent with spaces, and put a value that begins with a special character in quotes"},
	{"reserved character", "a value that begins with @ or ` must be in quotes"},
	{"end token '}'", "a { is not closed"},
	{"end token ']'", "a [ is not closed"},
	{"escape", "a backslash in double quotes begins an escape; use single quotes"},
}

func yamlRefusal(path string, err error) error {
	at, cure := path, "is not valid YAML here; check indentation, colons and quotes"
	var broken yaml.Error
	if errors.As(err, &broken) {
		at = placeOf(path, broken.GetToken())
		for _, s := range syntax {
			if strings.Contains(broken.GetMessage(), s.part) {
				cure = s.cure
				break
			}
		}
	}
	return placed(at, rules.Errorf(rules.Invalid, "%s", cure))
}

// grow turns one YAML value into a node.
func (g *grower) grow(from ast.Node) *node {
	at := placeOf(g.file, from.GetToken())
	n := &node{at: at, keyAt: at}
	switch from := from.(type) {
	case *ast.NullNode:
	case *ast.MappingNode:
		g.growTable(n, from.Values)
	case *ast.MappingValueNode:
		g.growTable(n, []*ast.MappingValueNode{from})
	case *ast.SequenceNode:
		n.form = formList
		for _, item := range from.Values {
			n.list = append(n.list, g.grow(item))
		}
	case *ast.LiteralNode:
		n.form, n.text = formScalar, from.Value.Value
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		g.special(at)
	case ast.ScalarNode:
		n.form, n.text = formScalar, from.GetToken().Value
	default:
		g.special(at)
	}
	return n
}

func (g *grower) special(at string) {
	g.refuse(at, "anchors, aliases, merges and tags are not used here; a value that begins with & * or ! must be in quotes")
}

// mostFaults is how many are told of one document.
const mostFaults = 50

func (g *grower) refuse(at, text string) {
	if len(g.errs) < mostFaults {
		g.errs = append(g.errs, placed(at, rules.Errorf(rules.Invalid, "%s", text)))
	}
}

func (g *grower) growTable(n *node, pairs []*ast.MappingValueNode) {
	n.form, n.table = formTable, map[string]*node{}
	for _, pair := range pairs {
		v, key := g.grow(pair.Value), pair.Key.GetToken()
		v.keyAt = placeOf(g.file, key)
		switch pair.Key.(type) {
		case *ast.MergeKeyNode, *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
			g.special(v.keyAt)
			continue
		}
		if n.table[key.Value] != nil {
			g.refuse(v.keyAt, "the same key stands twice; keep one of them")
			continue
		}
		n.set(key.Value, v)
	}
}

// credential matches the files of a credentials directory that are ours.
var credential = regexp.MustCompile(`^(?:(sources)\.(.+)\.(token|password)|(channels)\.(.+)\.(url)|(heartbeat)\.(url)|(token))$`)

// addCredentials fills in secrets that the file does not give. The files are
// not opened yet.
func (n *node) addCredentials(dir string) error {
	if dir == "" {
		return nil
	}
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the credentials directory: %w", err)
	}
	for _, f := range files {
		m := credential.FindStringSubmatch(f.Name())
		if m == nil {
			continue
		}
		parts := slices.DeleteFunc(m[1:], func(s string) bool { return s == "" })
		n.addCredential(parts, filepath.Join(dir, f.Name()), "credential "+f.Name())
	}
	return nil
}

func (n *node) addCredential(parts []string, file, at string) {
	last := len(parts) - 1
	for _, key := range parts[:last] {
		if !n.has(key) {
			n.set(key, newTable(at))
		}
		n = n.table[key]
	}
	if n.form == formTable && !n.has(parts[last]) && !n.has(parts[last]+"_file") {
		n.set(parts[last]+"_file", &node{at: at, keyAt: at, form: formScalar, text: file, path: true})
	}
}

const envPrefix = "TOCSIN_"

// addEnv puts the environment over what is there. An empty variable counts as
// not set, as compose files leave them.
func (n *node) addEnv(env []string) {
	env = slices.Sorted(slices.Values(env))
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		path, ours := strings.CutPrefix(name, envPrefix)
		if !ours || value == "" || name == "TOCSIN_CONFIG" || fromKubernetes(name, value) {
			continue
		}
		n.put(strings.Split(path, "__"), &node{at: "environment variable " + name, form: formScalar, text: value, env: true})
	}
}

var servicePort = regexp.MustCompile(`_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$`)

// fromKubernetes knows the variables that Kubernetes sets for a service named
// tocsin.
func fromKubernetes(name, value string) bool {
	return strings.Contains(name, "_SERVICE_HOST") || strings.Contains(name, "_SERVICE_PORT") ||
		servicePort.MatchString(name) || strings.HasSuffix(name, "_PORT") && strings.Contains(value, "://")
}

// put sets a value from the environment at a path of names in capitals.
func (n *node) put(parts []string, v *node) {
	v.keyAt = v.at
	key := n.keyFor(parts[0])
	if len(parts) > 1 {
		if !n.has(key) || n.table[key].form != formTable {
			n.set(key, newTable(v.at))
		}
		n.table[key].put(parts[1:], v)
		return
	}
	n.set(key, v)
	for _, twin := range []string{key + "_file", strings.TrimSuffix(key, "_file")} {
		if twin != key && n.has(twin) && !n.table[twin].env {
			n.table[twin] = &node{at: v.at, keyAt: v.at}
		}
	}
}

// keyFor finds the key that a part of a variable's name means: capitals have
// no - and no small letters.
func (n *node) keyFor(part string) string {
	for _, key := range n.order {
		if strings.EqualFold(notVariable.ReplaceAllString(key, "_"), part) {
			return key
		}
	}
	return strings.ToLower(part)
}

var notVariable = regexp.MustCompile(`[^A-Za-z0-9_]`)
