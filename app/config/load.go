// Package config reads the configuration: a YAML file, the environment and
// systemd's credentials become an app.Config. Each key stands once, in the tables
// of keys.go. What a config is used for is no affair of this room; app says what a
// Config is, and the rooms that work with it check what only they can know.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/document"
	"github.com/9bikes/tocsin/rules"
)

// Options say where a configuration may come from besides its file.
type Options struct {
	// Env is the environment, as os.Environ gives it. A variable is a key's
	// path in capitals joined by two underscores, TOCSIN_SOURCES__HOME__TOKEN,
	// and goes before the file.
	Env []string
	// CredentialsDir is where systemd puts credentials: files named after a
	// secret's path, sources.home.token. They fill in what neither file nor
	// environment gives.
	CredentialsDir string
	// SkipChannelSecrets leaves out the URLs of channels and opens no file
	// that holds one; the names are known.
	SkipChannelSecrets bool
	// CheckChannel returns the kind of the service that a channel's URL names.
	// Its error must not repeat any of the URL.
	CheckChannel func(rules.Secret) (kind string, err error)
	// CheckStore says what is wrong with the address of a database, without
	// its credentials.
	CheckStore func(rules.Secret) error

	skipSecrets bool // opens no file of a secret and misses none
}

// DefaultDataDir is where data lives on a machine that runs tocsin as a service.
const DefaultDataDir = "/var/lib/tocsin"

// Load reads the configuration from a file, the environment and
// systemd's credentials. An empty path is no file: the defaults and the
// environment alone. Its error joins one Error for each thing that is wrong,
// with the line or the variable in front; no error holds a secret's value.
func Load(path string, o Options) (*app.Config, error) {
	c, err := readAll(path, o)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Find reads as much of a configuration as it takes to find the daemon
// that runs on it, whatever is wrong with the rest. It opens no file that holds
// a secret, which the daemon may have from systemd.
func Find(path string, env []string) *app.Config {
	c, _ := readAll(path, Options{Env: env, skipSecrets: true})
	return c
}

// loader reads one configuration, and collects what is wrong with it.
type loader struct {
	document.Faults

	options Options
	dir     string // of the config file: relative paths in it begin there
	home    string
}

// readAll returns what could be read, and joins what is wrong with the rest.
func readAll(path string, o Options) (*app.Config, error) {
	root, err := document.NewTable("the configuration"), error(nil)
	l := &loader{options: o, dir: filepath.Dir(path), home: lookup(o.Env, "HOME")}
	if path != "" {
		var text []byte
		if text, err = readConfig(path); err == nil {
			root, err = parseConfig(path, text)
		}
	}
	broken := err != nil && len(root.Table) == 0 // what is missing may stand there
	l.Add(err)
	l.Add(addCredentials(root, o.CredentialsDir))
	c := &app.Config{Sources: map[string]app.SourceConfig{}, Channels: map[string]app.ChannelConfig{}, Path: path}
	c.Ignored = addEnv(root, o.Env, document.Names(l.configKeys()))
	if !broken || o.skipSecrets {
		document.ReadTable(&l.Faults, root, "", l.configKeys(), c)
	}
	if c.DataDir == "" {
		c.DataDir = dataDir(o.Env)
	}
	for _, channel := range c.Channels {
		c.FillZone(channel.Settings)
	}
	if c.Operators == nil {
		c.Operators = slices.Clone(c.Notify["default"])
	}
	c.Settings = shown(c)
	return c, l.Err()
}

// parseConfig turns YAML into nodes.
func parseConfig(path string, text []byte) (*document.Node, error) {
	root := document.NewTable(path)
	docs, err := document.Parse(path, text, document.MostTokens)
	for _, doc := range docs {
		if doc.Empty() {
			continue
		}
		if len(root.Table) > 0 {
			return root, document.Placed(doc.Place(),
				rules.Errorf(rules.Invalid, "a second document begins; write one, without ---"))
		}
		body, wrong := doc.Node()
		root, err = body, errors.Join(err, wrong)
	}
	return root, err
}

const maxConfig = 1 << 20

func readConfig(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, rules.Errorf(rules.Invalid, "there is no config file %s; give another one with --config or TOCSIN_CONFIG",
			path)
	case err == nil && info.IsDir():
		return nil, rules.Errorf(rules.Invalid, "%s is a directory, not a config file; for example --config %s", path,
			filepath.Join(path, "config.yaml"))
	case err == nil && info.Size() > maxConfig:
		return nil, rules.Errorf(rules.Invalid, "config file %s is larger than 1 MB; is it the right one?", path)
	}
	text, err := readBounded(path, maxConfig)
	if errors.Is(err, fs.ErrPermission) {
		return nil, rules.Errorf(rules.Forbidden,
			"config file %s may not be read by this user; run as the daemon's user, for example with `sudo -u tocsin`", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	if len(text) > maxConfig { // of a pipe or a device, which has no size
		return nil, rules.Errorf(rules.Invalid, "config file %s is larger than 1 MB; is it the right one?", path)
	}
	return text, nil
}

// readBounded reads a file of at most so many bytes, and one more of a larger
// one.
func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, most+1))
}

// DefaultPath returns the config file that is used when none is named:
// $TOCSIN_CONFIG, config.yaml of the user or of the machine, "" when there is
// none.
func DefaultPath(env []string) string {
	if path := lookup(env, "TOCSIN_CONFIG"); path != "" {
		return path
	}
	places := []string{"/etc/tocsin/config.yaml"}
	if home := lookup(env, "HOME"); home != "" {
		places = append([]string{filepath.Join(home, ".config/tocsin/config.yaml")}, places...)
	}
	for _, path := range places {
		if _, err := os.Stat(path); err == nil || errors.Is(err, fs.ErrPermission) {
			return path
		}
	}
	return ""
}

// dataDir is where data lives when nothing says so: the machine's place for
// who may write there, else the user's own.
func dataDir(env []string) string {
	home, data := lookup(env, "HOME"), lookup(env, "XDG_DATA_HOME")
	switch {
	case os.Geteuid() == 0 || writable(DefaultDataDir):
		return DefaultDataDir
	case data != "":
		return filepath.Join(data, "tocsin")
	case home != "":
		return filepath.Join(home, ".local/share/tocsin")
	}
	return DefaultDataDir
}

// writable tries it: permission bits know nothing of ACLs and read-only
// mounts.
func writable(dir string) bool {
	f, err := os.CreateTemp(dir, ".tocsin-*")
	if err != nil {
		return false
	}
	return errors.Join(f.Close(), os.Remove(f.Name())) == nil
}

func lookup(env []string, name string) (value string) {
	for _, pair := range env {
		if k, v, _ := strings.Cut(pair, "="); k == name {
			value = v
		}
	}
	return value
}
