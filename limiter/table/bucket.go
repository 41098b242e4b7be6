package table

import (
	"math"

	"gopher-equalizer/limiter/gcra"
)

// Bucket is one client's tokens, in a slot of a slab. Its settings never change. An admin write
// kills the bucket and puts another one elsewhere; a deletion and a reap kill it. A bucket that
// moves to another slab is frozen first. A taker that meets a dead or frozen bucket looks up again.
// So nobody sees settings and tokens that don't belong together, and nobody spends from a bucket
// that is gone.
//
// It has no pointers, so the garbage collector doesn't look at it.
type Bucket struct {
	// arrival is one of:
	//   - 0 or more: alive. Twice the theoretical arrival time, plus dirtyBit.
	//   - dead.
	//   - pending: a moved bucket whose value hasn't arrived yet.
	//   - any other negative number: frozen. Its complement is the value, to be copied to the
	//     bucket's new slot.
	arrival word
	// marks has, from the lowest bit: Stored, Managed, Limited; five bits with the length of the
	// client_id, or long; the limit.
	marks markWord
	// id is the client_id, or a longID.
	id [shortID]byte
}

const (
	bucketSize = 32
	shortID    = 16 // bytes of a client_id that fit into the bucket
)

// Never is later than every reading of the clock.
const Never = math.MaxInt64

const dead, pending = math.MinInt64, math.MinInt64 + 1

// dirtyBit is set in arrival while there is spending that isn't stored. The bucket's page is in the
// dirty list then, or a flusher has the bucket and hasn't read its value yet. The bit is not among
// the marks, so that one instruction spends and marks, and one moves both.
const dirtyBit int64 = 1

// Mark is one of the marks of a bucket, or several.
type Mark uint64

const (
	// Stored: the store may have a row of the bucket.
	Stored Mark = 1 << iota
	// Managed: an operator wrote the bucket. This mark never changes.
	Managed
	// Limited: takers may not spend past the bucket's limit.
	Limited
)

// The length of the client_id, which never changes, is above those marks, and the limit is above
// that.
const (
	idShift, idMask = 3, 0x1f
	long            = idMask // as the length: the bucket has a longID
	lengthMask      = idMask << idShift
	belowLimit      = 1<<8 - 1
)

// longID takes the place of the client_id in a bucket whose client_id is longer than shortID, or
// whose rate isn't the default one.
type longID struct {
	offset uint32 // of the client_id, from the bucket
	rate   uint32 // in the rates of its entry
	length uint16
}

// isLong reports whether a client_id and the index of its rate need more space than a bucket has.
func isLong(clientID string, rate int) bool { return rate != 0 || len(clientID) > shortID }

func (b *Bucket) longID() *longID { return at[longID](&b.id, 0) }

// length is that of the client_id, or long.
func (b *Bucket) length() uint64 { return constant(&b.marks) >> idShift & idMask }

// ClientID keeps the bucket's slab from being collected.
func (b *Bucket) ClientID() string {
	n := b.length()
	if n != long {
		return text(&b.id[0], n)
	}
	l := b.longID()
	return text(at[byte](b, l.offset), uint64(l.length))
}

// isShortOf reports whether the bucket is the client's. It reports false, too, if the client_id has
// a length that find doesn't compare as two words.
func (b *Bucket) isShortOf(clientID string) bool {
	n := len(clientID)
	if n < 8 || n > shortID || b.length() != uint64(n) {
		return false
	}
	first, last := ends(bytesOf(clientID), n)
	f, l := ends(&b.id[0], n)
	return f == first && l == last
}

// TAT is the theoretical arrival time. It is negative if the bucket isn't alive.
func (b *Bucket) TAT() int64 { return b.arrival.Load() >> 1 }

func (b *Bucket) isAlive() bool { return b.arrival.Load() >= 0 }

// IsDirty reports whether the bucket is alive and has spending that isn't stored.
func (b *Bucket) IsDirty() bool {
	was := b.arrival.Load()
	return was >= 0 && was&dirtyBit != 0
}

