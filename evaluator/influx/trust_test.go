package influx_test

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator/influx"
	"github.com/9bikes/tocsin/rules"
)

// identity is a certificate with its key, and its files.
type identity struct {
	cert      *x509.Certificate
	key       *ecdsa.PrivateKey
	pair      tls.Certificate
	file, own string // the certificate's, the key's
}

// issue makes a certificate, signed by another or by itself.
func issue(t *testing.T, by *identity, change func(*x509.Certificate)) *identity {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "attic"}, NotBefore: time.Now().Add(-48 * time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	change(c)
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	must(err)
	out := &identity{key: key}
	out.cert, err = x509.ParseCertificate(raw)
	must(err)
	secret, err := x509.MarshalECPrivateKey(key)
	must(err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})
	out.pair, err = tls.X509KeyPair(certPEM, keyPEM)
	must(err)
	dir := t.TempDir()
	out.file, out.own = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	must(os.WriteFile(out.file, certPEM, 0o600))
	must(os.WriteFile(out.own, keyPEM, 0o600))
	return out
}

// secure answers like an empty InfluxDB, over TLS.
func secure(t *testing.T, who *identity, change func(*tls.Config)) string {
	t.Helper()
	s := httptest.NewUnstartedServer(says(200, `{"results":[{"statement_id":0}]}`))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{who.pair}, MinVersion: tls.VersionTLS12}
	change(s.TLS)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

func TestAHandshakeThatFailsNamesItsCause(t *testing.T) {
	as := func(*tls.Config) {}
	authority := issue(t, nil, func(c *x509.Certificate) {
		c.Subject.CommonName, c.IsCA, c.BasicConstraintsValid = "Home CA", true, true
	})
	good := issue(t, authority, func(*x509.Certificate) {})
	self := issue(t, nil, func(*x509.Certificate) {})
	old := issue(t, authority, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-24 * time.Hour) })
	early := issue(t, authority, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(30 * time.Minute) })
	other := issue(t, authority, func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = []string{"influx.lan"}, nil })
	nameless := issue(t, authority, func(c *x509.Certificate) { c.IPAddresses = nil })
	asks := func(c *tls.Config) {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		c.ClientCAs.AddCert(authority.cert)
	}
	asks12 := func(c *tls.Config) { asks(c); c.MaxVersion = tls.VersionTLS12 }
	ca := rules.Trust{CAFile: authority.file}
	client := rules.Trust{CAFile: authority.file, CertFile: good.file, KeyFile: good.own}
	plain := httptest.NewServer(says(200, `{"results":[{"statement_id":0}]}`))
	t.Cleanup(plain.Close)
	for name, tt := range map[string]struct {
		url   string
		trust rules.Trust
		says  string // "" is that it works
	}{
		"an authority of one's own":        {secure(t, good, as), ca, ""},
		"any certificate":                  {secure(t, old, as), rules.Trust{InsecureSkipVerify: true}, ""},
		"its own certificate as authority": {secure(t, self, as), rules.Trust{CAFile: self.file}, ""},
		"a client certificate":             {secure(t, good, asks), client, ""},
		"IPv6":                             {loopback6(t), rules.Trust{}, ""},
		"an unknown authority":             {secure(t, good, as), rules.Trust{}, "(CN=Home CA): give that as ca_file"},
		"signed by itself":                 {secure(t, self, as), rules.Trust{}, "is signed by itself (CN=attic)"},
		"expired":                          {secure(t, old, as), ca, "its certificate expired on "},
		"not valid yet":                    {secure(t, early, as), ca, "is this machine's clock right?"},
		"for another name":                 {secure(t, other, as), ca, "is for influx.lan and not for 127.0.0.1"},
		"for no name":                      {secure(t, nameless, as), ca, `only the outdated CN "attic"`},
		"no client certificate":            {secure(t, good, asks), ca, "set cert_file and key_file"},
		"no client certificate in TLS 1.2": {secure(t, good, asks12), ca, "set cert_file and key_file"},
		"https to a plain port":            {strings.Replace(plain.URL, "http:", "https:", 1), ca, "write http:// instead"},
		"http to a port of TLS":            {strings.Replace(secure(t, good, as), "https:", "http:", 1), ca, "write https://"},
	} {
		c := open(t, influx.Options{URL: tt.url, Database: "db", Trust: tt.trust})
		_, err := c.Ping(t.Context())
		if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(rules.Sentence(err), tt.says)) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
}

