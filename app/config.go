package app

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// Defaults of the config.
const (
	DefaultListen = "127.0.0.1:8627"
	DefaultEvery  = 30 * rules.Second
)

// Config is what the config file and the environment say.
type Config struct {
	DataDir string         // where the database, key and lock live
	Store   rules.Secret   // the address of a server's database in its place; none for a file
	Listen  string         // host:port of the daemon
	Every   rules.Duration // the base interval
	// OutageAfter is how long a source fails until people are told; 0 is 2 min.
	OutageAfter rules.Duration
	// WindowsMemory is how many bytes the windows may take that are remembered from
	// tick to tick; 0 is 64 MB.
	WindowsMemory int
	Zone          string                   // IANA zone of times in messages; "" is the machine's
	Log           string                   // debug, info, warn, error
	Token         rules.Secret             // opens everything beyond loopback
	Hosts         []string                 // further names the listener answers to
	PublicURL     string                   // where people reach the daemon, for the links in messages; "" for no links
	Sources       map[string]SourceConfig  // by name
	Channels      map[string]ChannelConfig // by name
	Notify        map[string][]string      // channels by severity or "default", for rules that name none
	Operators     []string                 // channels for tocsin's own messages

	Heartbeat HeartbeatConfig // no URL: none

	Path string // the file it was read from, "" for none

	Ignored []string // a sentence for each variable of the environment that means nothing

	Settings []Setting // what may be shown of each key that it has
}

// Setting is a key of the config and its value. Of a credential it says that it
// is set.
type Setting struct {
	Key   string `json:"key"` // the path: sources.home.url
	Value string `json:"value"`
}

// The kinds of sources.
const (
	KindInfluxDB  = "influxdb"  // version 1, 2 or 3, over its v1-compatible endpoint
	KindInfluxDB3 = "influxdb3" // version 3, over Flight SQL
	KindLive      = "live"      // points pushed to this daemon
)

// SourceConfig is one source of the config.
type SourceConfig struct {
	Kind      string // influxdb, influxdb3, live
	URL       string
	Database  string
	Retention string // retention policy; "" is the default one
	Token     rules.Secret
	Username  string
	Password  rules.Secret
	Trust     rules.Trust
	Delay     rules.Duration // how long late points are waited for
	Timeout   rules.Duration // of one round of queries
	MaxAnswer int            // bytes of the answer to one request; zero is the source's own
	Vitals    bool           // live: read this machine's own CPU, memory, disks and temperature
	KeepFor   rules.Duration // live: how long points are kept in memory
}

// ChannelConfig is one channel of the config. Where no credential may be held
// both are left out and only its name is known.
type ChannelConfig struct {
	Kind     string
	URL      rules.Secret
	Settings notify.Settings
}

// HeartbeatConfig is a dead-man service that is pinged while all is well.
type HeartbeatConfig struct {
	URL   rules.Secret
	Every rules.Duration
	Trust rules.Trust
}

// Route names the channels for a severity: those of notify, its default, or
// every channel there is.
func (c *Config) Route(s rules.Severity, all []string) []string {
	if names, ok := c.Notify[string(s)]; ok {
		return names
	}
	if names, ok := c.Notify["default"]; ok {
		return names
	}
	return slices.Sorted(slices.Values(all))
}

// Location is the zone in which people read times.
func (c *Config) Location() *time.Location {
	if c != nil && c.Zone != "" {
		if zone, err := time.LoadLocation(c.Zone); err == nil {
			return zone
		}
	}
	return time.Local
}

// FillZone gives quiet hours that name no zone the one of the config.
func (c *Config) FillZone(s notify.Settings) {
	if s.Quiet != nil && s.Quiet.Zone == "" {
		s.Quiet.Zone = c.zoneName()
	}
}

// zoneName is the zone that people mean who name none: that of the config, or
// the machine's; "" when neither has a name.
func (c *Config) zoneName() string {
	if c != nil && c.Zone != "" {
		return c.Zone
	}
	if zone := time.Local.String(); zone != "Local" {
		return zone
	}
	file, err := filepath.EvalSymlinks("/etc/localtime")
	if _, zone, found := strings.Cut(file, "/zoneinfo/"); err == nil && found {
		return zone
	}
	return ""
}
