package mysql_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	random "crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/mysql"
	"github.com/9bikes/tocsin/rules/mysqltest"
)

// TestProcessesThatMakeTheSameDatabaseTogetherAllSucceed, and one of them made
// it.
func TestProcessesThatMakeTheSameDatabaseTogetherAllSucceed(t *testing.T) {
	server := mysqltest.Start(t)
	u := database(server)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			s, err := mysql.Open(t.Context(), u, serve)
			if err != nil {
				t.Errorf("Open: %v", err)
				return
			}
			if got, err := s.Load(t.Context()); err != nil || len(got) != 1 {
				t.Errorf("Load returned %d ledgers, %v", len(got), err)
			}
			_ = s.Close()
		})
	}
	wait.Wait()
	const steps = "SELECT COUNT(*), COUNT(DISTINCT version_id) FROM %s.goose_db_version"
	if got := server.Run(fmt.Sprintf(steps, nameOf(u))); got != "2\t2\n" {
		t.Errorf("steps were applied %q", got)
	}
}

// TestAMigrationThatWasInterruptedGoesOn, whichever of its tables was the last.
func TestAMigrationThatWasInterruptedGoesOn(t *testing.T) {
	server := mysqltest.Start(t)
	for _, last := range []string{"revisions", "ledgers", "notifications", "secrets"} {
		u := database(server)
		must(t, open(t, u, serve).Close())
		name := nameOf(u)
		server.Run("USE " + name + "; DELETE FROM goose_db_version WHERE version_id > 0;" +
			"SET foreign_key_checks = 0; DROP TABLE " + last)
		s, err := mysql.Open(t.Context(), u, serve)
		if err != nil {
			t.Errorf("without %s: %v", last, err)
			continue
		}
		must(t, s.Check(t.Context()))
		must(t, s.Close())
	}
}

func TestOpenTellsTheCure(t *testing.T) {
	server := mysqltest.Start(t)
	full, foreign, newer := database(server), database(server), database(server)
	must(t, open(t, full, serve).Close())
	must(t, open(t, newer, serve).Close())
	server.Run("CREATE TABLE " + nameOf(foreign) + ".customers (id INT)")
	server.Run("INSERT INTO " + nameOf(newer) + ".goose_db_version (version_id, is_applied) VALUES (99, 1)")
	at := func(user, host, name string) rules.Secret {
		return rules.NewSecret("mysql://" + user + "@" + host + "/" + name)
	}
	good := "tocsin:" + url.QueryEscape(mysqltest.Password)
	for _, tt := range []struct {
		name string
		url  rules.Secret
		o    mysql.Options
		code rules.Code
		says string
	}{
		{"no server", at(good, "127.0.0.1:1", "x"), serve, rules.Unavailable, "start its server"},
		{"a wrong password", at("tocsin:wrong-one", server.Address, nameOf(full)), serve, rules.Unavailable, "GRANT ALL"},
		{"no database", at(good, server.Address, "none"), serve, rules.Unavailable, "CREATE DATABASE"},
		{"an empty one beside the daemon", database(server), mysql.Options{}, rules.Unavailable, "tocsin serve"},
		{"another program's", foreign, serve, rules.Unavailable, "another program's"},
		{"a newer schema", newer, serve, rules.Conflict, "install their version"},
		{"TLS where there is none", at(good, server.Address, nameOf(full)+"?tls=on"), serve, rules.Unavailable, "tls=off"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := mysql.Open(t.Context(), tt.url, tt.o)
			if err == nil {
				_ = s.Close()
			}
			var person *rules.Error
			if !errors.As(err, &person) || person.Code != tt.code || !strings.Contains(person.Text, tt.says) {
				t.Errorf("the error is %v, want code %q and %q", err, tt.code, tt.says)
			}
			if err != nil && (strings.Contains(err.Error(), "wrong-one") || strings.Contains(err.Error(), mysqltest.Password)) {
				t.Errorf("the error %q shows the password", err)
			}
		})
	}
}

