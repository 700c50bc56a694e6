package config

import (
	"errors"
	"os"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/document"
	"github.com/9bikes/tocsin/rules"
)

// trusted is where the keys about TLS are kept.
type trusted struct {
	caFile, certFile, keyFile *string
	skipVerify                *bool
}

// trustKeys say whom connections of a source or a channel trust.
func trustKeys[T any](l *loader, at func(*T) trusted) []document.Key[T] {
	return []document.Key[T]{
		{
			Name: "ca_file", Example: "/etc/tocsin/ca.pem", Without: "the machine's authorities",
			Meaning: "certificates in PEM that TLS believes besides the machine's: of your own authority, or the server's own",
			Value:   aFile(l, func(t *T) *string { return at(t).caFile }),
		},
		{
			Name: "insecure_skip_verify", Example: "true", Without: "`false`",
			Meaning: "TLS takes any certificate, so that whoever is in between can read and pretend: warned about",
			Value:   document.Flag(func(t *T) *bool { return at(t).skipVerify }),
		},
		{
			Name: "cert_file", Example: "/etc/tocsin/client.pem",
			Meaning: "client certificate in PEM, for a server that asks for one",
			Value:   aFile(l, func(t *T) *string { return at(t).certFile }),
		},
		{
			Name: "key_file", Example: "/etc/tocsin/client.key", Meaning: "its key in PEM, without a password",
			Value: aFile(l, func(t *T) *string { return at(t).keyFile }),
		},
	}
}

// wayKeys are those, and the proxy that leads there.
func wayKeys[T any](l *loader, at func(*T) *rules.Trust) []document.Key[T] {
	keys := trustKeys(l, func(t *T) trusted {
		trust := at(t)
		return trusted{&trust.CAFile, &trust.CertFile, &trust.KeyFile, &trust.InsecureSkipVerify}
	})
	return append(keys, document.Key[T]{
		Name: "proxy", Example: "http://proxy.lan:3128", Without: "`HTTPS_PROXY` and `HTTP_PROXY`", Secret: true,
		Meaning: "the proxy that leads there (http, https, socks5), with its login if it wants one; `none` for none",
		Value:   aSecret(func(t *T) *rules.Secret { return &at(t).Proxy }),
	})
}

func aFile[T any](l *loader, at func(*T) *string) document.Value[T] {
	return document.Plainly(at, func(_ *document.Faults, n *document.Node, _ string, t *T) error {
		text, err := document.ScalarOf(n)
		if err != nil || text == "" {
			return errors.New("must be the path of a file")
		}
		*at(t) = l.resolve(n, text)
		return nil
	}).In("path")
}

// checkTrust tries the files and the proxy that a source or channel names.
func (l *loader) checkTrust(n *document.Node, path string, t rules.Trust) {
	if l.options.skipSecrets {
		return
	}
	_, wrong := t.TLS(os.ReadFile)
	if wrong == nil {
		_, _, wrong = t.ProxyURL()
	}
	var ours *rules.Error
	if !errors.As(wrong, &ours) {
		return
	}
	place := n.KeyAt
	if n.Has(ours.Field) {
		place = n.Table[ours.Field].At
	}
	l.Refuse(place, path+"."+ours.Field, "%s", ours.Text)
}

// notInSQL are the keys of TLS that the driver of InfluxDB 3 knows nothing of.
var notInSQL = []string{"insecure_skip_verify", "cert_file", "key_file", "proxy"}

// checkDriver refuses what a source of kind influxdb3 cannot do.
func (l *loader) checkDriver(n *document.Node, path string) {
	for _, key := range notInSQL {
		if n.Has(key) {
			l.Refuse(n.Table[key].KeyAt, path+"."+key, "does not belong to a source of kind %s, whose driver has no such "+
				"thing; ask InfluxDB 3 in InfluxQL, with kind: %s, or leave it out", app.KindInfluxDB3, app.KindInfluxDB)
		}
	}
}
