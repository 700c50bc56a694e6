package local

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// SocketName is the file name of a daemon's socket.
const SocketName = "tocsin.sock"

// Group is the group whose members may use the socket of a daemon.
const Group = "tocsin"

// dataHeader is the data directory that a request is meant for. Without it
// any daemon is right.
const dataHeader = "Tocsin-Data"

// Listen opens the socket of a daemon that works on a data directory. Who
// connects has the name of its user for its address, or Unknown.
func Listen(dataDir string, log *slog.Logger) (net.Listener, error) {
	l, err := listenSocket(socketPaths(dataDir))
	if err != nil {
		return nil, err
	}
	if err := admitGroup(l.Addr().String()); err != nil {
		log.Warn("the members of the group may not use the local socket", "group", Group, "error", err)
	}
	log.Info("local socket opened", "path", l.Addr())
	return peers{l}, nil
}

// OnlyFor lets h answer what is meant for a data directory, and refuses what is
// meant for another.
func OnlyFor(dataDir string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wanted := r.Header.Get(dataHeader); wanted != "" && !sameDirectory(wanted, dataDir) {
			http.Error(w, fmt.Sprintf("this daemon works on %s, not on %s", dataDir, wanted), http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func sameDirectory(a, b string) bool {
	one, err := os.Stat(a)
	other, err2 := os.Stat(b)
	return filepath.Clean(a) == filepath.Clean(b) || err == nil && err2 == nil && os.SameFile(one, other)
}

// socketPaths are the places for the socket of a data directory, the better one
// first: the directory that systemd made for the daemon, or the data directory.
func socketPaths(dataDir string) (paths []string) {
	if runtime.GOOS == "windows" {
		return nil // nobody could say who the peer is
	}
	if abs, err := filepath.Abs(dataDir); err == nil {
		dataDir = abs
	}
	if dir, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":"); dir != "" {
		paths = append(paths, filepath.Join(dir, SocketName))
	}
	return append(paths, filepath.Join(dataDir, SocketName))
}

// listenSocket listens at the first of the paths that can be had.
func listenSocket(paths []string) (*net.UnixListener, error) {
	var errs []error
	for _, path := range paths {
		l, err := listenAt(path)
		if err == nil {
			return l, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", path, err))
	}
	if errs == nil {
		return nil, errors.New("this system has none")
	}
	return nil, errors.Join(errs...)
}

func listenAt(path string) (*net.UnixListener, error) {
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		return nil, errors.Join(errors.New("another daemon answers there"), c.Close())
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		// The daemon that made it did not live to remove it.
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("remove the socket of a daemon before: %w", rules.Cause(err))
		}
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		if len(path) > 100 {
			return nil, fmt.Errorf("the path is too long for a socket (%d letters): %w", len(path), rules.Cause(err))
		}
		return nil, rules.Cause(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("set who may use it: %w", rules.Cause(err)), l.Close())
	}
	return l, nil
}

// admitGroup lets the members of the group use the socket. Where there is no
// such group the socket is the daemon's user's alone: any other group may be
// everybody's. The error tells the cure.
func admitGroup(path string) error {
	g, err := user.LookupGroup(Group)
	if errors.As(err, new(user.UnknownGroupError)) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look the group up: %w", err)
	}
	id, err := strconv.Atoi(g.Gid)
	if err != nil {
		return fmt.Errorf("number of the group: %w", err)
	}
	if err := giveToGroup(path, id); err != nil {
		return fmt.Errorf("give %s to the group: %w; run the daemon in it, with Group=%s in its unit or %s, and restart it",
			path, rules.Cause(err), Group, JoinGroup())
	}
	if err := os.Chmod(path, 0o660); err != nil {
		return fmt.Errorf("set who may use %s: %w", path, rules.Cause(err))
	}
	return nil
}

// peers is a listener whose connections have the user at the other end for
// their address.
type peers struct{ *net.UnixListener }

// Accept waits for the next connection.
func (p peers) Accept() (net.Conn, error) {
	c, err := p.AcceptUnix()
	if err != nil {
		return nil, err
	}
	name := Unknown
	if uid, ok := peerUID(c); ok {
		name = userName(uid)
	}
	return peer{c, name}, nil
}

// peer is a connection with a process of this machine.
type peer struct {
	*net.UnixConn
	user string
}

// RemoteAddr is the peer's user.
func (p peer) RemoteAddr() net.Addr { return &net.UnixAddr{Name: p.user, Net: "unix"} }

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil && u.Username != "" {
		return u.Username
	}
	return "uid " + id
}
