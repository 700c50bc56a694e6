// Package mysqltest gives tests a MariaDB of their own.
package mysqltest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// Server is a mariadbd with private directories, on a socket and a free
// loopback port. What is committed survives Kill and Start.
type Server struct {
	Address string // host and port
	Socket  string

	t       testing.TB
	dir     string
	owner   string // of the files, "" for the user of the tests
	flags   []string
	process *exec.Cmd
	ended   chan error
	output  bytes.Buffer
}

// Password is the one of the user tocsin, which may do everything.
const Password = "p@ss/w:rd?#"

// Start starts a server and stops it when the test is over; flags are added to
// its own. Where there is no mariadbd the test is skipped; in CI it fails. With
// -short no server is started.
func Start(t testing.TB, flags ...string) *Server {
	t.Helper()
	if testing.Short() {
		t.Skip("needs mariadbd, and -short starts no server")
	}
	dir, err := os.MkdirTemp(memory(), "m") // a test's own is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &Server{t: t, dir: dir, Socket: filepath.Join(dir, "s"), Address: freeAddress(t), flags: flags}
	s.install()
	t.Cleanup(s.Kill)
	s.Start()
	s.Run(`CREATE USER tocsin IDENTIFIED BY '` + Password + `'; GRANT ALL ON *.* TO tocsin WITH GRANT OPTION`)
	return s
}

// binary finds a program of MariaDB, also for users whose PATH lacks those of
// servers.
func (s *Server) binary(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	if err != nil {
		missing(s.t, name, err)
	}
	return path
}

func (s *Server) data() string { return filepath.Join(s.dir, "d") }

func (s *Server) install() {
	s.t.Helper()
	args := []string{
		"--no-defaults", "--datadir=" + s.data(), "--auth-root-authentication-method=normal", "--skip-test-db",
		"--innodb-log-file-size=4M",
	}
	cmd := exec.Command(s.binary("mariadb-install-db"), append(args, s.user()...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("mariadb-install-db: %v\n%s", err, out)
	}
}

// user is what root has to say, and nobody else may.
func (s *Server) user() []string {
	switch {
	case s.owner != "":
		return []string{"--user=" + s.owner}
	case os.Getuid() == 0:
		return []string{"--user=root"}
	}
	return nil
}

// Start runs the server again and waits until it answers.
func (s *Server) Start() {
	s.t.Helper()
	host, port, _ := net.SplitHostPort(s.Address)
	args := append([]string{
		"--no-defaults", "--datadir=" + s.data(), "--socket=" + s.Socket, "--pid-file=" + filepath.Join(s.dir, "p"),
		"--bind-address=" + host, "--port=" + port, "--tmpdir=" + s.dir,
		"--skip-name-resolve", "--innodb-buffer-pool-size=32M",
		"--innodb-log-file-size=4M", "--performance-schema=OFF", "--skip-log-bin",
	}, s.user()...)
	s.output.Reset()
	s.process = exec.Command(s.binary("mariadbd"), append(args, s.flags...)...)
	s.process.Stdout, s.process.Stderr = &s.output, &s.output
	if err := s.process.Start(); err != nil {
		s.process = nil
		s.t.Fatalf("start mariadbd: %v", err)
	}
	s.ended = make(chan error, 1)
	go func(process *exec.Cmd, ended chan<- error) { ended <- process.Wait() }(s.process, s.ended)
	s.await()
}

func (s *Server) await() {
	s.t.Helper()
	every, late := time.NewTicker(10*time.Millisecond), time.After(time.Minute)
	defer every.Stop()
	for {
		select {
		case err := <-s.ended:
			s.process = nil
			s.t.Fatalf("mariadbd ended: %v\n%s", err, s.output.String())
		case <-late:
			s.t.Fatal("mariadbd does not answer after a minute")
		case <-every.C:
			if conn, err := net.Dial("unix", s.Socket); err == nil {
				_ = conn.Close()
				return
			}
		}
	}
}

// Kill ends the server as a loss of power would end it.
func (s *Server) Kill() {
	if s.process == nil {
		return
	}
	if err := s.process.Process.Kill(); err != nil {
		s.t.Logf("kill mariadbd: %v", err)
	}
	<-s.ended
	s.process = nil
}

// Signal sends one to the process, such as SIGSTOP.
func (s *Server) Signal(signal syscall.Signal) {
	s.t.Helper()
	if err := s.process.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) client() *exec.Cmd {
	return exec.Command(s.binary("mariadb"), "--no-defaults", "--user=root", "--socket="+s.Socket, "--skip-column-names",
		"--batch")
}

// Run runs statements as the administrator and returns what the client prints.
func (s *Server) Run(statements string) string {
	s.t.Helper()
	cmd := s.client()
	cmd.Stdin = strings.NewReader(statements)
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", statements, err, out)
	}
	return string(out)
}

// Database makes an empty one and returns its URL, over the address that is
// given or the server's own.
func (s *Server) Database(name string) rules.Secret {
	s.t.Helper()
	s.Run("CREATE DATABASE `" + name + "`")
	return s.URL(name, s.Address)
}

// URL is that of a database.
func (s *Server) URL(name, address string) rules.Secret {
	return rules.NewSecret(fmt.Sprintf("mysql://tocsin:p%%40ss%%2Fw%%3Ard%%3F%%23@%s/%s", address, name))
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
