package limiter

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync/atomic"
	"time"
	"unsafe"
)

// bucket is one client's tokens. Its settings never change: an admin write, a deletion and
// a reap all kill it first, and then replace it or take it out of the table. A taker
// that comes upon a dead bucket looks up again. So nobody sees settings and tokens that don't
// belong together, and nobody spends from a bucket that is gone.
//
// The client_id lies behind it in the same piece of memory, and the map's key is a string over that: one
// object a client, and what a take compares is next to what it writes. Only newBucket makes one.
type bucket struct {
	arrival atomic.Int64 // the theoretical arrival time, or dead
	rate    *rate
	next    *bucket       // in the list of dirty buckets; its queuer's, then the flusher's
	marks   atomic.Uint64 // dirty, stored, managed, the length of the client_id, and the limit of reserve.go
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

// Above those in bucket.marks is the length of a short client_id, or long, which never changes; the limit
// is above that.
const (
	idShift, idMask = 4, 0x1f
	shortID         = 16
	long            = idMask
	flags           = 1<<9 - 1
)

// newBucket copies clientID, which may alias a buffer.
func newBucket(clientID string, r *rate, arrival int64, isManaged bool) *bucket {
	b := room(len(clientID))
	b.rate = r
	b.arrival.Store(arrival)
	b.setClientID(clientID)
	if isManaged {
		b.set(managed)
	}
	return b
}

// room is a bucket with space for a client_id of n bytes, in the sizes that Go's allocator hands out: 48 bytes for
// IPv4 addresses, 64 for IPv6 prefixes, 112 for SHA-256 digests.
func room(n int) *bucket {
	switch {
	case n <= shortID:
		return before[[shortID]byte]()
	case n <= 30:
		return before[[2 + 30]byte]()
	case n <= 46:
		return before[[2 + 46]byte]()
	case n <= 78:
		return before[[2 + 78]byte]()
	case n <= 142:
		return before[[2 + 142]byte]()
	case n <= MaxClientID:
		return before[[2 + MaxClientID]byte]()
	}
	panic(fmt.Sprintf("limiter: a client_id of %d bytes; want at most %d", n, MaxClientID))
}

// before is a bucket with this much behind it.
func before[Rest any]() *bucket {
	return &new(struct {
		bucket
		_ Rest
	}).bucket
}

// behind is where the client_id begins, or the length of a long one, which is two bytes.
func (b *bucket) behind() *byte { return (*byte)(unsafe.Add(unsafe.Pointer(b), unsafe.Sizeof(*b))) }

func (b *bucket) setClientID(id string) {
	n := len(id)
	if n <= shortID {
		b.marks.Store(uint64(n) << idShift)
		copy(unsafe.Slice(b.behind(), n), id)
		return
	}
	b.marks.Store(long << idShift)
	space := unsafe.Slice(b.behind(), 2+n)
	binary.NativeEndian.PutUint16(space, uint16(n))
	copy(space[2:], id)
}

// clientID lies in the bucket, which it keeps from being collected.
func (b *bucket) clientID() string {
	n := b.marks.Load() >> idShift & idMask
	if n != long {
		return unsafe.String(b.behind(), n)
	}
	length := unsafe.Slice(b.behind(), 2)
	return unsafe.String((*byte)(unsafe.Add(unsafe.Pointer(b.behind()), 2)), binary.NativeEndian.Uint16(length))
}

// take spends a token if there is one, and returns the arrival time from then on. It is dead if the bucket
// is: look up again. A refusal writes nothing, so that a client over its limit costs a read.
func (b *bucket) take(now int64) (tat int64, allowed bool) {
	for {
		tat := b.arrival.Load()
		if tat == dead {
			return dead, false
		}
		next, ok := b.rate.spend(tat, now)
		if !ok {
			return tat, false
		}
		if b.arrival.CompareAndSwap(tat, next) {
			return next, true
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
		ClientID: b.clientID(), Settings: b.rate.Settings, Managed: b.has(managed),
		Tokens: b.rate.credit(tat, now) / b.rate.cost, LastRefill: wall,
	}, true
}

// record is the bucket with this tat as a store keeps it; wall is the time of day at now.
func (b *bucket) record(tat, now int64, wall time.Time) Record {
	was := b.rate.holding(tat, now)
	return b.rate.record(b.clientID(), b.has(managed), was.credit, wall.Add(nanoseconds(was.at-now)))
}

func (b *bucket) has(mark uint64) bool { return b.marks.Load()&mark != 0 }

func (b *bucket) clear(mark uint64) { b.marks.And(^mark) }

// set reports whether the mark was not there before.
func (b *bucket) set(mark uint64) bool { return b.marks.Or(mark)&mark == 0 }

func nanoseconds(n int64) time.Duration { return time.Duration(n) }