// loopback6 answers at an IPv6 literal.
func loopback6(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 here")
	}
	s := httptest.NewUnstartedServer(says(200, `{"results":[{"statement_id":0}]}`))
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

func TestFilesOfTLSThatCannotBeUsedAreRefused(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	who := issue(t, nil, func(*x509.Certificate) {})
	for _, tt := range []struct {
		trust rules.Trust
		says  string
	}{
		{rules.Trust{CAFile: "nowhere.pem"}, "ca_file: names a file that cannot be read"},
		{rules.Trust{CAFile: empty}, "ca_file: names a file without a certificate"},
		{rules.Trust{CertFile: who.file}, "key_file: is missing"},
		{rules.Trust{KeyFile: who.own}, "cert_file: is missing"},
		{rules.Trust{CertFile: who.own, KeyFile: who.file}, "cert_file: and key_file are no certificate"},
		{rules.Trust{Proxy: rules.NewSecret("proxy.lan:3128")}, "proxy: must be the address of a proxy"},
	} {
		_, err := influx.New(influx.Options{URL: "https://h", Database: "db", Trust: tt.trust})
		if rules.CodeOf(err) != rules.Invalid || !strings.HasPrefix(err.Error(), tt.says) {
			t.Errorf("%+v: %v, want %q", tt.trust, err, tt.says)
		}
	}
}

// TestAnAnswerThatIsPackedUnasked is read all the same: some proxies pack
// everything.
func TestAnAnswerThatIsPackedUnasked(t *testing.T) {
	packed := func(status int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(status)
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, text)
			_ = z.Close()
		}
	}
	s := fake(t, "1.8.10", packed(200, `{"results":[{"statement_id":0,"series":[{"name":"cpu","tags":{"host":"a"},"columns":["time","v0"],"values":[[1,7]]}]}]}`))
	values, errs := ask(t, open(t, influx.Options{URL: s.URL, Database: "db"}), last5m(rules.Latest))
	if errs[0] != nil || values[0]["host=a"] != 7 {
		t.Errorf("packed: %v, %v", values, errs)
	}
	s = fake(t, "1.8.10", packed(400, `{"error":"its own words"}`))
	if _, errs = ask(t, open(t, influx.Options{URL: s.URL, Database: "db"}), last5m(rules.Latest)); errs[0] == nil ||
		!strings.Contains(errs[0].Error(), "its own words") {
		t.Errorf("a packed refusal: %v", errs)
	}
}

// TestAProxyOfItsOwnLeadsThere, with a path before /query, and no error shows its
// login.
func TestAProxyOfItsOwnLeadsThere(t *testing.T) {
	var asked bytes.Buffer
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.WriteString(r.URL.String() + " " + r.Header.Get("Proxy-Authorization") + "\n")
		_, _ = io.WriteString(w, `{"results":[{"statement_id":0}]}`)
	}))
	defer proxy.Close()
	through := rules.NewSecret(strings.Replace(proxy.URL, "://", "://me:canary@", 1))
	o := influx.Options{URL: "http://influx.invalid/base/", Database: "db", Trust: rules.Trust{Proxy: through}}
	if _, err := open(t, o).Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if got := asked.String(); !strings.Contains(got, "http://influx.invalid/base/ping Basic bWU6Y2FuYXJ5\n") ||
		!strings.Contains(got, "http://influx.invalid/base/query ") {
		t.Errorf("the proxy was asked for %q", got)
	}
	proxy.Close()
	if _, err := open(t, o).Ping(t.Context()); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("a proxy that is gone: %v", err)
	}
	t.Setenv("HTTP_PROXY", proxy.URL)
	o.Trust.Proxy = rules.NewSecret("none")
	if _, err := open(t, o).Ping(t.Context()); err == nil || strings.Contains(err.Error(), "proxyconnect") {
		t.Errorf("without a proxy: %v", err)
	}
}
