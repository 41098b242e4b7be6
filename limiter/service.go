package limiter

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/limiter/gcra"
)

// Options say how a Service works. Every field but Clock and Logger is needed.
type Options struct {
	// Settings are the defaults: what an unknown client's bucket gets.
	Settings gcra.Settings
	// MaxBuckets is how many buckets are kept. Past it unknown clients share overflow buckets,
	// which are neither stored nor listed; managed buckets are always loaded.
	MaxBuckets int64
	// FlushInterval is the time between the beginnings of two flushes. A crash loses what was
	// spent since the last one, unless the service is Strict.
	FlushInterval time.Duration
	// Strict has a crash give back nothing: see reserve.go. It can't be had with LoadLater.
	Strict bool
	// StoreTimeout bounds every call to the store, and so how long an admin write waits.
	StoreTimeout time.Duration
	// Volatile says that the store ends with the process: spending isn't written to it, since nobody could ever read it there.
	Volatile bool
	// LoadLater opens without the store's buckets: Run loads them as soon as the store is there.
	// Until then clients have what they have spent in memory only, and admin writes answer ErrStore.
	LoadLater bool
	// Clock is the system's where it is nil.
	Clock Clock
	// Logger is told of the store's outages and recoveries.
	Logger zerolog.Logger
}

// Service is the limiter: takers spend from buckets in memory, Run writes them behind to the
// store, and admin writes go to the store first and then to memory.
//
// Take, Get and List never touch the store. One lock orders all writes to it, flush
// batches and admin writes alike, from the reading of the values to the commit: so a flush
// can't undo an admin write or revive a deleted bucket.
type Service struct {
	o     Options
	log   zerolog.Logger
	clock Clock
	table *table
	store Store

	writing writeLock
	wake    chan struct{}                // has the flusher begin early: something is to be reserved
	batch   int                          // the flusher's: how many buckets it writes at once
	puts    []Record                     // the flusher's: room for a batch
	closed  bool                         // under writing: no more admin writes
	loaded  atomic.Bool                  // set once
	doubt   atomic.Pointer[doubtedWrite] // written under writing
	listing sync.Mutex

	flushes, flushErrors, overruns atomic.Int64
	lastFlush                      atomic.Int64 // Unix microseconds
	flushingSince                  atomic.Int64 // since when what is being flushed was dirty; never: nothing is
	storeError                     atomic.Pointer[string]
}

// Open loads what the store holds, unless that is to come later, and returns a Service that
// serves it. The caller must Run it, and Close it at the end; the store stays the caller's to close.
func Open(ctx context.Context, o Options, s Store) (*Service, error) {
	service, err := newService(o, s)
	if err != nil {
		return nil, err
	}
	if o.LoadLater {
		why := errNotLoaded.Error()
		service.storeError.Store(&why)
		return service, nil
	}
	if err := service.load(ctx); err != nil {
		return nil, err
	}
	return service, nil
}

func newService(o Options, s Store) (*Service, error) {
	if err := o.Settings.Validate(); err != nil {
		return nil, fmt.Errorf("default settings: %w", err)
	}
	if o.LoadLater && o.Strict {
		return nil, errStrictLater
	}
	if o.Clock == nil {
		o.Clock = newSystemClock()
	}
	service := &Service{
		o: o, log: o.Logger, clock: o.Clock, store: s,
		table:   newTable(gcra.NewRate(o.Settings), o.MaxBuckets),
		writing: make(writeLock, 1),
		wake:    make(chan struct{}, 1),
		batch:   flushBatch,
	}
	if o.Volatile {
		service.table.mark = 0
	}
	service.flushingSince.Store(never)
	return service, nil
}

// Take spends one token of the client's bucket, which it creates for a client that has none.
// clientID is 1 to MaxClientID bytes and may alias a request's buffer: it is copied before it is kept. It never waits for a
// store, and for a client that has a bucket it waits for no lock, unless the bucket is being replaced, and allocates nothing.
func (s *Service) Take(clientID string) Decision {
	if s.o.Strict {
		return s.takeReserved(clientID)
	}
	return s.table.take(clientID, s.clock.Monotonic())
}

// takeReserved refuses what isn't reserved yet, and has that be reserved soon.
func (s *Service) takeReserved(clientID string) Decision {
	d, short := s.table.takeReserved(clientID, s.clock.Monotonic())
	if short {
		d.RetryAfter = max(d.RetryAfter, s.o.FlushInterval)
		s.flushEarly()
	}
	return d
}

// flushEarly brings the next flush near.
func (s *Service) flushEarly() {
	select {
	case s.wake <- struct{}{}:
	default: // it is on its way
	}
}

// Defaults are the settings of an unknown client's bucket.
func (s *Service) Defaults() gcra.Settings { return s.o.Settings }

// Get is the client's bucket now. ErrNotFound: it has none. ErrInDoubt: an admin write of
// this bucket broke off, and the store hasn't said yet whether it holds.
func (s *Service) Get(clientID string) (Snapshot, error) {
	if d := s.doubt.Load(); d != nil && d.clientID == clientID {
		return Snapshot{}, fmt.Errorf("%w: the last write of this bucket broke off, and the store has not answered since", ErrInDoubt)
	}
	now, wall := s.clock.Monotonic(), s.clock.Wall()
	seen, ok := s.table.find(clientID, now)
	if !ok {
		return Snapshot{}, ErrNotFound
	}
	return seen.snapshot(now, wall), nil
}

// Stats is what the service is doing now.
func (s *Service) Stats() Stats {
	dirty, since := s.table.dirtyStats()
	stats := Stats{
		Buckets:       s.table.count.Load(),
		Managed:       s.table.managed.Load(),
		MaxBuckets:    s.o.MaxBuckets,
		OverflowTakes: s.table.overflowTakes.Load(),
		Dirty:         dirty,
		Flushes:       s.flushes.Load(),
		FlushErrors:   s.flushErrors.Load(),
		FlushOverruns: s.overruns.Load(),
		StoreUp:       true,
	}
	if since = min(since, s.flushingSince.Load()); since != never {
		stats.Lag = nanoseconds(max(0, s.clock.Monotonic()-since))
	}
	if at := s.lastFlush.Load(); at != 0 {
		stats.LastFlush = time.UnixMicro(at).UTC()
	}
	if why := s.storeError.Load(); why != nil {
		stats.StoreUp, stats.StoreError = false, *why
	}
	return stats
}

// writeLock orders the writes to the store. It is a channel, since a mutex can't be waited for
// with a deadline; those who wait get it in the order in which they came, so an admin write
// waits for one flush batch at most.
type writeLock chan struct{}

func (l writeLock) lock(ctx context.Context) error {
	if ctx.Err() == nil { // or else select might go on at random
		select {
		case l <- struct{}{}:
			return nil
		case <-ctx.Done():
		}
	}
	return fmt.Errorf("waiting for the write before it: %w", context.Cause(ctx))
}

func (l writeLock) unlock() { <-l }

// storeAnswered notes how the store is, and logs when that changed.
func (s *Service) storeAnswered(err error) {
	if err == nil {
		if s.storeError.Swap(nil) != nil {
			s.log.Info().Msg("the store is up again")
		}
		return
	}
	why := err.Error()
	if s.storeError.Swap(&why) == nil {
		s.log.Error().Err(err).Msg("the store is down: traffic goes on, admin writes are refused, and spending is stored when it is back")
	}
}
