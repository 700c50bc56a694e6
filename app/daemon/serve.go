package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"reflect"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/chart"
	"github.com/9bikes/tocsin/app/clock"
	"github.com/9bikes/tocsin/app/heartbeat"
	"github.com/9bikes/tocsin/app/local"
	"github.com/9bikes/tocsin/app/mcp"
	"github.com/9bikes/tocsin/app/resident"
	"github.com/9bikes/tocsin/app/sessions"
	"github.com/9bikes/tocsin/app/systemd"
	"github.com/9bikes/tocsin/app/web"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/evaluator/window"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/notify/shoutrrr"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// Serve is the daemon. It runs sessions: a new one with each reload.
func (p Program) Serve(ctx context.Context, configPath string) error {
	c, err := loadConfig(configPath, true)
	if err != nil {
		return err
	}
	sender := shoutrrr.New(shoutrrr.Options{})
	log := newLog(c.Log)
	return serveConfig(ctx, c, serveOptions{
		version: p.Version,
		log:     log,
		clock:   clock.New(log, clock.Options{}),
		sender:  sender,
		ticks:   local.OpenTickFile(c.DataDir),
		manager: systemd.Open(log),
		reload:  func() (*app.Config, error) { return loadConfig(configPath, true) },
	})
}

// saveMemory waits for the first ticks, which have met all series, and gives
// back what only the start needed. From then on garbage is collected early: a
// quiet tick makes next to none, so that costs little, and memory is what a Pi
// has least of. GOGC overrides it.
func saveMemory(ctx context.Context, engine *evaluator.Engine, log *slog.Logger) {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for engine.Stats().Ticks < 2 {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(15)
	}
	debug.FreeOSMemory()
	if err := resident.Trim(); err != nil {
		log.Debug("memory of the start not given back", "error", err)
	}
}

// serveOptions are what a daemon and the demo do not share.
type serveOptions struct {
	version string
	log     *slog.Logger
	sender  notify.Sender
	reload  func() (*app.Config, error)
	fold    time.Duration  // how long messages are gathered; 0 is the usual
	ticks   local.TickFile // the zero value for none
	clock   *clock.Clock   // nil takes the wall clock for right
	manager systemd.Manager
	ready   func(a *app.App, stores map[string]*live.Store, address string)
}

// daemon is what outlives a reload: the lock, the database, the key and the
// points of the live sources.
type daemon struct {
	serveOptions
	store    database
	due      bool                   // another database is to take its place
	ledgers  *evaluator.LedgerCache // of the session
	engine   *evaluator.Engine      // of the session
	notices  notices                // to the operators
	keys     keys
	vault    *notify.Vault
	lock     *local.Lock
	listener net.Listener
	handler  swap
	door     atomic.Pointer[mcp.Handler] // for models, of the session
	socket   *local.Server               // for commands
	stores   map[string]*live.Store
}

func serveConfig(ctx context.Context, c *app.Config, o serveOptions) (err error) {
	if err := os.MkdirAll(c.DataDir, 0o750); err != nil {
		return rules.FileTrouble("make the data directory", c.DataDir, err)
	}
	// Before the port, which a daemon of the same config has taken as well.
	lock, err := local.TakeLock(c.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	listener, err := listen(c.Listen)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // the server has closed it, if it came so far
	d := &daemon{serveOptions: o, listener: listener, lock: lock, stores: map[string]*live.Store{}}
	d.socket = d.newSocket(c.DataDir)
	store, err := openDatabase(ctx, c, d.log)
	if err != nil {
		return err
	}
	d.use(store) // before the socket greets anybody
	defer func() {
		ending := context.WithoutCancel(ctx)
		if err == nil { // else the data may be another's already
			err = d.superviseLast(ending, c)
		}
		err = errors.Join(err, d.store.SaveRevision(ending), d.store.Close())
	}()
	d.openKeys(c)
	defer func() { d.log.Info("tocsin ends", "error", err) }()
	defer context.AfterFunc(ctx, d.manager.Stopping)()
	forListener, forSocket := connections(descriptors())
	return runGroup(ctx,
		func(ctx context.Context) error { return d.sessions(ctx, c, d.session) },
		func(ctx context.Context) error { return d.serveHTTP(ctx, d.listener, &d.handler, forListener) },
		func(ctx context.Context) error { return d.serveSocket(ctx, c.DataDir, forSocket) },
	)
}

// serveHTTP answers on one of the daemon's listeners.
func (d *daemon) serveHTTP(ctx context.Context, l net.Listener, h http.Handler, connections int) error {
	return web.Serve(ctx, l, h, web.ServeOptions{Connections: connections, Log: d.log})
}

func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, rules.Errorf(rules.Unavailable,
			"cannot listen on %s: %v; another program uses the port, or it is not an address of this machine: set listen to a "+
				"free one, for example 127.0.0.1:8628", address, rules.Cause(err))
	}
	return l, nil
}

