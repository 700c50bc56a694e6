//go:build bench

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a server that was started for the measurement.
type process struct {
	*exec.Cmd
	log   *os.File
	ended chan error
}

// start runs a program in dir and waits until address answers 2xx on path.
func start(ctx context.Context, dir, url, program string, args ...string) (*process, error) {
	log, err := os.Create(filepath.Join(dir, filepath.Base(program)+".log"))
	if err != nil {
		return nil, err
	}
	p := &process{Cmd: exec.Command(program, args...), log: log, ended: make(chan error, 1)}
	p.Dir, p.Stdout, p.Stderr = dir, log, log
	if err := p.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", program, err), log.Close())
	}
	go func() { p.ended <- p.Wait() }()
	if err := p.await(ctx, url); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

func (p *process) await(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case err := <-p.ended:
			p.ended <- err
			return fmt.Errorf("%s ended early: %w; see %s", p.Path, err, p.log.Name())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer at %s: %w", p.Path, url, ctx.Err())
		case <-look.C:
		}
		if resp, err := http.Get(url); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode/100 == 2 {
				return nil
			}
		}
	}
}

// stop ends the program as systemd would.
func (p *process) stop() error {
	_ = p.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		_ = p.Process.Kill()
		<-p.ended
	}
	return p.log.Close()
}

// cpu is the processor time that the program has used so far, to the
// nanosecond: /proc/PID/stat counts in hundredths of a second.
func (p *process) cpu() (time.Duration, error) {
	var t unix.Timespec
	clock := int32(^p.Process.Pid<<3 | 2) //nolint:gosec // how clock_getcpuclockid(3) makes it
	if err := unix.ClockGettime(clock, &t); err != nil {
		return 0, fmt.Errorf("read the processor time of %s: %w", p.Path, err)
	}
	return time.Duration(t.Nano()), nil
}

// proc reads one number from a file of the program under /proc.
func (p *process) proc(file, key string) (n int64, err error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/%s", p.Process.Pid, file))
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), key+":"); ok {
			_, err := fmt.Sscan(rest, &n)
			return n, err
		}
	}
	return 0, fmt.Errorf("%s of %s has no %s", file, p.Path, key)
}

// memory is the resident set in MB.
func (p *process) memory() (float64, error) {
	kb, err := p.proc("status", "VmRSS")
	return float64(kb) / 1024, err
}

// freeAddress finds a loopback port that nobody uses now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