func TestAnAddressThatIsNoGoodIsRefused(t *testing.T) {
	for text, says := range map[string]string{
		"postgres://a:secret-word@h/d":                  "mysql://",
		"mysql://h/d":                                   "no user",
		"mysql://a:secret-word@/d":                      "no host",
		"mysql://a:secret-word@h":                       "name of one database",
		"mysql://a:secret-word@h/d/e":                   "name of one database",
		"mysql://a:secret-word@h/d?tls=maybe":           "on or off",
		"mysql://a:secret-word@h/d?time=1":              "ca_file",
		"mysql://a:secret-word@h/d?ca_file=/none":       "ca_file",
		"mysql://a:secret-word%zz@h/d":                  "%2F",
		"mysql://a:secret-word@h:x/d":                   "%2F",
		"mysql://a:secret-word@h/d?tls=on&cert_file=/x": "key_file",
	} {
		err := mysql.Check(rules.NewSecret(text))
		if rules.CodeOf(err) != rules.Invalid || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v; want %q", text, err, says)
		}
		if err != nil && strings.Contains(err.Error(), "secret-word") {
			t.Errorf("the error %q shows the password", err)
		}
	}
}

// TestWhatServersChangeIsKept: texts and numbers come back as they were.
func TestWhatServersChangeIsKept(t *testing.T) {
	server := mysqltest.Start(t)
	s := open(t, database(server), serve)
	l := rules.NewLedger(rule("a"), ann, noon)
	var series []rules.Series
	for _, text := range []string{
		"a", "a ", "A", "ä", "a\x00", `a\`, `a'"`, "a\xff\xfe", "\U0001f525", strings.Repeat("long ", 2000),
		strings.Repeat("long ", 2000) + "!",
	} {
		one := rules.SeriesOf(rules.Labels{"sensor": text})
		series = append(series, one)
		l.Observe(rules.Setting{Now: noon}, []rules.Observation{{Series: one, Verdict: rules.Bad, Value: 5, At: noon}}, nil)
	}
	numbers := []float64{
		0.1, 1.0 / 3, 5e-324, 2.2250738585072014e-308, math.MaxFloat64, -math.MaxFloat64, 1e16 + 2, 9007199254740993, math.Pi,
		123456789.123456789, 0,
	}
	for i, one := range series {
		l.Instance(one).Value = numbers[i]
	}
	must(t, s.Save(t.Context(), []*rules.Ledger{l}, nil))
	got := load(t, s, "id-a")
	for i, one := range series {
		in := got.Instance(one)
		if in == nil {
			t.Errorf("series %q is not there", one)
		} else if in.Value != numbers[i] {
			t.Errorf("%v is %v", numbers[i], in.Value)
		}
	}
	if got.Size() != len(series) {
		t.Errorf("%d series of %d", got.Size(), len(series))
	}
	if _, err := s.FindRule(t.Context(), "", "a "); rules.CodeOf(err) != rules.NotFound {
		t.Errorf("a blank at the end means nothing: %v", err)
	}
}

// TestProcessesThatWriteTheSameTogetherLoseNothing, of ledgers, silences, audit
// entries and history that is pruned meanwhile.
func TestProcessesThatWriteTheSameTogetherLoseNothing(t *testing.T) {
	server := mysqltest.Start(t)
	u := database(server)
	first := open(t, u, serve)
	var batch []*rules.Ledger
	for i := range 5 {
		batch = append(batch, rules.NewLedger(rule(fmt.Sprintf("r%d", i)), ann, noon))
	}
	must(t, first.Save(t.Context(), batch, nil))
	const writers, turns = 4, 15
	var wait sync.WaitGroup
	for who := range writers {
		s := open(t, u, mysql.Options{})
		wait.Go(func() {
			for turn := range turns {
				if err := writeAll(t, s, fmt.Sprintf("%d-%d", who, turn)); err != nil {
					t.Errorf("writer %d: %v", who, err)
					return
				}
			}
		})
	}
	wait.Wait()
	for _, l := range batch {
		if got := messages(load(t, first, l.Rule.ID)); got != writers*turns {
			t.Errorf("%s owes %d messages of %d", l.Rule.ID, got, writers*turns)
		}
	}
	_, entries, err := first.Audit(t.Context(), app.AuditFilter{})
	if err != nil || entries != writers*turns {
		t.Errorf("%d audit entries of %d, %v", entries, writers*turns, err)
	}
}

