package mysql

import (
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	lib "github.com/go-sql-driver/mysql"

	"github.com/9bikes/tocsin/rules"
)

// Scheme is what the URL of a database begins with.
const Scheme = "mysql"

// target is where a database is and who asks it.
type target struct {
	url *url.URL
	tls *tls.Config // nil for none
}

// The parameters that a URL may have.
var parameters = []string{"tls", "ca_file", "cert_file", "key_file", "socket"}

// Check reports what is wrong with a URL. It asks no server.
//
//	mysql://USER:PASSWORD@HOST:PORT/DATABASE?PARAMETER=VALUE&...
//
// tls is on or off, without it on unless the host is this machine; ca_file,
// cert_file and key_file name files in PEM; socket is the path of a socket in
// the place of host and port.
func Check(u rules.Secret) error {
	_, err := parse(u)
	return err
}

func parse(secret rules.Secret) (t target, err error) {
	wrong := func(format string, args ...any) error {
		return rules.Errorf(rules.Invalid, "the address of the database "+format+
			"; it is like mysql://USER:PASSWORD@HOST:3306/DATABASE", args...)
	}
	u, err := url.Parse(secret.Reveal())
	if err != nil {
		return t, wrong("cannot be read: write each of / ? # @ %% in the password as %%2F %%3F %%23 %%40 %%25")
	}
	name := strings.TrimPrefix(u.Path, "/")
	switch {
	case u.Scheme != Scheme:
		return t, wrong("does not begin with mysql://")
	case u.User.Username() == "":
		return t, wrong("names no user")
	case u.Hostname() == "" && u.Query().Get("socket") == "":
		return t, wrong("names no host")
	case name == "" || strings.Contains(name, "/"):
		return t, wrong("does not end with the name of one database")
	}
	for key := range u.Query() {
		if !slices.Contains(parameters, key) {
			return t, wrong("has a parameter %q; known: %s", key, strings.Join(parameters, ", "))
		}
	}
	t = target{url: u}
	if t.tls, err = t.trust(wrong); err != nil {
		return t, err
	}
	return t, nil
}

func (t target) trust(wrong func(format string, args ...any) error) (*tls.Config, error) {
	q := t.url.Query()
	switch wanted := q.Get("tls"); {
	case wanted != "" && wanted != "on" && wanted != "off":
		return nil, wrong("has tls=%s; tls is on or off", wanted)
	case wanted == "off", wanted == "" && t.local():
		return nil, nil
	}
	trust := rules.Trust{CAFile: q.Get("ca_file"), CertFile: q.Get("cert_file"), KeyFile: q.Get("key_file")}
	c, err := trust.TLS(os.ReadFile)
	if err != nil {
		return nil, wrong("has a parameter that is no good: %s", rules.Sentence(err))
	}
	c.ServerName = t.url.Hostname()
	return c, nil
}

// local reports whether nothing leaves this machine on the way.
func (t target) local() bool {
	host := t.url.Hostname()
	ip := net.ParseIP(host)
	return host == "localhost" || ip.IsLoopback() || t.url.Query().Get("socket") != ""
}

// address is the target as people may see it.
func (t target) address() string {
	if socket := t.url.Query().Get("socket"); socket != "" {
		return t.url.Path[1:] + " at " + socket
	}
	return t.url.Path[1:] + " at " + t.hostPort()
}

func (t target) hostPort() string {
	port := t.url.Port()
	if port == "" {
		port = "3306"
	}
	return net.JoinHostPort(t.url.Hostname(), port)
}

// How long is waited for the server, and it for us. A process that was stopped
// within a transaction holds up the others for no longer than idleTime, and so
// one that waits for its lock outlasts that.
const (
	dialTime = 3 * time.Second
	idleTime = 10 * time.Second
	lockTime = 15 * time.Second
	answer   = 30 * time.Second // a statement's
)

func (t target) config() *lib.Config {
	c := lib.NewConfig()
	c.User = t.url.User.Username()
	c.Passwd, _ = t.url.User.Password()
	c.Net, c.Addr = "tcp", t.hostPort()
	if socket := t.url.Query().Get("socket"); socket != "" {
		c.Net, c.Addr = "unix", socket
	}
	c.DBName, c.TLS = t.url.Path[1:], t.tls
	c.Timeout, c.ReadTimeout, c.WriteTimeout = dialTime, answer, answer
	c.InterpolateParams = true // one way to the server and back for a statement
	c.ClientFoundRows = true   // an UPDATE counts what it names, also where that is so already
	c.Logger = &lib.NopLogger{}
	return c
}

const (
	readCommitted  = "READ COMMITTED"
	repeatableRead = "REPEATABLE READ"
)

// connector makes connections that all behave the same, whatever the server's
// settings are.
type connector struct {
	config    *lib.Config
	isolation string
}

var errNoExec = errors.New("the driver executes nothing")

// Connect is that of driver.Connector.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := lib.NewConnector(c.config)
	if err != nil {
		return nil, err
	}
	conn, err := inner.Connect(ctx)
	if err != nil {
		return nil, err
	}
	session, ok := conn.(driver.ExecerContext)
	if !ok {
		return nil, errors.Join(errNoExec, conn.Close())
	}
	for _, statement := range []string{
		`SET SESSION sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00',
			autocommit = 1, foreign_key_checks = 1, wait_timeout = 10, net_write_timeout = 10, innodb_lock_wait_timeout = 15`,
		`SET SESSION TRANSACTION ISOLATION LEVEL ` + c.isolation,
	} {
		if _, err := session.ExecContext(ctx, statement, nil); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return conn, nil
}

// Driver is that of driver.Connector.
func (c *connector) Driver() driver.Driver { return lib.MySQLDriver{} }
