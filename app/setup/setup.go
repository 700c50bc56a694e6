// Package setup makes a first config: it finds an InfluxDB, adds it to a config
// that has no source yet, and says which rules suit what is measured there. It is
// the part of app/cli behind `tocsin init`; what is asked of people and what is
// printed stays there.
package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// InfluxDB is one that was found.
type InfluxDB struct {
	URL       string
	Version   string // "InfluxDB 1.8.10"
	Databases []string
	Barred    error // why the databases cannot be seen
}

// Setup makes a first config.
type Setup struct {
	// Load reads a config, whose file is there.
	Load func(path string) (*app.Config, error)
	// Look asks what there is at an address; the error says that it is no InfluxDB.
	Look func(ctx context.Context, url string) (InfluxDB, error)
	// Sources makes the sources of a config.
	Sources func(c *app.Config) (map[string]evaluator.Source, error)
	// Choose has a person say which of the databases it is, likely if they do not
	// care.
	Choose func(found InfluxDB, likely string) (string, error)
}

// usualPlaces are where InfluxDB 1 and 2, and 3, listen on the machine that they
// run on.
var usualPlaces = []string{"http://127.0.0.1:8086", "http://127.0.0.1:8181"}

const lookPatience = 5 * time.Second

// Run adds the InfluxDB at an address, or the one of this machine where that is
// "", to the config at path, or to a new one of this user where that is "". It
// returns what people should know and do next.
func (s Setup) Run(ctx context.Context, path, address string) (next string, err error) {
	if path, err = s.vacant(path); err != nil {
		return "", err
	}
	found, err := s.find(ctx, address)
	if err != nil {
		return "", err
	}
	database, err := s.database(found)
	if err != nil {
		return "", err
	}
	if err := s.addSource(path, found.URL, database); err != nil {
		return "", err
	}
	begin := "tocsin serve --config " + path
	if path == "/etc/tocsin/config.yaml" {
		begin = "sudo systemctl reload tocsin" // the service's
	}
	next = fmt.Sprintf(whatNext, path, begin)
	for i, command := range s.suggest(ctx, path) {
		if i == 0 {
			next += "\nMeasured there, and worth a rule:\n\n"
		}
		next += "  " + command + "\n"
	}
	return next, nil
}

const whatNext = `Wrote it to %s. Now:

  %s
  tocsin channels add phone        # asks which service, and what it needs
  tocsin channels test phone
  tocsin init --client claude-code # also: claude-desktop, cursor, vscode
`

// vacant is the file that a first source may be written to: one that has none, or
// one that is not there yet.
func (s Setup) vacant(path string) (string, error) {
	if path == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", rules.Errorf(rules.Unavailable, "this user has no home directory: name a file with --config")
		}
		return filepath.Join(home, ".config", "tocsin", "config.yaml"), nil
	}
	switch _, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return path, nil
	case err != nil:
		return "", rules.FileTrouble("read the config", path, err)
	}
	config, err := s.Load(path)
	if err != nil {
		return "", err
	}
	if len(config.Sources) > 0 {
		return "", rules.Errorf(rules.Conflict, "%s has a source already: see `tocsin sources check`; to connect Claude add "+
			"--client, for example `tocsin init --client claude-code`", path)
	}
	return path, nil
}

// find looks at one address, or where InfluxDB usually is.
func (s Setup) find(ctx context.Context, address string) (found InfluxDB, err error) {
	places := usualPlaces
	if address != "" {
		places = []string{address}
	}
	for _, url := range places {
		within, cancel := context.WithTimeout(ctx, lookPatience)
		found, err = s.Look(within, url)
		cancel()
		if err == nil {
			return found, nil
		}
	}
	if address == "" {
		err = rules.Errorf(rules.NotFound, "there is no InfluxDB on this machine, at %s: say where it is, for example "+
			"`tocsin init --influxdb http://nas.lan:8086`, or do without one: `tocsin help live`", strings.Join(places, " or "))
	}
	return found, err
}

// database is the one of those found that a person chooses.
func (s Setup) database(found InfluxDB) (string, error) {
	switch {
	case found.Barred != nil:
		return "", rules.Errorf(rules.Forbidden, "%s at %s does not show its databases (%s); put it under sources: in the "+
			"config with a login that may read: `tocsin help config`", found.Version, found.URL, rules.Sentence(found.Barred))
	case len(found.Databases) == 0:
		return "", rules.Errorf(rules.NotFound, "%s at %s has no database yet; when something writes to it run this again",
			found.Version, found.URL)
	}
	likely := found.Databases[0]
	if slices.Contains(found.Databases, "telegraf") {
		likely = "telegraf"
	}
	name, err := s.Choose(found, likely)
	if err == nil && !slices.Contains(found.Databases, name) {
		err = rules.Errorf(rules.NotFound, "there is no database %q; nothing was written", name)
	}
	return name, err
}

// addSource writes a source to a config that has none; one that cannot be read
// with it stays as it was.
func (s Setup) addSource(path, url, database string) error {
	before, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return rules.FileTrouble("read the config", path, err)
	}
	block := fmt.Sprintf("sources:\n  home: {kind: influxdb, url: %q, database: %q}\n", url, database)
	if len(before) > 0 {
		block = "\n" + block
	}
	if err := appendTo(path, block); err != nil {
		return err
	}
	if _, err := s.Load(path); err != nil {
		if undo := os.Truncate(path, int64(len(before))); undo != nil {
			return rules.FileTrouble("write", path, undo)
		}
		return rules.Errorf(rules.Conflict, "%s stays as it was, because this cannot be added to it: put it there "+
			"yourself: %s", path, strings.TrimSpace(block))
	}
	return nil
}

// appendTo adds to a file, or makes one that its owner alone reads.
func appendTo(path, text string) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return rules.FileTrouble("make the directory of", path, err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return rules.FileTrouble("write", path, err)
	}
	defer func() {
		if closeErr := f.Close(); err == nil && closeErr != nil {
			err = rules.FileTrouble("write", path, closeErr)
		}
	}()
	if _, err := f.WriteString(text); err != nil {
		return rules.FileTrouble("write", path, err)
	}
	return nil
}

// usualRules are what is worth a rule wherever Telegraf measures it.
var usualRules = []struct{ measurement, field, flags string }{
	{"disk", "used_percent", `--title "Disk nearly full" --above 90 --for 5m --group-by host,path`},
	{"mem", "used_percent", `--title "Memory nearly full" --above 95 --for 5m --group-by host`},
	{"cpu", "usage_idle", `--title "CPU busy" --below 10 --for 10m --group-by host`},
	{"system", "uptime", `--title "No word of a machine" --type absence --window 5m --group-by host`},
}

// suggest returns commands that make rules of what is measured. That nothing can
// be asked is no matter: everything else is done.
func (s Setup) suggest(ctx context.Context, path string) (commands []string) {
	config, err := s.Load(path)
	if err != nil {
		return nil
	}
	sources, err := s.Sources(config)
	if err != nil {
		return nil
	}
	for _, r := range usualRules {
		if measures(ctx, sources["home"], r.measurement, r.field) {
			commands = append(commands, fmt.Sprintf("tocsin rules create --measurement %s --field %s \\\n      %s",
				r.measurement, r.field, r.flags))
		}
	}
	return commands
}

func measures(ctx context.Context, s evaluator.Source, measurement, field string) bool {
	if s == nil {
		return false
	}
	fields, err := s.Fields(ctx, measurement)
	return err == nil && fields[field] != ""
}
