package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app/config"
	"github.com/9bikes/tocsin/rules"
)

// TestAllFaultsOfAConfigAreToldAtOnce whatever reads them: the file's marks,
// its keys, the secrets it names, the environment.
func TestAllFaultsOfAConfigAreToldAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	text := `every: 1x
every: 30s
zone: &z Mars/Olympus
listen: nowhere
sources:
  home: {kind: influxdb, token_file: /nonexistent/token}
  away: {kind: influx, url: ftp://x}
  away: {kind: live}
channels:
  phone: {rate: often}
  mail: {url_file: /nonexistent/mail}
notify: {urgent: [phone]}
heartbeat: {every: 1s}
nonsense: !t 1
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load(file, config.Options{Env: []string{"TOCSIN_LOG=loud"}})
	if err == nil {
		t.Fatal("it is good")
	}
	for _, want := range []string{
		"line 1, column 8: every: must be a duration", "line 2, column 1: the same key stands twice",
		"line 3, column 7: anchors, aliases",
		"listen: must be host:port", "sources.home.url: is missing", "sources.home.database: is missing",
		"sources.home.token_file: names a file that does not exist",
		"sources.away.kind: must be one of", "sources.away.url: must be an address",
		"line 8, column 3: the same key stands twice",
		"channels.phone.rate: ", "channels.phone.url: is missing", "channels.mail.url_file: names a file",
		"notify.urgent: no such key", "heartbeat.every: must be between", "heartbeat: has no url",
		"line 14, column 11: anchors, aliases", "environment variable TOCSIN_LOG: log: must be one of",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not told", want)
		}
	}
	if t.Failed() {
		t.Log(err)
	}
}

// TestAVariableOfTheHouseIsNoFault: others use names that begin like ours; one of a
// section of ours that is misspelt is one.
func TestAVariableOfTheHouseIsNoFault(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte("every: 5s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file, config.Options{Env: []string{
		"TOCSIN_VERSION=1.2", "TOCSIN_LISTN=:80", "TOCSIN_X__Y__Z=1", "TOCSIN_EVERY=7s",
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"environment variable TOCSIN_LISTN means nothing to tocsin and is ignored; did you mean TOCSIN_LISTEN?",
		"environment variable TOCSIN_VERSION means nothing to tocsin and is ignored",
		"environment variable TOCSIN_X__Y__Z means nothing to tocsin and is ignored",
	}
	if !slices.Equal(c.Ignored, want) || c.Every != 7*rules.Second {
		t.Errorf("ignored %q, every %s", c.Ignored, c.Every)
	}
	for _, name := range []string{"TOCSIN_SOURCE__HOME__URL", "TOCSIN_SOURCES__HOME__URLL", "TOCSIN_CHANELS__A__URL"} {
		if _, err := config.Load(file, config.Options{Env: []string{name + "=http://x"}}); err == nil ||
			!strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
