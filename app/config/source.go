package config

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/document"
)

// readSourceURL refuses credentials in the URL, where logs and errors would show
// them, and never shows the URL itself.
func readSourceURL(_ *document.Faults, n *document.Node, _ string, s *app.SourceConfig) error {
	text, err := document.ScalarOf(n)
	if err != nil {
		return err
	}
	u, err := url.Parse(text)
	switch {
	case strings.Contains(text, "@"):
		return errors.New("must not hold a user or password; write them under username and password, or password_file")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return errors.New("must be an address that begins with http:// or https://")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("must end before ? and #; the database goes under database, a token under token or token_file")
	}
	s.URL = strings.TrimRight(text, "/")
	return nil
}

func (l *loader) readSources(f *document.Faults, n *document.Node, path string, c *app.Config) error {
	return named(f, n, path, func(name string, v *document.Node) {
		var s app.SourceConfig
		document.ReadTable(f, v, document.Below(path, name), l.sourceKeys(), &s)
		l.checkSource(v, document.Below(path, name))
		l.checkTrust(v, document.Below(path, name), s.Trust)
		c.Sources[name] = s
	})
}

// ownKeys lists the keys that only the live source has.
var ownKeys = []string{"vitals", "keep_for"}

// sharedKeys lists the keys that the live source has too.
var sharedKeys = []string{"kind", "delay"}

// checkSource checks the keys of a source against its kind.
func (l *loader) checkSource(n *document.Node, path string) {
	kind := ""
	if n.Has("kind") {
		kind = strings.TrimSpace(n.Table["kind"].Text)
	}
	switch {
	case kind == "":
		l.Refuse(n.KeyAt, path+".kind", "is missing; one of %s, %s, %s; for example kind: %s", app.KindInfluxDB,
			app.KindInfluxDB3, app.KindLive, app.KindInfluxDB)
	case kind == app.KindLive:
		l.refuseKeys(n, path, kind, func(key string) bool {
			return !slices.Contains(ownKeys, key) && !slices.Contains(sharedKeys, key)
		})
	case document.OneOf(app.KindInfluxDB, app.KindInfluxDB3)(kind) == nil:
		l.refuseKeys(n, path, kind, func(key string) bool { return slices.Contains(ownKeys, key) })
		l.needKeys(n, path)
		if kind == app.KindInfluxDB3 {
			l.checkDriver(n, path)
		}
	}
}

func (l *loader) refuseKeys(n *document.Node, path, kind string, wrong func(key string) bool) {
	for _, key := range n.Order {
		if n.Has(key) && wrong(key) && slices.Contains(document.Names(l.sourceKeys()), key) {
			l.Refuse(n.Table[key].KeyAt, path+"."+key, "does not belong to a source of kind %s; leave it out", kind)
		}
	}
}

func (l *loader) needKeys(n *document.Node, path string) {
	for _, k := range l.sourceKeys() {
		if (k.Name == "url" || k.Name == "database") && !n.Has(k.Name) {
			l.Refuse(n.KeyAt, path+"."+k.Name, "is missing; for example %s: %s", k.Name, k.Example)
		}
	}
	password := n.Has("password") || n.Has("password_file")
	switch {
	case n.Has("username") && !password && !l.options.skipSecrets:
		l.Refuse(n.KeyAt, path+".password",
			"is missing beside username; for example password_file: /etc/tocsin/influx.password")
	case password && !n.Has("username"):
		l.Refuse(n.KeyAt, path+".username", "is missing beside password; for example username: tocsin")
	case password && (n.Has("token") || n.Has("token_file")):
		l.Refuse(n.KeyAt, path+".token", "is given beside username and password; keep one of the two ways")
	}
}
