package influx

import (
	"context"
	"slices"
	"strings"
)

// Found is an InfluxDB at an address.
type Found struct {
	Version   string   // "InfluxDB 1.8.10", or "InfluxDB" when it does not tell
	Databases []string // that can be seen without a login; its own left out
	Barred    error    // why they cannot be seen
}

// Look asks what there is at an address, of which nothing but that is known. The
// error says that there is no InfluxDB.
func Look(ctx context.Context, o Options) (Found, error) {
	if o.Database == "" {
		o.Database = "_internal" // a list of all needs none
	}
	c, err := New(o)
	if err != nil {
		return Found{}, err
	}
	defer func() { _ = c.Close() }()
	version, err := c.askVersion(ctx)
	if err != nil {
		return Found{}, err
	}
	f := Found{Version: strings.TrimSpace("InfluxDB " + version)}
	f.Databases, f.Barred = c.column(ctx, "SHOW DATABASES", "name")
	f.Databases = slices.DeleteFunc(f.Databases, func(name string) bool { return name == "_internal" })
	return f, nil
}