// sessions runs one session after the other until ctx ends; SIGHUP begins the
// next when its config is good, and one that wants another database ends for it.
func (d *daemon) sessions(ctx context.Context, c *app.Config, run func(context.Context, *app.Config) error) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		session, end := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- run(session, c) }()
		next := d.await(ctx, hangup, done, c)
		end()
		err := <-done
		if d.due = errors.Is(err, sqlite.ErrReopen); d.due {
			err = nil
		}
		if err != nil || ctx.Err() != nil {
			return err // what is due, superviseLast does
		}
		if d.due {
			// Not half of it because the daemon ends: the session carries memory over.
			if err := d.reopen(context.WithoutCancel(ctx)); err != nil {
				return err
			}
		}
		c = next
	}
}

// await waits for the end of ctx or of the session, whose error stays in done, or
// for another config, and returns the next session's.
func (d *daemon) await(ctx context.Context, hangup chan os.Signal, done chan error, c *app.Config) *app.Config {
	for {
		select {
		case <-ctx.Done():
			return c
		case err := <-done:
			done <- err
			return c
		case <-hangup:
		}
		if d.reload == nil {
			continue
		}
		d.manager.Reloading()
		next, err := d.reload()
		if err == nil && (next.DataDir != c.DataDir || next.Listen != c.Listen || next.Store != c.Store) {
			err = rules.Errorf(rules.Conflict, "data_dir, store and listen change only with a restart")
		}
		if err != nil {
			d.log.Error("config not reloaded; the old one stays", "error", err)
			d.manager.Ready("runs, with the config from before: the new one was refused")
			continue
		}
		d.log.Info("config reloaded", "file", next.Path, "changed", !reflect.DeepEqual(next, c))
		return next
	}
}

// session wires everything that depends on the config and runs it until ctx
// ends.
func (d *daemon) session(ctx context.Context, c *app.Config) error {
	store, commits := d.store, make(chan struct{}, 1) // requests may outlive the session, and its database
	d.openStores(c)
	sources, err := openSources(c, d.stores)
	if err != nil {
		return err
	}
	directory := app.NewDirectory(c, store, d.vault, d.log)
	var models *mcp.Server                // made before anything commits
	d.ledgers.Retire()                    // requests of the session before may still be under way
	opening := context.WithoutCancel(ctx) // memory is carried over even if the daemon ends meanwhile
	ledgers, err := openLedgers(opening, c, store, directory, func() {
		signalTo(commits)
		if models != nil {
			models.Changed()
		}
	})
	if err != nil {
		return err
	}
	d.inherit(opening, ledgers)
	if err := ledgers.Resume(ctx, time.Now().UTC()); err != nil {
		d.log.Error("messages in flight not settled", "error", err)
	}
	engine := d.newEngine(c, ledgers, directory, sources)
	d.engine = engine
	a := d.newApp(c, directory, sources)
	probes := web.New(a, d.webOptions(c))
	dispatcher := d.newDispatcher(a, directory, probes)
	heart := heartbeat.New(c.Heartbeat, func(ctx context.Context) error { return a.Well(ctx, dispatcher.Failing) }, d.log)
	models = mcp.New(a, mcp.Options{Log: d.log, Version: d.version, Draw: chart.PNG})
	door := models.Handler(sessions.Limits{})
	d.door.Store(door)
	d.socket.SetSession(local.Handler(a, d.log, local.Options{Live: d.liveSources(c), Reload: d.reload}))
	d.handler.Store(probes)
	for _, warning := range warnings(c, d.listener.Addr()) {
		d.log.Warn("the config works, but", "warning", warning)
	}
	d.log.Info("tocsin runs", "version", d.version, "address", d.listener.Addr(), "data", c.DataDir, "sources",
		len(sources), "every", c.Every)
	d.manager.Ready("runs")
	return runGroup(ctx,
		d.runClock(c),
		engine.Run,
		func(ctx context.Context) error { saveMemory(ctx, engine, d.log); return nil },
		dispatcher.Run,
		app.NewSilenceWatch(a, directory.Operators(c), d.log).Run,
		func(ctx context.Context) error { return a.WatchSources(ctx, d.log) },
		heart.Run,
		func(ctx context.Context) error { return d.manager.Watch(ctx, d.alive(c, engine)) },
		door.Run,
		func(ctx context.Context) error { return d.maintain(ctx, c, ledgers, engine) },
		d.runVitals(c),
		store.NoteCommits(commits),
		func(ctx context.Context) error {
			if d.ready != nil {
				d.ready(a, d.stores, d.listener.Addr().String())
			}
			return nil
		},
	)
}

