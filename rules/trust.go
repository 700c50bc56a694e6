package rules

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Trust says whom a connection believes, who it says it is, and which way it
// takes. The zero value does as the machine does.
type Trust struct {
	CAFile             string // certificates in PEM that are believed besides the machine's
	InsecureSkipVerify bool   // any certificate is believed
	CertFile, KeyFile  string // in PEM, what a server is shown that asks who is there
	Proxy              Secret // the address of a proxy, "none" for none; empty is HTTPS_PROXY's and HTTP_PROXY's
}

// TLS makes the configuration of connections, of files that read reads. Its
// error names the key that is wrong, and never what is in a file.
func (t Trust) TLS(read func(path string) ([]byte, error)) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	c.InsecureSkipVerify = t.InsecureSkipVerify // as a person wants
	if t.CAFile != "" {
		text, err := read(t.CAFile)
		if err != nil {
			return nil, FieldErrorf("ca_file", "names a file that cannot be read: %v", Cause(err))
		}
		if c.RootCAs, err = x509.SystemCertPool(); err != nil {
			c.RootCAs = x509.NewCertPool()
		}
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, FieldErrorf("ca_file", "names a file without a certificate in PEM, which begins with "+
				"-----BEGIN CERTIFICATE-----")
		}
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		missing := "key_file"
		if t.CertFile == "" {
			missing = "cert_file"
		}
		return nil, FieldErrorf(missing, "is missing; a client certificate needs cert_file and key_file")
	}
	if t.CertFile == "" {
		return c, nil
	}
	cert, err := read(t.CertFile)
	if err != nil {
		return nil, FieldErrorf("cert_file", "names a file that cannot be read: %v", Cause(err))
	}
	key, err := read(t.KeyFile)
	if err != nil {
		return nil, FieldErrorf("key_file", "names a file that cannot be read: %v", Cause(err))
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, FieldErrorf("cert_file", "and key_file are no certificate and its key, in PEM and without a password")
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}

// ProxyURL is the proxy to use: nil and own for none, nil and not own for what the
// environment says.
func (t Trust) ProxyURL() (proxy *url.URL, own bool, err error) {
	text := t.Proxy.Reveal()
	switch text {
	case "":
		return nil, false, nil
	case "none":
		return nil, true, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
		return nil, true, FieldErrorf("proxy",
			"must be the address of a proxy, beginning with http://, https:// or socks5://, or none")
	}
	return u, true, nil
}

// TLSTrouble names what a handshake failed of, as a class and as a clause with
// the cure; both are empty for another error.
func TLSTrouble(err error) (class, text string) {
	var (
		unverified *tls.CertificateVerificationError
		authority  x509.UnknownAuthorityError
		name       x509.HostnameError
		invalid    x509.CertificateInvalidError
		record     tls.RecordHeaderError
	)
	if err == nil {
		return "", ""
	}
	said := err.Error()
	switch {
	case errors.As(err, &authority):
		return "tls_issuer", issuerTrouble(authority.Cert)
	case errors.As(err, &name):
		return "tls_name", nameTrouble(name)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "tls_expired", dateTrouble(invalid.Cert)
	case errors.As(err, &unverified), errors.As(err, &invalid):
		return "tls", "its certificate is not valid (" + Cause(err).Error() + ")"
	case errors.As(err, &record), strings.Contains(said, "server gave HTTP response to HTTPS client"):
		return "tls", "it speaks no TLS at this port: write http:// instead of https://, or its TLS port"
	case strings.Contains(said, "remote error: tls: certificate required"),
		strings.Contains(said, "remote error: tls: bad certificate"),
		strings.Contains(said, "remote error: tls: unknown certificate authority"):
		return "tls_client", "it wants a client certificate that it knows: set cert_file and key_file"
	case strings.Contains(said, "remote error: tls: handshake failure"): // what TLS 1.2 says to both
		return "tls", "it breaks off the TLS handshake: if it wants a client certificate, set cert_file and key_file; else " +
			"its version or ciphers of TLS are too old"
	case strings.Contains(said, "remote error: tls: "), strings.Contains(said, "tls: "):
		_, reason, _ := strings.Cut(said, "tls: ")
		return "tls", "the TLS handshake failed (" + reason + ")"
	}
	return "", ""
}

func issuerTrouble(c *x509.Certificate) string {
	const cure = "give that as ca_file, or, where nobody can listen in, set insecure_skip_verify: true"
	switch {
	case c == nil:
		return "its certificate is of an authority that this machine does not know: " + cure
	case slices.Equal(c.RawIssuer, c.RawSubject):
		return fmt.Sprintf("its certificate is signed by itself (%s): %s", c.Subject.String(), cure)
	}
	return fmt.Sprintf("its certificate is of an authority that this machine does not know (%s): %s",
		c.Issuer.String(), cure)
}

func nameTrouble(e x509.HostnameError) string {
	names := slices.Clone(e.Certificate.DNSNames)
	for _, ip := range e.Certificate.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return fmt.Sprintf("its certificate names no host (only the outdated CN %q): it needs a new one with the name %s",
			e.Certificate.Subject.CommonName, e.Host)
	}
	if more := len(names) - 5; more > 0 {
		names = append(names[:5], fmt.Sprintf("%d more", more))
	}
	return fmt.Sprintf("its certificate is for %s and not for %s: write a name into the address that it is for, or get "+
		"one that is for this", strings.Join(names, ", "), e.Host)
}

func dateTrouble(c *x509.Certificate) string {
	if c == nil {
		return "its certificate has expired, or this machine's clock is wrong: renew it"
	}
	if from := c.NotBefore.UTC(); from.After(time.Now()) {
		return fmt.Sprintf("its certificate is not valid before %s: is this machine's clock right?",
			from.Format(time.DateTime))
	}
	return fmt.Sprintf("its certificate expired on %s: renew it, if this machine's clock is right",
		c.NotAfter.UTC().Format(time.DateTime))
}
