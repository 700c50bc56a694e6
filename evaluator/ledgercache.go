package evaluator

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/9bikes/tocsin/evaluator/schedule"
	"github.com/9bikes/tocsin/rules"
)

// LedgerCache is the ledgers of all rules, in memory in front of a store. Every act,
// be it a tick, an acknowledgement or a delivery, is a Decide: it sees what
// others committed, changes ledgers and saves them in one transaction.
type LedgerCache struct {
	store   Store
	options LedgerCacheOptions
	bell    chan struct{}

	// One decision at a time holds mu, from the first look to the end of its save.
	// state guards all below, and is free while the store saves: readers take it
	// alone, and keep off the ledgers that are being saved.
	mu, state  sync.Mutex
	saving     map[string]bool // ids of ledgers; true where readers may take what is stored
	lru        *lru.Cache[string, *rules.Ledger]
	generation uint64                   // moves when another ledger stands for a rule
	rules      map[string]listed        // the watched ones, by id
	names      map[[2]string]string     // their ids by owner and name; nil until asked
	owing      map[string]struct{}      // ids of ledgers with alerts or unsent messages
	unsaved    map[string]*rules.Ledger // left the cache, or failed to be saved
	silence    []rules.Silence
	unread     Moved  // what others changed and was not read to the end yet
	deaf       bool   // what others change cannot be asked now
	missed     error  // why something was not read at the last decision
	version    uint64 // moves when a rule comes, goes or changes
	trouble    error  // of the last save; nil after one that went well
	retired    bool
}

func (c *LedgerCache) lock() {
	c.mu.Lock()
	c.state.Lock()
}

func (c *LedgerCache) unlock() {
	c.state.Unlock()
	c.mu.Unlock()
}

// listed is a watched rule as the indexes know it. An act changes a rule in
// place, so what it was is kept apart.
type listed struct {
	rule    *rules.Rule
	version int
}

// LedgerCacheOptions are what a LedgerCache may be told; the zero value is right.
type LedgerCacheOptions struct {
	// Cache is how many ledgers are kept in memory; 0 is 100,000.
	Cache int
	// Every is the base interval, for the end of a dependency; 0 is 30 s.
	Every time.Duration
	// Route names the channels for a severity where a rule names none.
	Route func(rules.Severity) []string
	// ChannelsMoved is called when channels were added or removed.
	ChannelsMoved func()
	// Committed is called after each commit of this process, and when one of
	// another was noticed. It must return at once and not ask the cache.
	Committed func()
	// Silences reads the silences that are not over.
	Silences func(ctx context.Context) ([]rules.Silence, error)
}

// OpenLedgerCache reads all ledgers from the store.
func OpenLedgerCache(ctx context.Context, store Store, o LedgerCacheOptions) (*LedgerCache, error) {
	if o.Cache == 0 {
		o.Cache = 100_000
	}
	if o.Every == 0 {
		o.Every = 30 * time.Second
	}
	c := &LedgerCache{
		store: store, options: o, bell: make(chan struct{}, 1),
		rules: map[string]listed{}, owing: map[string]struct{}{}, unsaved: map[string]*rules.Ledger{},
	}
	cache, err := lru.NewWithEvict(o.Cache, c.evicted)
	if err != nil {
		return nil, fmt.Errorf("make the ledger cache: %w", err)
	}
	c.lru = cache
	if _, err := store.Moved(ctx); err != nil {
		return nil, err
	}
	all, err := store.Load(ctx)
	if err != nil {
		return nil, err
	}
	filters := sharedFilters{}
	for _, l := range all {
		l.Rule.Where = filters.of(l.Rule.Where)
		c.admit(l)
	}
	return c, c.readSilences(ctx)
}

// sharedFilters finds filters that say the same. Of ten rules about one host,
// read from the store, each has its own, and that takes more room than the rest
// of the rule. A filter is never changed, only replaced.
type sharedFilters map[[2]string]rules.Filter

