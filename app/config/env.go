package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/9bikes/tocsin/app/document"
	"github.com/9bikes/tocsin/rules"
)

// credentialNames matches the files of a credentials directory that are ours:
// each is named after the path of a secret.
func credentialNames() *regexp.Regexp {
	var names []string
	for _, key := range Keys() {
		if key.Secret && !strings.HasSuffix(key.Path, "_file") {
			name := "(" + strings.ReplaceAll(regexp.QuoteMeta(key.Path), `\.`, `)\.(`) + ")"
			names = append(names, strings.ReplaceAll(name, "(NAME)", "(.+)"))
		}
	}
	return regexp.MustCompile("^(?:" + strings.Join(names, "|") + ")$")
}

// addCredentials fills in secrets that the file does not give. The files are
// not opened yet.
func addCredentials(n *document.Node, dir string) error {
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
	names := credentialNames()
	for _, f := range files {
		m := names.FindStringSubmatch(f.Name())
		if m == nil {
			continue
		}
		parts := slices.DeleteFunc(m[1:], func(s string) bool { return s == "" })
		addCredential(n, parts, filepath.Join(dir, f.Name()), "credential "+f.Name())
	}
	return nil
}

func addCredential(n *document.Node, parts []string, file, at string) {
	last := len(parts) - 1
	for _, key := range parts[:last] {
		if !n.Has(key) {
			n.Set(key, document.NewTable(at))
		}
		n = n.Table[key]
	}
	if n.Form == document.FormTable && !n.Has(parts[last]) && !n.Has(parts[last]+"_file") {
		n.Set(parts[last]+"_file", &document.Node{At: at, KeyAt: at, Form: document.FormScalar, Text: file})
	}
}

const envPrefix = "TOCSIN_"

// addEnv puts the environment over what is there. An empty variable counts as
// not set, as compose files leave them.
func addEnv(n *document.Node, env, known []string) (ignored []string) {
	env = slices.Sorted(slices.Values(env))
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		path, ours := strings.CutPrefix(name, envPrefix)
		if !ours || value == "" || name == "TOCSIN_CONFIG" || fromKubernetes(name, value) {
			continue
		}
		parts := strings.Split(path, "__")
		if key := strings.ToLower(parts[0]); !slices.Contains(known, key) {
			near := rules.Nearest(key, known)
			if len(parts) == 1 || len(near) == 0 {
				ignored = append(ignored, meaningless(name, near))
				continue
			}
		}
		at := "environment variable " + name
		setPath(n, parts, &document.Node{At: at, Form: document.FormScalar, Text: value, Env: true})
	}
	return ignored
}

// meaningless says that a variable is none of tocsin's: the house may use the name
// for a thing of its own, as compose files do with a version.
func meaningless(name string, near []string) string {
	text := "environment variable " + name + " means nothing to tocsin and is ignored"
	if len(near) > 0 {
		text += "; did you mean " + envPrefix + strings.ToUpper(near[0]) + "?"
	}
	return text
}

var servicePort = regexp.MustCompile(`_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$`)

// fromKubernetes knows the variables that Kubernetes sets for a service named
// tocsin.
func fromKubernetes(name, value string) bool {
	return strings.Contains(name, "_SERVICE_HOST") || strings.Contains(name, "_SERVICE_PORT") ||
		servicePort.MatchString(name) || strings.HasSuffix(name, "_PORT") && strings.Contains(value, "://")
}

// setPath sets a value from the environment at a path of names in capitals.
func setPath(n *document.Node, parts []string, v *document.Node) {
	v.KeyAt = v.At
	key := keyFor(n, parts[0])
	if len(parts) > 1 {
		if !n.Has(key) || n.Table[key].Form != document.FormTable {
			n.Set(key, document.NewTable(v.At))
		}
		setPath(n.Table[key], parts[1:], v)
		return
	}
	n.Set(key, v)
	for _, twin := range []string{key + "_file", strings.TrimSuffix(key, "_file")} {
		if twin != key && n.Has(twin) && !n.Table[twin].Env {
			n.Table[twin] = &document.Node{At: v.At, KeyAt: v.At}
		}
	}
}

// keyFor finds the key that a part of a variable's name means: capitals have
// no - and no small letters.
func keyFor(n *document.Node, part string) string {
	for _, key := range n.Order {
		if strings.EqualFold(notVariable.ReplaceAllString(key, "_"), part) {
			return key
		}
	}
	return strings.ToLower(part)
}

var notVariable = regexp.MustCompile(`[^A-Za-z0-9_]`)
