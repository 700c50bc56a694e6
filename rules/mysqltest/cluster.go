package mysqltest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// provider is the library that makes servers a cluster; Debian's mariadb-server
// brings it.
const provider = "/usr/lib/galera/libgalera_smm.so"

// StartCluster starts a Galera cluster of n nodes. It is skipped as Start is.
func StartCluster(t testing.TB, n int) []*Server {
	t.Helper()
	for _, needed := range []string{"rsync", "lsof", provider} {
		if _, err := exec.LookPath(needed); err != nil && needed != provider {
			missing(t, needed, err)
		} else if _, err := os.Stat(provider); err != nil {
			missing(t, "galera-4", err)
		}
	}
	first := Start(t)
	first.Kill()
	base, nodes := freeBase(t, n), make([]*Server, n)
	for i := range nodes {
		nodes[i] = first.clone(t, base, i)
	}
	for i, node := range nodes {
		node.Start()
		node.waitFor("wsrep_cluster_size", strconv.Itoa(i+1))
		node.waitFor("wsrep_ready", "ON")
		if i == 0 { // it made the cluster; when it comes again, it joins
			node.flags = node.clusterFlags(base, 0, fmt.Sprintf("gcomm://127.0.0.1:%d,127.0.0.1:%d", base, base+1))
		}
	}
	return nodes
}

func missing(t testing.TB, what string, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: %v", what, err)
	}
	t.Skipf("%s is missing (apt-get install mariadb-server rsync lsof): %v", what, err)
}

// clone makes a node of a server that does not run, with its data where it is the
// first; the others get theirs from that one.
func (s *Server) clone(t testing.TB, base, i int) *Server {
	t.Helper()
	dir, err := os.MkdirTemp(memory(), "m")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c := &Server{t: t, dir: dir, Socket: filepath.Join(dir, "s"), Address: freeAddress(t)}
	if out, err := exec.Command("cp", "-a", s.data(), c.data()).CombinedOutput(); err != nil {
		t.Fatalf("copy the data: %v\n%s", err, out)
	}
	join := "gcomm://"
	if i > 0 {
		join = fmt.Sprintf("gcomm://127.0.0.1:%d", base)
	}
	c.flags = c.clusterFlags(base, i, join)
	c.give()
	t.Cleanup(c.Kill)
	return c
}

// give gives the files to the user mysql, where root runs the tests: as root a
// state transfer is refused.
func (s *Server) give() {
	s.t.Helper()
	if os.Getuid() != 0 {
		return
	}
	u, err := user.Lookup("mysql")
	if err != nil {
		s.t.Fatal(err)
	}
	if out, err := exec.Command("chown", "-R", u.Uid+":"+u.Gid, s.dir).CombinedOutput(); err != nil {
		s.t.Fatalf("chown: %v\n%s", err, out)
	}
	s.owner = "mysql"
}

func (s *Server) clusterFlags(base, i int, join string) []string {
	group, sst, ist := base+i, base+100+i, base+200+i
	flags := []string{
		"--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--wsrep-on=ON", "--wsrep-provider=" + provider,
		"--wsrep-cluster-name=t", "--wsrep-cluster-address=" + join, "--wsrep-sst-method=rsync",
		fmt.Sprintf("--wsrep-node-address=127.0.0.1:%d", group),
		fmt.Sprintf("--wsrep-sst-receive-address=127.0.0.1:%d", sst),
		fmt.Sprintf("--wsrep-provider-options=base_port=%d;gmcast.listen_addr=tcp://127.0.0.1:%d;"+
			"ist.recv_addr=127.0.0.1:%d;gcache.size=16M", group, group, ist),
	}
	if join == "gcomm://" {
		flags = append(flags, "--wsrep-new-cluster")
	}
	return flags
}

func (s *Server) waitFor(variable, value string) {
	s.t.Helper()
	every, late := time.NewTicker(100*time.Millisecond), time.After(time.Minute)
	defer every.Stop()
	for {
		cmd := s.client()
		cmd.Stdin = strings.NewReader("SHOW STATUS LIKE '" + variable + "'")
		if out, err := cmd.Output(); err == nil && strings.TrimSpace(string(out)) == variable+"\t"+value {
			return
		}
		select {
		case err := <-s.ended:
			s.process = nil
			s.t.Fatalf("mariadbd ended: %v\n%s", err, s.output.String())
		case <-late:
			s.t.Fatalf("%s is not %s after a minute\n%s", variable, value, s.output.String())
		case <-every.C:
		}
	}
}

// freeBase finds three times n free ports, 100 apart.
func freeBase(t testing.TB, n int) int {
	t.Helper()
	for base := 20_000 + os.Getpid()%10_000; base < 60_000; base += 311 {
		if free(base, n) && free(base+100, n) && free(base+200, n) {
			return base
		}
	}
	t.Fatal("no free ports")
	return 0
}

func free(first, n int) bool {
	for port := first; port < first+n; port++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}