// writeAll books a message in each rule, in another order each time.
func writeAll(t *testing.T, s *mysql.Store, text string) error {
	batch, err := s.Load(t.Context())
	if err != nil {
		return err
	}
	book := func(l *rules.Ledger) error {
		if l.Rule.ID != "" {
			l.Book("phone", rules.Test, rules.Facts{Text: text}, noon)
		}
		return nil
	}
	for _, l := range batch {
		if err := book(l); err != nil {
			return err
		}
	}
	rand.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
	_, prune := s.Prune(t.Context(), noon.Add(-time.Hour), 10)
	return errors.Join(s.Save(t.Context(), batch, book), prune,
		s.PutSilence(t.Context(), rules.Silence{ID: text, From: noon}),
		s.AddAudit(t.Context(), app.AuditEntry{At: noon, Tool: text}, 0))
}

// TestReadersDoNotWaitForACommit, not even within one.
func TestReadersDoNotWaitForACommit(t *testing.T) {
	server := mysqltest.Start(t)
	u := database(server)
	a, b := open(t, u, serve), open(t, u, mysql.Options{})
	must(t, a.Save(t.Context(), []*rules.Ledger{rules.NewLedger(rule("r"), ann, noon)}, nil))
	mine, theirs := load(t, a, "id-r"), load(t, b, "id-r")
	for _, l := range []*rules.Ledger{mine, theirs} {
		l.Book("phone", rules.Test, rules.Facts{}, noon)
	}
	must(t, b.Save(t.Context(), []*rules.Ledger{theirs}, nil))
	must(t, a.Save(t.Context(), []*rules.Ledger{mine}, func(*rules.Ledger) error {
		for _, s := range []*mysql.Store{a, b} {
			if got := messages(load(t, s, "id-r")); got != 1 {
				t.Errorf("%d messages are read within the commit", got)
			}
			if _, err := s.TokenRevision(t.Context()); err != nil {
				t.Errorf("TokenRevision: %v", err)
			}
		}
		return nil
	}))
}

// TestAServerIsKilledWhileItIsWritten: what was said to be saved is there.
func TestAServerIsKilledWhileItIsWritten(t *testing.T) {
	server := mysqltest.Start(t)
	s := open(t, database(server), serve)
	saved, unsure := 0, 0
	for range 3 {
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := s.AddAudit(t.Context(), app.AuditEntry{At: noon}, 0); err == nil {
					saved++
				} else {
					unsure++
				}
			}
		}()
		time.Sleep(150 * time.Millisecond)
		server.Kill()
		server.Start()
		time.Sleep(150 * time.Millisecond)
		close(stop)
		<-stopped
	}
	_, entries, err := s.Audit(t.Context(), app.AuditFilter{})
	if err != nil || entries < saved || entries > saved+unsure || saved < 10 {
		t.Errorf("%d are stored of %d saved and %d that nobody knew of, %v", entries, saved, unsure, err)
	}
}

// TestTheServersCertificateIsChecked, unless TLS is off.
func TestTheServersCertificateIsChecked(t *testing.T) {
	cert, key := certificate(t)
	server := mysqltest.Start(t, "--ssl-cert="+cert, "--ssl-key="+key, "--require-secure-transport=ON")
	u := database(server).Reveal()
	s := open(t, rules.NewSecret(u+"?tls=on&ca_file="+url.QueryEscape(cert)), serve)
	must(t, s.Check(t.Context()))
	for _, query := range []string{"?tls=on", "?tls=off"} {
		s, err := mysql.Open(t.Context(), rules.NewSecret(u+query), serve)
		if err == nil {
			_ = s.Close()
			t.Errorf("with %s it opens", query)
		}
	}
}

// certificate makes one for this machine, which signed itself.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), random.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(random.Reader, template, template, key.Public(), key)
	must(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	certFile, keyFile = filepath.Join(t.TempDir(), "c.pem"), filepath.Join(t.TempDir(), "k.pem")
	must(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return certFile, keyFile
}
