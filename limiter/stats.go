package limiter

import (
	"time"

	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/limiter/table"
)

// Stats is what the limiter and its write-behind are doing.
type Stats struct {
	// Counts are those of all limits together.
	Counts
	// Limits are in the order of Options.
	Limits []LimitStats
	// Dirty counts buckets with spending that isn't stored yet.
	Dirty int64
	// Flushes counts the rounds that stored everything that was dirty when they began, FlushErrors
	// those that failed, FlushOverruns those that took longer than their interval.
	Flushes, FlushErrors, FlushOverruns int64
	// LastFlush is when the last of Flushes ended, the zero time before the first.
	LastFlush time.Time
	// Lag is for how long the oldest spending has waited to be stored; 0 when none has.
	Lag time.Duration
	// StoreUp reports whether the last call to the store succeeded; StoreError is its error if not.
	StoreUp    bool
	StoreError string
	// Shared is what the replica does; nil if there is none.
	Shared *lease.Stats
}

// LimitStats is what one limit holds.
type LimitStats struct {
	Name string
	Counts
	// Dirty counts those of its buckets that have spending which isn't stored yet.
	Dirty int64
}

// Counts are of buckets.
type Counts struct {
	// Buckets counts those in memory, Managed those of them that operators wrote.
	Buckets, Managed int64
	// MaxBuckets is the cap; OverflowTakes counts requests that shared a bucket past it.
	MaxBuckets, OverflowTakes int64
}

func (c *Counts) add(more Counts) {
	c.Buckets += more.Buckets
	c.Managed += more.Managed
	c.MaxBuckets += more.MaxBuckets
	c.OverflowTakes += more.OverflowTakes
}

// Stats returns what the service is doing now.
func (s *Service) Stats() Stats {
	r := &s.rounds
	stats := Stats{
		Flushes:       r.done.Load(),
		FlushErrors:   r.failed.Load(),
		FlushOverruns: r.overrun.Load(),
		StoreUp:       true,
	}
	since := r.since.Load()
	for _, l := range s.present.Load().all() {
		t := l.table.Stats()
		stats.Dirty += t.Dirty
		since = min(since, t.DirtySince)
	}
	for _, l := range s.Limits() {
		t := l.buckets().Stats()
		counts := Counts{t.Buckets, t.Managed, l.options().MaxBuckets, t.OverflowTakes}
		one := LimitStats{l.Name(), counts, t.Dirty}
		if l.lease != nil {
			one.Dirty = 0 // Others needn't know what the replica has spent of its own.
		}
		stats.Limits = append(stats.Limits, one)
		stats.add(counts)
	}
	if since != table.Never {
		stats.Lag = time.Duration(max(0, s.clock.Monotonic()-since))
	}
	if at := r.lastDone.Load(); at != 0 {
		stats.LastFlush = time.UnixMicro(at).UTC()
	}
	if why := s.failure.Load(); why != nil {
		stats.StoreUp, stats.StoreError = false, *why
	}
	s.addShared(&stats)
	return stats
}
