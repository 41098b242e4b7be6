package table

import (
	"math"

	"gopher-equalizer/limiter/gcra"
)

// Bucket is one client's tokens, in a slot of a slab. Its settings are its own, which never change,
// or those of the limit or of a tier: see numbers.go. An admin write kills the bucket and puts
// another one elsewhere; a deletion and a reap kill it. A bucket that moves to another slab is
// frozen first. A taker that meets a dead or frozen bucket looks up again. So nobody sees settings
// and tokens that don't belong together, and nobody spends from a bucket that is gone.
//
// It has no pointers, so the garbage collector doesn't look at it.
type Bucket struct {
	// arrival is one of:
	//   - 0 or more: alive. Four times the theoretical arrival time, plus eraBit and dirtyBit.
	//   - dead.
	//   - pending: a moved bucket whose value hasn't arrived yet.
	//   - any other negative number: frozen. Its complement is the value, to be copied to the
	//     bucket's new slot.
	arrival word
	// marks has, from the lowest bit: Stored, Managed, Limited; five bits with the length of the
	// client_id, or long; limitEra; the limit, or else what Bucket.SetLeft was told.
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

// eraBit tells the numbers that the arrival time is counted under from those before or after them.
const eraBit int64 = 2

// tatShift is where the arrival time begins.
const tatShift = 2

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

// The length of the client_id, which never changes, is above those marks. The limit, and the era of
// the numbers that it is counted under, are above that.
const (
	idShift, idMask = 3, 0x1f
	long            = idMask // as the length: the bucket has a longID
	lengthMask      = idMask << idShift
	limitEra        = 1 << 8
	leftShift       = 9
	belowLimit      = 1<<leftShift - 1
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
func (b *Bucket) TAT() int64 { return b.arrival.Load() >> tatShift }

func (b *Bucket) isAlive() bool { return b.arrival.Load() >= 0 }

// IsDirty reports whether the bucket is alive and has spending that isn't stored.
func (b *Bucket) IsDirty() bool {
	was := b.arrival.Load()
	return was >= 0 && was&dirtyBit != 0
}

// DirtyAsSeen observes a bucket of a Backlog. ok reports whether the bucket is still dirty where it
// was seen, has no limit, and has the default rate. Only then CleanAsSeen works.
func (t *Table) DirtyAsSeen(b *Bucket) (seen Observation, ok bool) {
	was, marks := b.arrival.Load(), b.marks.Load()
	n := t.numbers.Load()
	seen = Observation{b, &n.defaults, was >> tatShift, n}
	return seen, was >= 0 && was&dirtyBit != 0 && was&eraBit == n.era &&
		marks&uint64(Limited) == 0 && (b.length() != long || b.longID().rate == 0)
}

// exists reports whether the bucket holds anything at now: an unmanaged one that is full doesn't.
func (b *Bucket) exists(tat, now int64) bool { return b.Has(Managed) || tat > now }

// Has reports whether the bucket has one of these marks.
func (b *Bucket) Has(m Mark) bool { return b.marks.Load()&uint64(m) != 0 }

// Set adds marks. The bucket's page is claimed.
func (b *Bucket) Set(m Mark) { b.marks.Or(uint64(m)) }

// Clear removes marks. The bucket's page is claimed.
func (b *Bucket) Clear(m Mark) { b.marks.And(^uint64(m)) }

// limitCut is the part of a limit that marks have no room for. It costs a client up to 256 ns of
// refill.
const limitCut = 1<<8 - 1

// limitMarks returns the marks of a bucket with this limit, under these numbers.
func limitMarks(limit int64, n *numbers) uint64 {
	era := ^n.oldLimit & limitEra
	return uint64(max(0, limit))&^limitCut<<1 | era | uint64(Limited)
}

// limitOf is the limit in marks; Never if there is none.
func limitOf(marks uint64) int64 {
	if marks&uint64(Limited) == 0 {
		return Never
	}
	return int64(marks &^ belowLimit >> 1)
}

// setLimit sets the arrival time that no take may pass, under these numbers. The bucket's page is
// claimed.
func (b *Bucket) setLimit(limit int64, n *numbers) {
	b.marks.Store(b.marks.Load()&belowLimit&^limitEra | limitMarks(limit, n))
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
func (t *Table) killIfFull(b *Bucket, now int64) bool {
	was := b.arrival.Load()
	n := t.numbers.Load()
	//mutant:nonatomic a-full-bucket-is-killed-by-a-store
	return was&dirtyBit == 0 && was&eraBit == n.era && was>>tatShift <= now && b.arrival.CompareAndSwap(was, dead)
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

// Observation is a bucket as it was at a moment.
type Observation struct {
	Bucket *Bucket
	Rate   *gcra.Rate
	TAT    int64
	under  *numbers
}

// Holding is what the bucket held at now, or a moment later: not before the numbers began that it
// is counted under.
func (o *Observation) Holding(now int64) gcra.Holding {
	at := max(now, o.under.moment())
	return o.Rate.Holding(o.TAT, at)
}
