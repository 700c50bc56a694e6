package clock_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/9bikes/tocsin/app/clock"
	"github.com/9bikes/tocsin/rules"
)

// machine is what a clock can look at, and the clock.
type machine struct {
	*testing.T
	flag   string
	kernel func() (bool, error)
	dates  map[string]clock.Ask
	log    journal
	clock  *clock.Clock
}

// journal is a log to count in.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write takes a line.
func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(line)
}

// String is all lines.
func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

var far = netip.MustParseAddr("203.0.113.9")

func newMachine(t *testing.T) *machine {
	return &machine{
		T: t, flag: filepath.Join(t.TempDir(), "synchronized"), dates: map[string]clock.Ask{},
		kernel: func() (bool, error) { return false, syscall.EPERM },
	}
}

// run starts the clock; it ends with the test.
func (m *machine) run() {
	m.clock = clock.New(slog.New(slog.NewTextHandler(&m.log, nil)), clock.Options{
		Flag: m.flag, Kernel: func() (bool, error) { return m.kernel() },
	})
	ctx, cancel := context.WithCancel(m.Context())
	done := make(chan error, 1)
	go func() { done <- m.clock.Run(ctx, m.dates) }()
	m.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			m.Error(err)
		}
	})
	synctest.Wait()
}

// says makes a server answer with a date that is off, from an address.
func (m *machine) says(name string, off time.Duration, from netip.Addr) *atomic.Int64 {
	count := new(atomic.Int64)
	m.dates[name] = func(context.Context) (clock.Answer, error) {
		count.Add(1)
		return clock.Answer{Date: time.Now().Add(off).Truncate(time.Second), From: from}, nil
	}
	return count
}

func (m *machine) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (m *machine) want(sure, blind bool, state string) {
	m.Helper()
	if got := m.clock.State(); m.clock.Sure() != sure || m.clock.Blind() != blind || got != state {
		m.Errorf("sure %v, blind %v, %q; want %v, %v, %q", m.clock.Sure(), m.clock.Blind(), got, sure, blind, state)
	}
}

func (m *machine) touch(at time.Time) {
	m.Helper()
	if err := os.WriteFile(m.flag, nil, 0o600); err != nil {
		m.Fatal(err)
	}
	if err := os.Chtimes(m.flag, at, at); err != nil {
		m.Fatal(err)
	}
}

// own is an address of this machine that is not loopback.
func own(t *testing.T) netip.Addr {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLoopback() {
			return p.Addr()
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("this machine has no address but loopback")
	}
	t.Skip("this machine has no address but loopback")
	return netip.Addr{}
}

func TestClockIsSureByProof(t *testing.T) {
	mine := own(t)
	for _, tt := range []struct {
		name  string
		make  func(m *machine)
		after time.Duration
		want  string // "unsure" for none
	}{
		{"nothing proves nothing", func(*machine) {}, 9 * time.Minute, "unsure"},
		{"systemd has set it", func(m *machine) { m.touch(time.Now().Add(-time.Hour)) }, 0, "synchronised by systemd"},
		{"the kernel is told", func(m *machine) { m.kernel = func() (bool, error) { return true, nil } }, 0, "kernel"},
		{"a kernel that knows of no one leaves it open", func(m *machine) {
			m.kernel = func() (bool, error) { return false, nil }
		}, time.Minute, "unsure"},
		{"a kernel that may not tell is no proof", func(m *machine) {
			m.kernel = func() (bool, error) { return true, syscall.EPERM }
		}, time.Minute, "unsure"},
		{"systemd sets it later", func(m *machine) {
			time.AfterFunc(90*time.Second, func() { m.touch(time.Now()) })
		}, 95 * time.Second, "synchronised by systemd"},
		{"another machine agrees twice", func(m *machine) {
			m.says("home", 0, far)
		}, 3 * time.Second, "agrees with InfluxDB home"},
		{"once is not enough", func(m *machine) { m.says("home", 0, far) }, time.Second, "unsure"},
		{
			"five seconds ahead still agrees", func(m *machine) { m.says("home", 5*time.Second, far) }, 3 * time.Second,
			"agrees with InfluxDB home",
		},
		{
			"five seconds behind still agrees", func(m *machine) { m.says("home", -5*time.Second, far) }, 3 * time.Second,
			"agrees with InfluxDB home",
		},
		{"seven seconds ahead disagrees", func(m *machine) { m.says("home", 7*time.Second, far) }, 5 * time.Minute, "unsure"},
		{
			"seven seconds behind disagrees", func(m *machine) { m.says("home", -7*time.Second, far) }, 5 * time.Minute,
			"unsure",
		},
		{"a year behind disagrees", func(m *machine) { m.says("home", 365*24*time.Hour, far) }, 5 * time.Minute, "unsure"},
		{
			"loopback is this machine", func(m *machine) { m.says("home", 0, netip.MustParseAddr("127.0.0.1")) },
			5 * time.Minute, "unsure",
		},
		{"loopback is this machine, also when written as IPv6", func(m *machine) {
			m.says("home", 0, netip.MustParseAddr("::ffff:127.0.0.1"))
		}, 5 * time.Minute, "unsure"},
		{"an own address is this machine", func(m *machine) { m.says("home", 0, mine) }, 5 * time.Minute, "unsure"},
		{
			"an unknown address proves nothing", func(m *machine) { m.says("home", 0, netip.Addr{}) }, 5 * time.Minute,
			"unsure",
		},
		{"one of several is enough", func(m *machine) {
			m.says("a", 0, mine)
			m.says("b", time.Hour, far)
			m.says("c", 0, far)
		}, 3 * time.Second, "agrees with InfluxDB c"},
		{"a source that comes up late is asked again", func(m *machine) {
			up := time.Now().Add(30 * time.Second)
			m.dates["home"] = func(context.Context) (clock.Answer, error) {
				if time.Now().Before(up) {
					return clock.Answer{}, errors.New("refused")
				}
				return clock.Answer{Date: time.Now().Truncate(time.Second), From: far}, nil
			}
		}, 70 * time.Second, "agrees with InfluxDB home"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMachine(t)
				tt.make(m)
				m.run()
				m.after(tt.after)
				sure := tt.want != "unsure"
				m.want(sure, !sure, tt.want)
				if told := strings.Count(m.log.String(),
					"the wall clock is known to be right"); told != map[bool]int{true: 1}[sure] {
					t.Errorf("said %d times that it is sure:\n%s", told, &m.log)
				}
			})
		})
	}
}

func TestClockThatIsSureStaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		asked := m.says("home", 0, far)
		m.run()
		m.after(3 * time.Second)
		m.after(24 * time.Hour)
		m.want(true, false, "agrees with InfluxDB home")
		if n := asked.Load(); n != 2 {
			t.Errorf("asked %d times, want twice", n)
		}
	})
}

// TestClockGivesUpWaiting: after ten minutes silence is judged again, but
// times stay marked; a later proof still counts.
func TestClockGivesUpWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		asked := m.says("home", time.Hour, far)
		m.run()
		m.after(10*time.Minute - 2*time.Second)
		m.want(false, true, "unsure")
		m.after(7 * time.Second)
		m.want(false, false, "unsure, given up waiting after 10m")
		before := asked.Load()
		m.after(time.Hour)
		if got := asked.Load() - before; got < 5 || got > 7 {
			t.Errorf("asked %d times in an hour, want every 10 minutes", got)
		}
		if n := strings.Count(m.log.String(), "has another time"); n != 1 {
			t.Errorf("said %d times that the source disagrees, want once:\n%s", n, &m.log)
		}
		m.touch(time.Now())
		m.after(5 * time.Second)
		m.want(true, false, "synchronised by systemd")
	})
}

// TestAClockThatJumpsAgainAndAgain is waited for no longer than another one,
// and who asks is told how long that still is.
func TestAClockThatJumpsAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		m.run()
		for minute := range 10 {
			m.after(time.Minute - time.Second)
			want := fmt.Sprintf("for another %s at most", rules.Duration(time.Duration(9-minute)*time.Minute+2*time.Second))
			if got := m.clock.Problem(); !m.clock.Blind() || !strings.Contains(got, want) {
				t.Errorf("minute %d: blind %v, %q, want %q", minute, m.clock.Blind(), got, want)
			}
			m.after(time.Second)
			if minute < 9 {
				m.clock.Doubt(time.Hour)
			}
		}
		m.want(false, false, "unsure, given up waiting after 10m")
		if got := m.clock.Problem(); strings.Contains(got, "at most") {
			t.Errorf("who waits no more says %q", got)
		}
		m.clock.Doubt(time.Hour) // a little patience for what made it jump
		m.want(false, true, "unsure")
		m.after(time.Minute)
		m.want(false, false, "unsure, given up waiting after 10m")
	})
}

// TestDoubtWantsAYoungerProof: after a jump of the wall clock an old proof is
// worth nothing, and the ten minutes begin anew.
func TestDoubtWantsAYoungerProof(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  time.Duration // of the flag, after the doubt
		sure bool
	}{
		{"set an hour before", -time.Hour, false},
		{"set by what made the clock jump", -time.Second, true},
		{"set in a future that is no more", time.Hour, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMachine(t)
				m.touch(time.Now())
				m.run()
				m.want(true, false, "synchronised by systemd")
				m.after(20 * time.Minute)
				m.touch(time.Now().Add(tt.set))
				m.clock.Doubt(time.Hour)
				synctest.Wait()
				if m.clock.Sure() != tt.sure || m.clock.Blind() == tt.sure {
					t.Fatalf("sure %v, blind %v; want sure %v", m.clock.Sure(), m.clock.Blind(), tt.sure)
				}
				m.after(11 * time.Minute)
				if !tt.sure {
					m.want(false, false, "unsure, given up waiting after 10m")
				}
				m.touch(time.Now())
				m.after(5 * time.Second)
				m.want(true, false, "synchronised by systemd")
			})
		})
	}
}

// TestDoubtWhileASourceIsAsked: what was asked before the jump says nothing of
// the time after it.
func TestDoubtWhileASourceIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		m.says("home", 0, far)
		m.run()
		m.after(time.Second) // between the two questions
		m.clock.Doubt(-time.Hour)
		m.after(time.Second + time.Millisecond)
		m.want(false, true, "unsure")
		m.after(3 * time.Second) // asked anew, twice
		m.want(true, false, "agrees with InfluxDB home")
	})
}

func TestClockAsksThisMachine(t *testing.T) {
	c := clock.New(slog.New(slog.DiscardHandler), clock.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Run(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if state := c.State(); c.Sure() == (state == "unsure") || c.Sure() == c.Blind() {
		t.Errorf("sure %v, blind %v, %q", c.Sure(), c.Blind(), state)
	}
}

func TestMachineClocksRun(t *testing.T) {
	clocks := clock.MachineClocks()
	if clocks == nil {
		t.Skip("this system does not tell how long it has run, sleep included")
	}
	wall, running := clocks()
	later, ran := clocks()
	if running <= 0 || ran < running || later.Sub(wall) > time.Minute || time.Since(wall).Abs() > time.Minute {
		t.Errorf("at %s after %s, then at %s after %s", wall, running, later, ran)
	}
}
