package limiter

import (
	"math"
	"sync/atomic"
	"time"
	"unsafe"

	"gopher-equalizer/limiter/gcra"
)

// bucket is one client's tokens, in the memory of a version of its page. Its settings never change: an admin write,
// a deletion and a reap all kill it first, and then put another one elsewhere, or none. A bucket that moves to
// another version is frozen first. A taker that comes upon a dead or frozen bucket looks up again. So nobody sees settings and tokens that don't
// belong together, and nobody spends from a bucket that is gone.
//
// It has no pointers, so that the garbage collector needs not look at it.
type bucket struct {
	arrival atomic.Int64  // twice the theoretical arrival time, one more while dirty; or dead, awaited, or frozen
	marks   atomic.Uint64 // stored, managed, the length of the client_id, and the limit of reserve.go
	id      [shortID]byte // the client_id; or, of a long bucket, where it is
}

// dead stands in bucket.arrival from the kill on, and awaited until the word of the bucket that this one is to take the place of
// has come. That is frozen then: all its bits are turned over. Of a bucket that is alive they are a number that isn't negative.
const dead, awaited = math.MinInt64, math.MinInt64 + 1

// dirty in bucket.arrival: there is spending that isn't stored, and the bucket's page is in the dirty list, or the bucket is in
// a flusher's hands before its value was read. It is there, and not among the marks, so that it comes with the spending in one
// step: a bucket that moves can't leave one of them behind.
const dirty int64 = 1

const (
	// stored: the store may have a row of it.
	stored uint64 = 1 << iota
	// managed: an operator wrote it. This one never changes.
	managed
	// limited: the limit of reserve.go holds.
	limited
)

// Above those in bucket.marks is the length of a short client_id, or long, which never changes; the limit
// is above that.
const (
	idShift, idMask = 3, 0x1f
	shortID         = 16
	long            = idMask
	lengthMask      = idMask << idShift
	flags           = 1<<8 - 1
)

// elsewhere is what a long bucket has in the place of its client_id. Long is one whose client_id is, or whose rate
// isn't the default one.
type elsewhere struct {
	offset uint32 // of the client_id, from the bucket's own place
	rate   uint32 // in the rates of its leaf
	length uint16
}

func (b *bucket) elsewhere() *elsewhere { return (*elsewhere)(unsafe.Pointer(&b.id)) }

// length is that of the client_id, or long.
func (b *bucket) length() uint64 { return b.marks.Load() >> idShift & idMask }

// clientID lies in the bucket's version, which it keeps from being collected.
func (b *bucket) clientID() string {
	n := b.length()
	if n != long {
		return unsafe.String(&b.id[0], n)
	}
	e := b.elsewhere()
	return unsafe.String((*byte)(unsafe.Add(unsafe.Pointer(b), e.offset)), e.length)
}

// tat is the bucket's theoretical arrival time; negative: it isn't alive.
func (b *bucket) tat() int64 { return b.arrival.Load() >> 1 }

func (b *bucket) isAlive() bool { return b.arrival.Load() >= 0 }

// take spends a token if there is one, and returns the arrival time from then on. It is negative if the bucket
// isn't alive: look up again. A refusal writes nothing, so that a client over its limit costs a read. Spending leaves the mark
// behind, which is dirty, or 0 for none; marked is that, if it was not there before.
func (b *bucket) take(r *gcra.Rate, mark, now int64) (tat int64, allowed bool, marked int64) {
	for {
		was := b.arrival.Load()
		next, ok := r.Spend(was>>1, now)
		if !ok || was < 0 {
			return was >> 1, false, 0
		}
		if b.arrival.CompareAndSwap(was, next<<1|was&dirty|mark) {
			return next, true, mark &^ was
		}
	}
}

// kill ends the bucket, and returns what its word was; the caller has locked its page, and found it alive.
func (b *bucket) kill() (was int64) {
	for {
		was := b.arrival.Load()
		if b.arrival.CompareAndSwap(was, dead) {
			return was
		}
	}
}

// freeze ends the bucket so that its word can be read, by whoever comes first, and returns that; dead, if it is.
func (b *bucket) freeze() (word int64) {
	for {
		was := b.arrival.Load()
		switch {
		case was == dead:
			return dead
		case was < 0:
			return ^was
		case b.arrival.CompareAndSwap(was, ^was):
			return was
		}
	}
}

// delay has a live bucket be full no earlier than that.
func (b *bucket) delay(tat int64) {
	for {
		was := b.arrival.Load()
		if was>>1 >= tat || b.arrival.CompareAndSwap(was, tat<<1|was&dirty) {
			return
		}
	}
}

// killIfFull ends the bucket if it is clean, and full at now, in one step with finding it so.
func (b *bucket) killIfFull(now int64) bool {
	was := b.arrival.Load()
	return was&dirty == 0 && was>>1 <= now && b.arrival.CompareAndSwap(was, dead)
}

// exists says whether the bucket holds anything: an unmanaged one that is full does not.
func (b *bucket) exists(tat, now int64) bool { return b.has(managed) || tat > now }

// record is the bucket with this tat as a store keeps it; wall is the time of day at now.
func (b *bucket) record(r *gcra.Rate, tat, now int64, wall time.Time) Record {
	was := r.Holding(tat, now)
	return recordOf(r, b.clientID(), b.has(managed), was.Credit, wall.Add(nanoseconds(was.At-now)))
}

func (b *bucket) isDirty() bool {
	word := b.arrival.Load()
	return word >= 0 && word&dirty != 0
}

func (b *bucket) has(mark uint64) bool { return b.marks.Load()&mark != 0 }

func (b *bucket) clear(mark uint64) { b.marks.And(^mark) }

func (b *bucket) set(mark uint64) { b.marks.Or(mark) }

func nanoseconds(n int64) time.Duration { return time.Duration(n) }
