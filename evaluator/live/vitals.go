package live

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/load"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/sensors"
)

// Vitals reads this machine and writes what it reads into a Store, under names
// that Telegraf would use, all with the tag host:
//
//	cpu     usage_percent
//	mem     used_percent available total
//	disk    used_percent free total          tag path
//	system  load1 load5 load15 uptime        uptime in seconds
//	temp    celsius                          tag sensor
//	net     bytes_recv bytes_sent            tag interface; counters, for rate
//
// Sizes are in bytes.
type Vitals struct {
	store *Store
	host  string
	p     point
	times times // of the last reading

	mu      sync.Mutex
	failing error
}

// times is how long all processors have been there, and idle, in seconds.
type times struct{ idle, sum float64 }

// NewVitals returns Vitals that write into store.
func NewVitals(store *Store) *Vitals {
	name, err := os.Hostname()
	if err != nil {
		name = "localhost"
	}
	return &Vitals{store: store, host: name}
}

// Run reads now and then every so often, each second when every is zero, until
// ctx ends. What cannot be read is left out.
func (v *Vitals) Run(ctx context.Context, every time.Duration) {
	if every <= 0 {
		every = time.Second
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for ctx.Err() == nil {
		v.read(ctx)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// Failing tells what could not be read or written the last time, nil when all
// could.
func (v *Vitals) Failing() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.failing
}

func (v *Vitals) read(ctx context.Context) {
	var errs []error
	for _, sensor := range []struct {
		name string
		read func(context.Context) error
	}{
		{"cpu", v.cpu},
		{"memory", v.memory},
		{"disks", v.disks},
		{"load", v.load},
		{"uptime", v.uptime},
		{"temperatures", v.temperatures},
		{"network", v.network},
	} {
		if err := sensor.read(ctx); err != nil {
			errs = append(errs, fmt.Errorf("read the %s: %w", sensor.name, err))
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.failing = errors.Join(errs...)
}

// reading is a field and its value.
type reading struct {
	field string
	value float64
}

// write stores readings under a measurement, with one more tag if it has a
// value.
func (v *Vitals) write(measurement, tag, of string, readings ...reading) error {
	v.p.begin([]byte(measurement))
	v.p.addTag([]byte("host"), []byte(v.host))
	if of != "" {
		v.p.addTag([]byte(tag), []byte(of))
	}
	for _, r := range readings {
		v.p.addNumber([]byte(r.field), kindFloat, r.value)
	}
	return v.store.keep(&v.p, time.Now())
}

// cpu tells the share of the time since the last reading that was not idle, so
// the first reading tells nothing.
func (v *Vitals) cpu(ctx context.Context) error {
	all, err := cpu.TimesWithContext(ctx, false)
	if err == nil && len(all) == 0 {
		err = errors.New("no times are told")
	}
	if err != nil {
		return err
	}
	last, t := v.times, all[0]
	v.times = times{
		idle: t.Idle + t.Iowait,
		sum:  t.User + t.Nice + t.System + t.Idle + t.Iowait + t.Irq + t.Softirq + t.Steal,
	}
	idle, sum := v.times.idle-last.idle, v.times.sum-last.sum
	if last.sum == 0 || sum <= 0 {
		return nil
	}
	// The kernel may take back a little of what it counted as idle.
	busy := min(max(0, 1-idle/sum), 1)
	return v.write("cpu", "", "", reading{"usage_percent", 100 * busy})
}

func (v *Vitals) memory(ctx context.Context) error {
	m, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return err
	}
	return v.write("mem", "", "", reading{"used_percent", m.UsedPercent},
		reading{"available", float64(m.Available)}, reading{"total", float64(m.Total)})
}

// disks leaves out images such as those of snaps, which are always full.
func (v *Vitals) disks(ctx context.Context) error {
	partitions, err := disk.PartitionsWithContext(ctx, false)
	if err != nil {
		return err
	}
	if len(partitions) == 0 { // in a container
		partitions = []disk.PartitionStat{{Mountpoint: "/"}}
	}
	var errs []error
	for _, p := range partitions {
		if !slices.Contains([]string{"squashfs", "erofs", "iso9660", "udf"}, p.Fstype) {
			errs = append(errs, v.disk(ctx, p.Mountpoint))
		}
	}
	return errors.Join(errs...)
}

func (v *Vitals) disk(ctx context.Context, path string) error {
	u, err := disk.UsageWithContext(ctx, path)
	if err != nil || u.Total == 0 {
		return err
	}
	return v.write("disk", "path", path, reading{"used_percent", u.UsedPercent},
		reading{"free", float64(u.Free)}, reading{"total", float64(u.Total)})
}

func (v *Vitals) load(ctx context.Context) error {
	l, err := load.AvgWithContext(ctx)
	if err != nil {
		return err
	}
	return v.write("system", "", "", reading{"load1", l.Load1}, reading{"load5", l.Load5}, reading{"load15", l.Load15})
}

func (v *Vitals) uptime(ctx context.Context) error {
	seconds, err := host.UptimeWithContext(ctx)
	if err != nil {
		return err
	}
	return v.write("system", "", "", reading{"uptime", float64(seconds)})
}

// temperatures numbers sensors of the same name, as two disks have. One that
// does not answer does not hide the others.
func (v *Vitals) temperatures(ctx context.Context) error {
	found, err := sensors.TemperaturesWithContext(ctx)
	errs := []error{err}
	seen := map[string]int{}
	for _, t := range found {
		name := t.SensorKey
		if seen[t.SensorKey]++; seen[t.SensorKey] > 1 {
			name += "_" + strconv.Itoa(seen[t.SensorKey])
		}
		errs = append(errs, v.write("temp", "sensor", name, reading{"celsius", t.Temperature}))
	}
	return errors.Join(errs...)
}

func (v *Vitals) network(ctx context.Context) error {
	counters, err := net.IOCountersWithContext(ctx, true)
	errs := []error{err}
	for _, c := range counters {
		errs = append(errs, v.write("net", "interface", c.Name,
			reading{"bytes_recv", float64(c.BytesRecv)}, reading{"bytes_sent", float64(c.BytesSent)}))
	}
	return errors.Join(errs...)
}
