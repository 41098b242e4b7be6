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

	"github.com/rs/zerolog"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/table"
)

// Options are the settings of a Service. Limits, FlushInterval and StoreTimeout are needed.
type Options struct {
	// Limits are those that there are, each with a name of its own.
	Limits []LimitOptions
	// MigrateTo names the limit that gets the buckets of a store that knew of one limit only; "":
	// the only limit does, otherwise the one named "default".
	MigrateTo string
	// LimitsKept is for how long the unmanaged buckets of a limit that there is no more are kept in
	// the store, should it come back; 0: for ever.
	LimitsKept time.Duration
	// FlushInterval is the time between the beginnings of two rounds. A crash loses what was spent
	// since the last one, except from limits that are Strict.
	FlushInterval time.Duration
	// StoreTimeout bounds every call to the store, and with that how long an admin write waits.
	StoreTimeout time.Duration
	// Volatile means that the store ends with the process. Spending isn't written to it, since
	// nobody could ever read it there.
	Volatile bool
	// LoadLater opens without the store's buckets. Run loads them as soon as the store is there.
	// Until then clients have what they have spent in memory only, and admin writes return
	// ErrStore.
	LoadLater bool
	// Clock is the system's if it is nil.
	Clock Clock
	// Logger gets the store's outages and recoveries.
	Logger zerolog.Logger
}

// Service is the limiter: takers spend from buckets in memory, Run writes them behind to the store,
// and admin writes go to the store first and then to memory.
//
// Take, Get and List never touch the store. One lock orders all writes to it, batches of a round
// and admin writes alike, and is held from reading the values to the commit. So a flush can't undo
// an admin write or revive a deleted bucket.
type Service struct {
	o      Options
	clock  Clock
	limits []*Limit // in the order of Options
	named  map[string]*Limit
	writer

	closed bool            // under writing: no more admin writes
	loaded atomic.Bool     // set once
	left   []Namespace     // under writing: whose limits there are no more
	swept  map[uint32]bool // under writing: the IDs of those of left that have no unmanaged rows

	wake    chan struct{} // makes the next round begin early: something is to be reserved
	rounds  rounds
	listing sync.Mutex
}

// flushBatch is how many buckets one transaction writes. They are enough to make its cost by the
// row small, and few enough that an admin write, which waits for one, doesn't wait long. If a store
// is too slow for that many within its timeout, the number is halved, down to minFlushBatch. After
// a successful round it is doubled.
const flushBatch, minFlushBatch = 10_000, 100

// rounds are the flusher's.
type rounds struct {
	limits []*Limit // in the order of their namespaces
	batch  int      // how many buckets it writes at once
	puts   []Record // memory for a batch

	done, failed, overrun atomic.Int64
	lastDone              atomic.Int64 // Unix microseconds
	// since is when the oldest spending that is being flushed became dirty; table.Never if none is.
	since atomic.Int64
}

// errNotLoaded refuses admin writes, since the bucket that they change isn't known yet.
var errNotLoaded = errors.New("the stored buckets have not been read yet")

var errStrictLater = errors.New("strict: what is reserved must be read before anything is spent, " +
	"so the store must be there at the start")

func newService(o Options, s Store) (*Service, error) {
	if o.Clock == nil {
		o.Clock = newSystemClock()
	}
	service := &Service{
		o: o, clock: o.Clock, named: map[string]*Limit{}, swept: map[uint32]bool{},
		writer: writer{
			store: s, timeout: o.StoreTimeout, logger: o.Logger, writing: make(writeLock, 1),
		},
		wake:   make(chan struct{}, 1),
		rounds: rounds{batch: flushBatch},
	}
	service.rounds.since.Store(table.Never)
	for _, limit := range o.Limits {
		if err := service.add(limit); err != nil {
			return nil, fmt.Errorf("limit %q: %w", limit.Name, err)
		}
	}
	return service, nil
}

func (s *Service) add(o LimitOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	if s.o.LoadLater && o.Strict {
		return errStrictLater
	}
	if s.named[o.Name] != nil {
		return errors.New("there are two of that name")
	}
	l := newLimit(s, o)
	s.limits = append(s.limits, l)
	s.named[o.Name] = l
	return nil
}