func (s sharedFilters) of(f rules.Filter) rules.Filter {
	if len(f) != 1 {
		return f
	}
	for tag, values := range f {
		if len(values) != 1 {
			return f
		}
		key := [2]string{tag, values[0]}
		if s[key] == nil {
			s[key] = maps.Clone(f) // away from what is let go of, whose room is free then
		}
		f = s[key]
	}
	return f
}

// evicted keeps what a ledger that leaves the cache has not saved yet.
func (c *LedgerCache) evicted(id string, l *rules.Ledger) {
	c.generation++
	if c.lru.Contains(id) {
		return
	}
	l.Flush()
	if l.Changed() {
		c.unsaved[id] = l
	}
}

// admit puts a ledger into the cache and the indexes.
func (c *LedgerCache) admit(l *rules.Ledger) {
	c.enter(l)
	if held, ok := c.lru.Peek(l.Rule.ID); !ok || held != l {
		c.lru.Add(l.Rule.ID, l)
		c.generation++
	}
}

// enter brings the indexes up to date with a ledger.
func (c *LedgerCache) enter(l *rules.Ledger) {
	id := l.Rule.ID
	was, ok := c.rules[id]
	if ok != l.Watched() || ok && was.version != l.Rule.Version {
		c.version++
		c.names = nil
	}
	if l.Watched() {
		c.rules[id] = listed{&l.Rule, l.Rule.Version}
	} else {
		delete(c.rules, id)
	}
	if l.Busy() || l.Owing() {
		c.owing[id] = struct{}{}
	} else {
		delete(c.owing, id)
	}
}

// Bell is rung after a commit that may owe messages. It holds one ring.
func (c *LedgerCache) Bell() <-chan struct{} { return c.bell }

// Ring rings the bell.
func (c *LedgerCache) Ring() {
	select {
	case c.bell <- struct{}{}:
	default:
	}
}

// Watched calls use with the enabled rules, unless version is the present
// number, and returns that one: it moves whenever one of them comes, goes or
// changes. Its error says that some of what others changed could not be read;
// the rules are then as they were. They must not be changed, and not be read
// after use except by a Decider.
func (c *LedgerCache) Watched(ctx context.Context, version uint64, use func([]*rules.Rule)) (uint64, error) {
	c.lock()
	defer c.unlock()
	err := c.refresh(ctx)
	if c.version == version {
		return version, err
	}
	list := make([]*rules.Rule, 0, len(c.rules))
	for _, l := range c.rules {
		list = append(list, l.rule)
	}
	use(list)
	return c.version, err
}

func (c *LedgerCache) committed() {
	if c.options.Committed != nil {
		c.options.Committed()
	}
}

// Retire ends the cache before another is opened on the same store. What others
// changed must be seen by that one, and what this one changed would not be. A
// nil cache has nothing to end.
func (c *LedgerCache) Retire() {
	if c == nil {
		return
	}
	c.lock()
	defer c.unlock()
	c.retired = true
}

var errRetired = rules.Errorf(rules.Unavailable, "tocsin is reading its config again; try once more")

// Resume settles what was in flight when the daemon before ended.
func (c *LedgerCache) Resume(ctx context.Context, now time.Time) error {
	return c.Decide(ctx, now, c.Busy(), func(_ rules.Setting, l *rules.Ledger) error {
		l.Resume(now)
		return nil
	})
}

// Flush saves what lives in memory only; note adds to it in tocsin's own
// ledger.
func (c *LedgerCache) Flush(ctx context.Context, note func(own *rules.Ledger)) error {
	c.lock()
	defer c.unlock()
	flush := func(l *rules.Ledger) error {
		if l.Flush(); l.Rule.ID == "" {
			note(l)
		}
		return nil
	}
	c.held("") // it may have left the cache
	list := c.lru.Values()
	for _, l := range list {
		if err := flush(l); err != nil {
			return err
		}
	}
	return c.save(ctx, list, flush)
}