// newApp makes the App of a session on the ledger cache and the engine of it.
func (d *daemon) newApp(c *app.Config, directory *app.Directory, sources map[string]evaluator.Source) *app.App {
	store, ledgers := d.store, d.ledgers // requests may outlive the session
	a := app.New(app.App{
		Config: c, Store: store, Ledgers: ledgers, Sources: sources, Engine: d.engine, Links: d.signer(c),
		Sender: d.sender, Seal: d.vault.Seal, Opens: directory.Opens, Targets: directory.Targets(d.sender),
		Daemon:  func() (int, bool) { return os.Getpid(), true },
		Version: d.version, Started: time.Now(),
		Notes: func() []string { return slices.Concat(noteOf(store), unsaved(ledgers), d.notices.lasting()) },
	})
	if d.clock != nil {
		a.Clock = d.clock
	}
	return a
}

// newDispatcher makes what sends the messages of an App.
func (d *daemon) newDispatcher(a *app.App, directory *app.Directory, probes *web.Handler) *notify.Dispatcher {
	outbox := notify.LedgerOutbox{LedgerCache: a.Ledgers}
	return notify.NewDispatcher(outbox, d.sender, directory.Open, d.log, notify.Options{
		Composer: notify.Composer{Zone: a.Config.Location()}, Fold: d.fold, Told: probes.Delivered, Links: a.LinkActions,
		Moved:  a.KeepMove,
		Policy: directory.Policy, Operators: directory.Operators(a.Config), Known: a.Booked,
	})
}

// since is how far the sources have been judged: by the session before, or as
// far as the daemon before is known to have.
func (d *daemon) since() rules.Progress {
	if d.engine != nil {
		return d.engine.Progress()
	}
	return d.ticks.Since()
}

// newEngine makes the engine with its sources.
func (d *daemon) newEngine(c *app.Config, ledgers *evaluator.LedgerCache, directory *app.Directory,
	sources map[string]evaluator.Source,
) *evaluator.Engine {
	options := evaluator.EngineOptions{
		Every: c.Every.Std(), Operators: directory.Operators(c), Zone: c.Location(),
		Since: d.since(), Stale: d.store.Apart() != "", Alive: d.ticks.Keep,
		Clocks: clock.MachineClocks(), OutageAfter: c.OutageAfter.Std(), Settle: c.OutageAfter.Std() / 2,
	}
	if d.clock != nil {
		options.Sure, options.Blind, options.Jumped = d.clock.Sure, d.clock.Blind, d.clock.Doubt
	}
	engine := evaluator.NewEngine(ledgers, d.log, options)
	for name, source := range sources {
		s := c.Sources[name]
		o := evaluator.SourceOptions{Delay: s.Delay.Std(), Timeout: s.Timeout.Std()}
		if s.Kind == app.KindLive {
			o.Fresh, o.Arrived = true, d.stores[name].Arrived()
		} else if from, ok := source.(window.Source); ok {
			o.Windows = window.New(from, window.Options{
				Overlap: max(window.Overlap, s.Delay.Std()), Memory: cmp.Or(c.WindowsMemory, window.Memory) / len(sources),
			})
		}
		engine.Add(name, source, o)
	}
	return engine
}

// publicHost lists the name in the address of the links.
func publicHost(c *app.Config) []string {
	if u, err := url.Parse(c.PublicURL); err == nil && u.Hostname() != "" {
		return []string{u.Hostname()}
	}
	return nil
}

