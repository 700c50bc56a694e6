package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/document"
	"github.com/9bikes/tocsin/rules"
)

// aSecret reads a credential that stands in the configuration itself.
func aSecret[T any](at func(*T) *rules.Secret) document.Value[T] {
	return document.Parsed(at, func(text string) (rules.Secret, error) {
		return rules.NewSecret(text), nil
	}).In("credential")
}

// aSecretFile reads a credential from the file that the value names. No error
// shows that name: people put the secret itself there.
func aSecretFile[T any](l *loader, at func(*T) *rules.Secret) document.Value[T] {
	return document.Value[T]{Unit: "path", Read: func(_ *document.Faults, n *document.Node, _ string, t *T) error {
		text, err := document.ScalarOf(n)
		if err != nil {
			return err
		}
		if l.options.skipSecrets {
			return nil
		}
		*at(t), err = readSecret(l.resolve(n, text))
		return err
	}}
}

const maxSecret = 64 << 10

func readSecret(path string) (rules.Secret, error) {
	info, err := os.Stat(path)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxSecret) {
		return rules.Secret{}, errors.New("must be the path of a small file that holds the secret alone")
	}
	content, err := os.ReadFile(path)
	plain, odd := rules.PlainText(content)
	text := strings.TrimSpace(string(plain))
	switch {
	case errors.Is(err, fs.ErrPermission):
		return rules.Secret{},
			errors.New("names a file that this user may not read; run as the daemon's user, or change its owner")
	case errors.Is(err, fs.ErrNotExist):
		return rules.Secret{},
			errors.New("names a file that does not exist; it must be the path of a file that holds the secret")
	case err != nil:
		return rules.Secret{},
			errors.New("names a file that cannot be read; it must be the path of a file that holds the secret")
	case odd != nil:
		return rules.Secret{}, fmt.Errorf("names a file that %w", odd)
	case text == "":
		return rules.Secret{}, errors.New("names a file that is empty; write the secret into it")
	}
	return rules.NewSecret(text), nil
}

// resolve makes a path absolute: in a file it begins at the file's folder.
func (l *loader) resolve(n *document.Node, path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok && l.home != "" {
		return filepath.Join(l.home, rest)
	}
	if !filepath.IsAbs(path) && !n.Env {
		path = filepath.Join(l.dir, path)
	}
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}

func aPath[T any](l *loader, at func(*T) *string) document.Value[T] {
	return document.Plainly(at, func(_ *document.Faults, n *document.Node, _ string, t *T) error {
		text, err := document.ScalarOf(n)
		if err != nil || text == "" {
			return errors.New("must be the path of a directory")
		}
		*at(t) = l.resolve(n, text)
		return nil
	}).In("path")
}

func checkListen(text string) error {
	_, port, err := net.SplitHostPort(text)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 && port != "0" {
		return fmt.Errorf("must be host:port, with a port up to 65535; got %s", document.Quoted(text))
	}
	return nil
}

func checkZone(text string) error {
	if _, err := time.LoadLocation(text); err != nil || text == "Local" || text == "" {
		return fmt.Errorf("must be an IANA time zone; got %s", document.Quoted(text))
	}
	return nil
}

func checkHost(text string) error {
	if text == "" || strings.ContainsAny(text, "/ \t@?#") || strings.Contains(text, "://") {
		return fmt.Errorf("must be a list of host names without scheme and path; got %s", document.Quoted(text))
	}
	return nil
}

func checkName(text string) error {
	if !app.ValidName(text) {
		return fmt.Errorf("must be names of small letters, digits, _ . and -, at most 63; got %s", document.Quoted(text))
	}
	return nil
}

// readPublicURL reads the address that people reach the daemon at.
func readPublicURL(_ *document.Faults, n *document.Node, _ string, c *app.Config) error {
	text, err := document.ScalarOf(n)
	if err != nil {
		return err
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || len(text) > 300:
		return errors.New("must be an address that begins with https:// or http://")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(text, " \t'\"<>?#"):
		return errors.New("must be a host, and a path where a proxy needs one, without a user, ? or #")
	}
	c.PublicURL = strings.TrimRight(text, "/")
	return nil
}

// named reads a table whose keys are names that people gave.
func named(f *document.Faults, n *document.Node, path string, each func(name string, v *document.Node)) error {
	if n.Form != document.FormTable {
		return errors.New("must be a table of names")
	}
	for _, name := range n.Order {
		v := n.Table[name]
		if app.ValidName(name) {
			each(name, v)
			continue
		}
		shown := "a name in it"
		if document.LooksLikeKey(name) {
			shown = strconv.Quote(name)
		}
		f.Refuse(v.KeyAt, path, "%s cannot be a name: small letters, digits, _ . and -, at most 63; for example home", shown)
	}
	return nil
}
