package local

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
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

// Listen opens the socket of a daemon that works on a data directory. Who
// connects has the name of its user for its address, or Unknown.
func Listen(dataDir string, log *slog.Logger) (net.Listener, error) {
	l, err := listenFirst(places(dataDir), log)
	if err != nil {
		return nil, err
	}
	path := l.Addr().String()
	if err := admitGroup(path); err != nil {
		log.Warn("the members of the group may not use the local socket", "group", Group, "error", err)
	}
	log.Info("local socket opened", "path", path)
	return &peers{l, pointTo(path, filepath.Join(absolute(dataDir), SocketName))}, nil
}

// places are those for the socket of a data directory, the better one first:
// the directory that systemd made for the daemon, the data directory, and where
// neither can be had, one in memory.
func places(dataDir string) (paths []string) {
	if dir := runtimeDir(); dir != "" {
		paths = append(paths, filepath.Join(dir, SocketName))
	}
	paths = append(paths, filepath.Join(absolute(dataDir), SocketName))
	if spare := InMemory(dataDir, ".sock"); spare != "" {
		paths = append(paths, spare)
	}
	return paths
}

// runtimeDir is the directory that systemd made for the daemon.
func runtimeDir() string {
	dir, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":")
	return dir
}

// listenFirst listens at the first of the paths that can be had.
func listenFirst(paths []string, log *slog.Logger) (*net.UnixListener, error) {
	var errs []error
	for _, path := range paths {
		l, err := listenAt(path)
		if err == nil {
			if errs != nil {
				log.Warn("the local socket is not where it usually is", "path", path, "error", errors.Join(errs...))
			}
			return l, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", path, err))
	}
	return nil, errors.Join(errs...)
}

// pointTo leaves a link to the socket in the data directory, so that who knows
// that finds it, and returns the path of the link, "" for none.
func pointTo(socket, link string) string {
	if to, _ := os.Readlink(link); to == socket {
		return link // of a daemon that was killed
	}
	if socket == link || clearStale(link) != nil || os.Symlink(socket, link) != nil {
		return ""
	}
	return link
}

// clearStale removes what a daemon has left that did not live to remove it. Anything
// else stays, such as the socket of one that is too busy to answer.
func clearStale(path string) error {
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		return errors.Join(errors.New("another daemon answers there"), c.Close())
	}
	if occupied(err) {
		return fmt.Errorf("another daemon may be there: %w", rules.Cause(err))
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().Type() != fs.ModeSocket &&
		info.Mode().Type() != fs.ModeSymlink {
		return nil
	}
	if err = errors.Join(err, os.Remove(path)); err != nil {
		return fmt.Errorf("remove the socket of a daemon before: %w", rules.Cause(err))
	}
	return nil
}

func listenAt(path string) (*net.UnixListener, error) {
	if err := clearStale(path); err != nil {
		return nil, err
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
	if runtime.GOOS == "windows" {
		return nil // there the data directory's rights decide
	}
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
type peers struct {
	*net.UnixListener
	link string // that points to it, "" for none
}

// Close ends it, and removes the link.
func (p *peers) Close() error {
	err := p.UnixListener.Close()
	if to, _ := os.Readlink(p.link); to == p.Addr().String() {
		_ = os.Remove(p.link) // the next daemon does it else
	}
	return err
}

// Accept waits for the next connection.
func (p *peers) Accept() (net.Conn, error) {
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