// warnings are what an operator should know about a config that works.
func warnings(c *app.Config, a net.Addr) (out []string) {
	if len(c.Sources) == 0 {
		out = append(out, "there is no source, so nothing can be evaluated; add your InfluxDB under sources: in the config")
	}
	out = append(out, c.Concerns()...)
	if !loopback(a) && c.Token.IsZero() {
		out = append(out, "listening beyond loopback without a token in the config: who has none of `tocsin tokens add` is "+
			"answered /health and /ready alone; set token or token_file")
	}
	return out
}

// noteOf lists what people should know of a database.
func noteOf(d database) []string {
	if note := d.Note(); note != "" {
		return []string{note}
	}
	return nil
}

func unsaved(b *evaluator.LedgerCache) []string {
	if n := b.Unsaved(); n > 0 {
		return []string{fmt.Sprintf("storage: %d rules could not be saved and are kept in memory only; free some disk "+
			"space or make the data directory writable", n)}
	}
	return nil
}

// runGroup runs all of parts until ctx ends or one of them fails, and waits for
// all of them.
func runGroup(ctx context.Context, parts ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(parts))
	var wait sync.WaitGroup
	for i, part := range parts {
		wait.Go(func() {
			if errs[i] = part(ctx); errs[i] != nil {
				cancel()
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// openStores makes the stores of live sources, which keep their points over a
// reload.
func (d *daemon) openStores(c *app.Config) {
	for name, s := range c.Sources {
		if s.Kind == app.KindLive && d.stores[name] == nil {
			d.stores[name] = live.New(live.Options{Retention: s.KeepFor.Std()})
		}
	}
}

// runClock asks the InfluxDBs what time it is; only those elsewhere count.
func (d *daemon) runClock(c *app.Config) func(context.Context) error {
	dates := map[string]clock.Ask{}
	for name, s := range c.Sources {
		if s.Kind == app.KindLive {
			continue
		}
		trust, err := s.Trust.TLS(os.ReadFile)
		if err != nil {
			continue // its source says so
		}
		if server, err := clock.NewServer(s.URL, clock.ServerOptions{TLS: trust}); err == nil {
			dates[name] = server.Ask
		}
	}
	return func(ctx context.Context) error {
		if d.clock == nil {
			return nil
		}
		return d.clock.Run(ctx, dates)
	}
}

func (d *daemon) runVitals(c *app.Config) func(context.Context) error {
	return func(ctx context.Context) error {
		var wait sync.WaitGroup
		for name, s := range c.Sources {
			if s.Kind == app.KindLive && s.Vitals {
				wait.Go(func() { live.NewVitals(d.stores[name]).Run(ctx, time.Second) })
			}
		}
		wait.Wait()
		return nil
	}
}

// webOptions mount the live sources' doors: points go to the first one.
func (d *daemon) webOptions(c *app.Config) web.Options {
	o := web.Options{
		Token: c.Token, Hosts: slices.Concat(c.Hosts, publicHost(c)), Loopback: loopback(d.listener.Addr()),
		Log: d.log, MCP: d.answerMCP, Draw: chart.PNG,
	}
	allow := func(*http.Request, string) error { return nil } // web has checked
	for _, name := range slices.Sorted(maps.Keys(c.Sources)) {
		store := d.stores[name]
		if store == nil || c.Sources[name].Kind != app.KindLive {
			continue
		}
		if o.Write == nil {
			o.Write = store.Handler(live.HandlerOptions{Allow: allow, Host: func(string) bool { return true }})
		}
	}
	return o
}

// liveSources let other processes ask the live sources.
func (d *daemon) liveSources(c *app.Config) map[string]http.Handler {
	out := map[string]http.Handler{}
	for name, s := range c.Sources {
		if store := d.stores[name]; store != nil && s.Kind == app.KindLive {
			out[name] = store.Remote()
		}
	}
	return out
}

func loopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// swap is the handler of the session that runs: a reload puts another in its
// place without closing the listener.
type swap struct{ atomic.Pointer[web.Handler] }

// ServeHTTP lets the present session answer.
func (s *swap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := s.Load(); h != nil {
		h.ServeHTTP(w, r)
		return
	}
	http.Error(w, "tocsin is starting", http.StatusServiceUnavailable)
}
