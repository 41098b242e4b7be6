package limiter

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/limiter/table"
)

// Options are the settings of a Service. Limits, FlushInterval and StoreTimeout are needed.
type Options struct {
	// Limits are those that there are, each with a name of its own.
	Limits []LimitOptions
	// MigrateTo names the limit that gets the buckets of a store that knew of one limit only; "":
	// the only limit does, or else the one named "default".
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

// flushEarly makes the next round begin soon.
func (s *Service) flushEarly() {
	select {
	case s.wake <- struct{}{}:
	default: // It will already.
	}
}
