package limiter

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/limiter/table"
)

// Service is the limiter: takers spend from buckets in memory, Run writes them behind to the store,
// and admin writes go to the store first and then to memory.
//
// Take, Get and List never touch the store. One lock orders all writes to it, batches of a round
// and admin writes alike, and is held from reading the values to the commit. So a flush can't undo
// an admin write or revive a deleted bucket.
type Service struct {
	clock   Clock
	present atomic.Pointer[setup]
	// preparing is held from Prepare to the end of its Reload.
	preparing chan struct{}
	changing  sync.Mutex // held while present is replaced
	writer

	closed bool            // under writing: no more admin writes
	knows  bool            // under writing: left and lastID are known
	left   []Namespace     // under writing: whose limits there are no more
	lastID uint32          // under writing: the greatest ID of a namespace
	swept  map[uint32]bool // under writing: the IDs of those of left that have no unmanaged rows

	wake    chan struct{} // makes the next round begin early: something is to be reserved
	renew   chan struct{} // has buckets follow other numbers
	retimed chan struct{} // has the next round begin by another flush interval
	due     atomic.Bool   // a reload is to be noted in the store
	noted   atomic.Bool   // changes are noted that may be forgotten some time
	rounds  rounds
	listing sync.Mutex
}

// setup is what the Service works with from one reload to the next.
type setup struct {
	Options
	limits  []*Limit // that are this process's own, in the order of Options
	shared  []*Limit // the others, likewise
	named   map[string]*Limit
	leaving []*Limit // which are flushed before they go
}

// all are this process's own: those at work, and those that are leaving.
func (u *setup) all() []*Limit { return slices.Concat(u.limits, u.leaving) }

func (s *Service) options() *Options { return &s.present.Load().Options }

// flushBatch is how many buckets one transaction writes. They are enough to make its cost by the
// row small, and few enough that an admin write, which waits for one, doesn't wait long. If a store
// is too slow for that many within its timeout, the number is halved, down to minFlushBatch. After
// a successful round it is doubled.
const flushBatch, minFlushBatch = 10_000, 100

// rounds are the flusher's.
type rounds struct {
	batch int      // how many buckets it writes at once
	puts  []Record // memory for a batch

	done, failed, overrun atomic.Int64
	lastDone              atomic.Int64 // Unix microseconds
	// since is when the oldest spending that is being flushed became dirty; table.Never if none is.
	since atomic.Int64
}

// errNotLoaded refuses admin writes, since the bucket that they change isn't known yet.
var errNotLoaded = errors.New("the stored buckets have not been read yet")

func newService(o Options, s Store) (*Service, error) {
	if o.Clock == nil {
		o.Clock = SystemClock()
	}
	if o.Aside == nil {
		o.Aside = func(job func()) { job() }
	}
	service := &Service{
		clock: o.Clock, swept: map[uint32]bool{}, preparing: make(chan struct{}, 1),
		writer: writer{store: s, logger: o.Logger, writing: make(writeLock, 1)},
		wake:   make(chan struct{}, 1), renew: make(chan struct{}, 1), retimed: make(chan struct{}, 1),
		rounds: rounds{batch: flushBatch},
	}
	service.writer.timeout = func() time.Duration { return service.options().StoreTimeout }
	service.rounds.since.Store(table.Never)
	if err := o.validate(); err != nil {
		return nil, err
	}
	first := &setup{Options: o, named: map[string]*Limit{}}
	for i := range o.Limits {
		first.add(newLimit(service, &first.Options, &o.Limits[i]))
	}
	service.present.Store(first)
	service.share(first)
	return service, nil
}

// Limit is the limit of that name; nil if there is none.
func (s *Service) Limit(name string) *Limit { return s.present.Load().named[name] }

// Limits are all limits, in the order of Options.
func (s *Service) Limits() (all []*Limit) {
	present := s.present.Load()
	for i := range present.Limits {
		all = append(all, present.named[present.Limits[i].Name])
	}
	return all
}

// IsStrict reports whether any limit is strict.
func (s *Service) IsStrict() bool {
	return slices.ContainsFunc(s.present.Load().limits, func(l *Limit) bool { return l.options().Strict })
}