// setting is what ledgers decide in at a nominal time; parents are those that
// are not in memory. Its Cover is for use under the lock.
func (c *LedgerCache) setting(now time.Time, parents map[string]*rules.Ledger) rules.Setting {
	return rules.Setting{
		Now: now, Silences: c.silence, Route: c.options.Route,
		Cover: func(r *rules.Rule, series rules.Series) string {
			for _, name := range r.DependsOn {
				id := c.parent(r, name)
				l := c.inMemory(id)
				if l == nil {
					l = parents[id]
				}
				if l == nil {
					continue
				}
				if by := l.Cover(r, series, c.gap(r, now), now); by != "" {
					return by
				}
			}
			return ""
		},
	}
}

// parent is the id of a watched rule that another one depends on; "" for none.
func (c *LedgerCache) parent(child *rules.Rule, name string) string {
	if id, ok := c.named()[[2]string{child.Owner, name}]; ok {
		name = id
	}
	if _, ok := c.rules[name]; !ok {
		return ""
	}
	return name
}

// parents reads what the rules of a set depend on and what is not in memory, so
// that no ledger waits for the store while it decides. What cannot be read covers
// nothing. The cache holds nearly all ledgers.
func (c *LedgerCache) parents(ctx context.Context, set *ledgerSet) map[string]*rules.Ledger {
	var out map[string]*rules.Ledger
	var missing []string
	for _, l := range set.ledgers {
		if l == nil {
			continue
		}
		for _, name := range l.Rule.DependsOn {
			if id := c.parent(&l.Rule, name); id != "" && c.inMemory(id) == nil {
				missing = append(missing, id)
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	out = map[string]*rules.Ledger{}
	slices.Sort(missing)
	read, err := c.store.Load(context.WithoutCancel(ctx), slices.Compact(missing)...)
	if err == nil {
		for _, l := range read {
			out[l.Rule.ID] = l
		}
	}
	for _, l := range set.ledgers { // these are decided before their children
		if l != nil {
			out[l.Rule.ID] = l
		}
	}
	return out
}

// inMemory returns a ledger that is in the cache, or left it unsaved; else nil.
func (c *LedgerCache) inMemory(id string) *rules.Ledger {
	if l, ok := c.lru.Peek(id); ok {
		return l
	}
	return c.unsaved[id]
}

// held returns a ledger wherever it is; nil when it cannot be read. The cache
// holds nearly all of them.
func (c *LedgerCache) held(id string) *rules.Ledger {
	if l := c.inMemory(id); l != nil {
		return l
	}
	read, err := c.store.Load(context.Background(), id)
	if err != nil || len(read) == 0 {
		return nil
	}
	c.admit(read[0])
	return read[0]
}

// gap is how far apart the ticks of a rule are.
func (c *LedgerCache) gap(r *rules.Rule, now time.Time) time.Duration {
	if r.Every == "" {
		return c.options.Every
	}
	s, err := schedule.Parse(r.Every, r.Zone, c.options.Every)
	if err != nil {
		return c.options.Every
	}
	return schedule.Gap(s, now)
}

// named finds watched rules by owner and name.
func (c *LedgerCache) named() map[[2]string]string {
	if c.names == nil {
		c.names = make(map[[2]string]string, len(c.rules))
		for id, l := range c.rules {
			c.names[[2]string{l.rule.Owner, l.rule.Name}] = id
		}
	}
	return c.names
}

// ShiftTimers moves every running duration by d, after the wall clock jumped.
func (c *LedgerCache) ShiftTimers(ctx context.Context, d time.Duration) error {
	c.lock()
	ids := c.lru.Keys()
	c.unlock()
	return c.Decide(ctx, time.Now(), ids, func(_ rules.Setting, l *rules.Ledger) error {
		l.ShiftTimers(d)
		return nil
	})
}