// Limit is the limit of that name; nil if there is none.
func (s *Service) Limit(name string) *Limit { return s.named[name] }

// Limits are all limits, in the order of Options.
func (s *Service) Limits() []*Limit { return s.limits }

// limit is the one of that name.
func (s *Service) limit(name string) (*Limit, error) {
	if l := s.named[name]; l != nil {
		return l, nil
	}
	return nil, fmt.Errorf("%w: %q; want one of %s", ErrNoLimit, name, s.o.names())
}

// flushEarly makes the next round begin soon.
func (s *Service) flushEarly() {
	select {
	case s.wake <- struct{}{}:
	default: // It will already.
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

// LimitOptions say how a limit works.
type LimitOptions struct {
	// Name is what operators and stores call the limit.
	Name string
	// Fingerprint tells the limit's key, with its options, from any other. Under another
	// fingerprint the limit begins anew.
	Fingerprint string
	// Secret is set where client_ids are kept as hashes only. It makes them of plain ones, and
	// returns others as they are.
	Secret func(clientID string) string
	// Plain is what Fingerprint would be without Secret. Buckets that a store has under it are
	// kept, under the hashes of their client_ids.
	Plain string
	// Settings are those of an unknown client's bucket.
	Settings gcra.Settings
	// Tiers are the settings that managed buckets can follow, by name.
	Tiers map[string]gcra.Settings
	// MaxBuckets is how many buckets are kept. Past it, unknown clients share overflow buckets,
	// which aren't stored or listed. Managed buckets are always loaded.
	MaxBuckets int64
	// Strict makes a crash give back nothing: see ledger.go. It excludes Options.LoadLater.
	Strict bool
}

func (o *LimitOptions) validate() error {
	if err := o.Settings.Validate(); err != nil {
		return fmt.Errorf("default settings: %w", err)
	}
	for name, settings := range o.Tiers {
		if err := settings.Validate(); err != nil {
			return fmt.Errorf("tier %q: %w", name, err)
		}
	}
	return nil
}

// Limit is a named rule that gives every client a bucket, in a table of its own. A Service has
// several, and one store for all of them.
type Limit struct {
	o       LimitOptions
	service *Service
	clock   Clock
	table   *table.Table
	tiers   map[string]*gcra.Rate
	// namespace is the store's. It belongs to whoever holds the write lock, once it is loaded.
	namespace Namespace
	toHide    *Namespace // where the rows are to go under hashed client_ids; nil: nowhere; likewise
}

func newLimit(s *Service, o LimitOptions) *Limit {
	l := &Limit{
		o: o, service: s, clock: s.clock, tiers: map[string]*gcra.Rate{},
		table: table.New(table.Options{
			Defaults: o.Settings, MaxBuckets: o.MaxBuckets, Volatile: s.o.Volatile && !o.Strict,
		}),
	}
	for name, settings := range o.Tiers {
		l.tiers[name] = gcra.NewRate(settings).In(name)
	}
	return l
}

// Name is what operators call the limit.
func (l *Limit) Name() string { return l.o.Name }

// Defaults are the settings of an unknown client's bucket.
func (l *Limit) Defaults() gcra.Settings { return l.o.Settings }

func (l *Limit) key(clientID string) Key { return Key{l.namespace.ID, clientID} }

// rateOfTier is the one that a tier's buckets have now. Those of a tier that is gone follow the
// limit's own numbers, and keep its name: it may come back.
func (l *Limit) rateOfTier(name string) *gcra.Rate {
	if r, ok := l.tiers[name]; ok {
		return r
	}
	return l.table.Defaults().In(name)
}

// isGone reports whether a bucket's tier isn't one of the limit's any more.
func (l *Limit) isGone(tier string) bool { return tier != "" && l.tiers[tier] == nil }

// wantedTiers says which tiers there are, for errors.
func (l *Limit) wantedTiers() string {
	if len(l.tiers) == 0 {
		return "none, as the limit has no tiers"
	}
	return strings.Join(slices.Sorted(maps.Keys(l.tiers)), ", ")
}
