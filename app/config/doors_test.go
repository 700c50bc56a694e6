package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/config"
	"github.com/9bikes/tocsin/app/document"
	"github.com/9bikes/tocsin/packaging/docs"
	"github.com/9bikes/tocsin/rules"
)

// given is one key with the value of its example, and what it needs beside it.
type given struct {
	path  string // with a name for each NAME
	value string
	needs [][2]string
}

var anyFile = regexp.MustCompile(`url_file: [^,}]*`)

// giveExample makes a config about one key.
func giveExample(t *testing.T, key document.Entry) given {
	t.Helper()
	g := given{path: strings.ReplaceAll(key.Path, "NAME", "mine"), value: key.Example}
	need := func(name, value string) {
		if path := key.Path[:strings.LastIndexByte(key.Path, '.')] + "." + name; path != key.Path && path+
			"_file" != key.Path {
			g.needs = append(g.needs, [2]string{strings.ReplaceAll(path, "NAME", "mine"), value})
		}
	}
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("https://example.org/s3cr3t"), 0o600); err != nil {
		t.Fatal(err)
	}
	g.value = anyFile.ReplaceAllLiteralString(g.value, "url_file: "+file)
	if strings.HasSuffix(key.Path, "_file") {
		g.value = file
	}
	switch cert, own := certificate(t); {
	case strings.HasSuffix(key.Path, ".ca_file"):
		g.value = cert
	case strings.HasSuffix(key.Path, ".cert_file"):
		g.value = cert
		need("key_file", own)
	case strings.HasSuffix(key.Path, ".key_file"):
		g.value = own
		need("cert_file", cert)
	}
	if key.Path == "sources.NAME.vitals" || key.Path == "sources.NAME.keep_for" {
		need("kind", app.KindLive)
		return g
	}
	switch {
	case strings.HasPrefix(key.Path, "sources.NAME."):
		need("kind", app.KindInfluxDB)
		need("url", "http://127.0.0.1:8086")
		need("database", "telegraf")
		if strings.Contains(key.Path, "password") {
			need("username", "tocsin")
		}
		if strings.HasSuffix(key.Path, "username") {
			need("password", "s3cr3t")
		}
	case strings.HasPrefix(key.Path, "channels.NAME."):
		if strings.HasPrefix(key.Path, "channels.NAME.url") {
			break
		}
		g.needs = append(g.needs, [2]string{"channels.mine.url", "ntfy://ntfy.sh/x"})
		if strings.Contains(key.Path, ".quiet.") {
			need("hours", "22:00-07:00")
		}
	case strings.HasPrefix(key.Path, "heartbeat."):
		need("url", "https://example.org/s3cr3t")
	}
	return g
}

// certificate writes one and its key.
func certificate(t *testing.T) (cert, own string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1)}
	raw, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}))),
		write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})))
}

// yaml is the config as a file.
func (g given) yaml() string {
	root := map[string]any{}
	for _, pair := range append(slices.Clone(g.needs), [2]string{g.path, g.value}) {
		at, steps := root, strings.Split(pair[0], ".")
		for _, step := range steps[:len(steps)-1] {
			if at[step] == nil {
				at[step] = map[string]any{}
			}
			at = at[step].(map[string]any)
		}
		at[steps[len(steps)-1]] = pair[1]
	}
	var write func(at map[string]any, indent string) string
	write = func(at map[string]any, indent string) (out string) {
		for key, value := range at {
			if below, ok := value.(map[string]any); ok {
				out += indent + key + ":\n" + write(below, indent+"  ")
			} else {
				out += fmt.Sprintf("%s%s: %s\n", indent, key, value)
			}
		}
		return out
	}
	return write(root, "")
}

// env is the config as an environment, where lists are written with commas.
func (g given) env() (out []string) {
	for _, pair := range append(slices.Clone(g.needs), [2]string{g.path, g.value}) {
		name := "TOCSIN_" + strings.ToUpper(strings.ReplaceAll(pair[0], ".", "__"))
		out = append(out, name+"="+strings.Trim(pair[1], `"[]`))
	}
	return out
}

// TestAKeyIsFoundAtEveryDoor: what stands in the table of keys is read from a file
// and from the environment, is suggested to who mistypes it, and stands in the
// view and in the reference.
func TestAKeyIsFoundAtEveryDoor(t *testing.T) {
	page, _ := docs.Find("config")
	for _, key := range config.Keys() {
		t.Run(key.Path, func(t *testing.T) {
			if key.Meaning == "" || key.Unit == "" || key.Example == "" {
				t.Errorf("%+v is not told whole", key)
			}
			name := key.Path[strings.LastIndexByte(key.Path, '.')+1:]
			if !strings.Contains(page.Text, "| `"+name+"` | ") {
				t.Error("is not in the reference")
			}
			g := giveExample(t, key)
			c, err := config.Load(write(t, "config.yaml", g.yaml()), config.Options{CheckChannel: anyKind})
			if err != nil {
				t.Fatalf("in a file: %v\n%s", err, g.yaml())
			}
			seen(t, c, g, key)
			_, err = config.Load(write(t, "config.yaml", mistyped(g).yaml()), config.Options{CheckChannel: anyKind})
			if err == nil || !strings.Contains(err.Error(), "did you mean ") {
				t.Errorf("mistyped: %v", err)
			}
			if key.Table {
				return // no variable holds a table
			}
			if c, err = config.Load("", config.Options{Env: g.env(), CheckChannel: anyKind}); err != nil {
				t.Fatalf("in the environment: %v\n%s", err, g.env())
			}
			seen(t, c, g, key)
		})
	}
}

func mistyped(g given) given {
	g.path += "x"
	return g
}

// seen looks for the key in the view. One that names a file shows as what the
// file holds, and a table by the keys in it.
func seen(t *testing.T, c *app.Config, g given, key document.Entry) {
	t.Helper()
	path := strings.TrimSuffix(g.path, "_file")
	for _, s := range app.ViewConfig(c).Settings {
		if s.Key == path || s.Key == g.path || key.Table && strings.HasPrefix(s.Key, path+".") {
			if key.Secret && s.Value != rules.NewSecret("x").String() {
				t.Errorf("is shown as %s", s.Value)
			}
			return
		}
	}
	t.Errorf("is not in the view, which has %v", c.Settings)
}