// DirtyAsSeen returns the arrival time of a bucket of a Backlog. ok reports whether the bucket is
// still dirty where it was seen, has a row, and has nothing outside its slot. Only then CleanAsSeen
// works.
func (b *Bucket) DirtyAsSeen() (tat int64, ok bool) {
	was := b.arrival.Load()
	return was >> 1, was >= 0 && was&dirtyBit != 0 && b.Has(Stored) && b.length() != long
}

// exists reports whether the bucket holds anything at now: an unmanaged one that is full doesn't.
func (b *Bucket) exists(tat, now int64) bool { return b.Has(Managed) || tat > now }

// Has reports whether the bucket has one of these marks.
func (b *Bucket) Has(m Mark) bool { return b.marks.Load()&uint64(m) != 0 }

// Set adds marks. The bucket's page is claimed.
func (b *Bucket) Set(m Mark) { b.marks.Or(uint64(m)) }

// Clear removes marks. The bucket's page is claimed.
func (b *Bucket) Clear(m Mark) { b.marks.And(^uint64(m)) }

// limitCut is the part of a limit that marks have no room for. It costs a client up to 128 ns of
// refill.
const limitCut = 1<<7 - 1

// limitMarks returns the marks of a bucket with this limit.
func limitMarks(limit int64) uint64 {
	return uint64(max(0, limit))&^limitCut<<1 | uint64(Limited)
}

// limitOf is the limit in marks; Never if there is none.
func limitOf(marks uint64) int64 {
	if marks&uint64(Limited) == 0 {
		return Never
	}
	return int64(marks &^ belowLimit >> 1)
}

// SetLimit sets the arrival time that no take may pass. The bucket's page is claimed.
func (b *Bucket) SetLimit(limit int64) {
	b.marks.Store(b.marks.Load()&belowLimit | limitMarks(limit))
}

// take spends a price if there is as much within the limit, and returns what arrival was, and the
// theoretical arrival time from then on. If ok is false, was tells why: the bucket isn't alive, or
// it holds too little, or too little within the limit. The caller has read limit before, which is
// safe, since it only rises. A refusal writes nothing, so a client over its limit costs a read.
// Spending sets mark, which is dirtyBit, or 0 where nothing is stored.
func (b *Bucket) take(r *gcra.Rate, price, limit, mark, now int64) (was, tat int64, ok bool) {
	for {
		was := b.arrival.Load()
		next, ok := r.Spend(was>>1, now, price)
		//mutant:lowest a-moved-bucket-is-spent-from
		if was < 0 || !ok || next > limit {
			return was, 0, false
		}
		//mutant:left spending-is-not-marked
		if b.arrival.CompareAndSwap(was, next<<1|was&dirtyBit|mark) {
			return was, next, true
		}
	}
}

// kill ends the bucket, and returns what its word was. The caller has claimed its page, and found
// it alive.
func (b *Bucket) kill() (was int64) {
	for {
		was := b.arrival.Load()
		//mutant:nonatomic a-bucket-is-killed-by-a-store
		if b.arrival.CompareAndSwap(was, dead) {
			return was
		}
	}
}

// killIfFull ends the bucket if it is clean, and full at now. Both are one step.
func (b *Bucket) killIfFull(now int64) bool {
	was := b.arrival.Load()
	//mutant:nonatomic a-full-bucket-is-killed-by-a-store
	return was&dirtyBit == 0 && was>>1 <= now && b.arrival.CompareAndSwap(was, dead)
}

// freeze ends the bucket so that its word can still be read, and returns that word, or dead if the
// bucket is dead.
func (b *Bucket) freeze() (was int64) {
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

// delay makes a live bucket full no earlier than at tat.
func (b *Bucket) delay(tat int64) {
	for {
		was := b.arrival.Load()
		if was>>1 >= tat || b.arrival.CompareAndSwap(was, tat<<1|was&dirtyBit) {
			return
		}
	}
}

// Observation is a bucket as it was at a moment.
type Observation struct {
	Bucket *Bucket
	Rate   *gcra.Rate
	TAT    int64
}