// limit is the one of that name.
func (s *Service) limit(name string) (*Limit, error) {
	present := s.present.Load()
	if l := present.named[name]; l != nil {
		return l, nil
	}
	return nil, fmt.Errorf("%w: %q; want one of %s", ErrNoLimit, name, present.names())
}

// flushEarly makes the next round begin soon.
func (s *Service) flushEarly() { signal(s.wake) }

// signal has whoever reads c do something, unless it will already.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// The errors of the Service's admin calls. Test with errors.Is.
var (
	// ErrNotFound: the client has no bucket; an unmanaged bucket that is full is none.
	ErrNotFound = errors.New("no such bucket")
	// ErrNoLimit: there is no limit of that name.
	ErrNoLimit = errors.New("no such limit")
	// ErrManaged: Create found a bucket that an operator wrote before.
	ErrManaged = errors.New("the bucket is managed already")
	// ErrFull: as many buckets as max_buckets allows exist.
	ErrFull = errors.New("no room for another bucket")
	// ErrBusy: another listing is under way.
	ErrBusy = errors.New("another listing is under way")
	// ErrStore: the store did not take the write. Nothing was changed.
	ErrStore = errors.New("the store did not take the write")
	// ErrClosed: the service is stopping and takes no more admin writes.
	ErrClosed = errors.New("stopping")
)

// Limit is a named rule that gives every client a bucket, in a table of its own. A Service has
// several, and one store for all of them.
type Limit struct {
	o       atomic.Pointer[LimitOptions] // a reload changes all but what makes client_ids
	service *Service
	clock   Clock
	// lease has the buckets that are shared; nil: they are in table.
	lease  *lease.Limit
	table  *table.Table
	loaded atomic.Bool // set once
	// leaving is since when there is no such limit any more; 0: there is.
	leaving atomic.Int64
	// doubted is set while the store may have it that the limit has left. If it comes back, a crash
	// must not look like a stop.
	doubted atomic.Bool
	// namespace is the store's. It belongs to whoever holds the write lock, once it is loaded.
	namespace Namespace
	toHide    *Namespace   // where the rows are to go under hashed client_ids; nil: nowhere; likewise
	unnoted   []Renumbered // before it is loaded; likewise
}

func newLimit(s *Service, all *Options, o *LimitOptions) *Limit {
	l := &Limit{service: s, clock: s.clock, table: table.New(table.Options{
		Defaults: o.Settings, Tiers: o.Tiers, MaxBuckets: o.MaxBuckets, Volatile: all.Volatile && !o.Strict,
	})}
	l.o.Store(o)
	if o.Sharing != nil {
		l.lease = all.Replica.Limit(o.leasing())
	}
	return l
}

// add adds a limit.
func (u *setup) add(l *Limit) {
	if l.lease != nil {
		u.shared = append(u.shared, l)
	} else {
		u.limits = append(u.limits, l)
	}
	u.named[l.Name()] = l
}

func (l *Limit) options() *LimitOptions { return l.o.Load() }

// Name is what operators call the limit.
func (l *Limit) Name() string { return l.options().Name }

// Defaults are the settings of an unknown client's bucket.
func (l *Limit) Defaults() gcra.Settings { return l.options().Settings }

func (l *Limit) key(clientID string) Key { return Key{l.namespace.ID, clientID} }

// isGone reports whether a bucket's tier isn't one of the limit's any more.
func (l *Limit) isGone(tier string) bool { return tier != "" && !l.has(tier) }

func (l *Limit) has(tier string) bool {
	_, ok := l.options().Tiers[tier]
	return ok
}

// wantedTiers says which tiers there are, for errors.
func (l *Limit) wantedTiers() string {
	tiers := l.options().Tiers
	if len(tiers) == 0 {
		return "none, as the limit has no tiers"
	}
	return strings.Join(slices.Sorted(maps.Keys(tiers)), ", ")
}

// find is the limit that makes the same client_ids, of those at work and those that are leaving;
// nil if there is none.
func (u *setup) find(o *LimitOptions) *Limit {
	for _, l := range slices.Concat(u.all(), u.shared) {
		has := l.options()
		if has.Name == o.Name && has.Fingerprint == o.Fingerprint && (has.Sharing == nil) == (o.Sharing == nil) {
			return l
		}
	}
	return nil
}
