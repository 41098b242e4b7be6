package limiter

import (
	"math"
	"sync/atomic"
	"time"
)

// bucket is one client's tokens. Its settings never change: an admin write, a deletion and
// a reap all kill it first, and then replace it or take it out of the table. A taker
// that comes upon a dead bucket looks up again. So nobody sees settings and tokens that don't
// belong together, and nobody spends from a bucket that is gone.
type bucket struct {
	arrival  atomic.Int64 // the theoretical arrival time, or dead
	rate     *rate
	clientID string
	next     *bucket       // in the list of dirty buckets; its queuer's, then the flusher's
	marks    atomic.Uint64 // dirty, stored, managed, and the limit of reserve.go
}

// dead stands in bucket.arrival from the kill on. Real arrival times are never negative.
const dead = math.MinInt64

const (
	// dirty: there is spending that isn't stored, and the bucket is in the dirty list, or in a
	// flusher's hands before its value was read.
	dirty uint64 = 1 << iota
	// stored: the store may have a row of it.
	stored
	// managed: an operator wrote it. This one never changes.
	managed
	// limited: the limit of reserve.go holds.
	limited
)

func newBucket(clientID string, r *rate, arrival int64, isManaged bool) *bucket {
	b := &bucket{rate: r, clientID: clientID}
	b.arrival.Store(arrival)
	if isManaged {
		b.marks.Store(managed)
	}
	return b
}

// take spends a token if there is one. false: the bucket is dead, look up again.
// A refusal writes nothing, so that a client over its limit costs a read.
func (b *bucket) take(now int64) (d Decision, alive bool) {
	for {
		tat := b.arrival.Load()
		if tat == dead {
			return Decision{}, false
		}
		next, ok := b.rate.spend(tat, now)
		if !ok {
			return b.rate.decision(false, tat, now), true
		}
		if b.arrival.CompareAndSwap(tat, next) {
			return b.rate.decision(true, next, now), true
		}
	}
}

// kill ends the bucket and returns what it held; false if it was dead before.
func (b *bucket) kill(now int64) (was holding, ok bool) {
	for {
		tat := b.arrival.Load()
		if tat == dead {
			return holding{}, false
		}
		if b.arrival.CompareAndSwap(tat, dead) {
			return b.rate.holding(tat, now), true
		}
	}
}

// killIfFull ends the bucket if it is full at now, in one step with finding it so.
func (b *bucket) killIfFull(now int64) bool {
	tat := b.arrival.Load()
	return tat != dead && tat <= now && b.arrival.CompareAndSwap(tat, dead)
}

// exists says whether the bucket holds anything: an unmanaged one that is full does not.
func (b *bucket) exists(tat, now int64) bool { return b.has(managed) || tat > now }

// snapshot is the bucket at now; false if it is dead.
func (b *bucket) snapshot(now int64, wall time.Time) (Snapshot, bool) {
	tat := b.arrival.Load()
	if tat == dead {
		return Snapshot{}, false
	}
	return Snapshot{
		ClientID: b.clientID, Settings: b.rate.Settings, Managed: b.has(managed),
		Tokens: b.rate.credit(tat, now) / b.rate.cost, LastRefill: wall,
	}, true
}

// record is the bucket with this tat as a store keeps it; wall is the time of day at now.
func (b *bucket) record(tat, now int64, wall time.Time) Record {
	was := b.rate.holding(tat, now)
	return b.rate.record(b.clientID, b.has(managed), was.credit, wall.Add(nanoseconds(was.at-now)))
}

func (b *bucket) has(mark uint64) bool { return b.marks.Load()&mark != 0 }

func (b *bucket) clear(mark uint64) { b.marks.And(^mark) }

// set reports whether the mark was not there before.
func (b *bucket) set(mark uint64) bool { return b.marks.Or(mark)&mark == 0 }

func nanoseconds(n int64) time.Duration { return time.Duration(n) }
