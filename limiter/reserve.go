package limiter

import (
	"math"
	"runtime"
)

// With Options.Strict no crash gives anything back. A row then says how many tokens its client may spend
// before its next row is stored: those that are reserved. A bucket with such a row has a limit, which is the
// arrival time that it comes to when all of them are spent, and a take that would pass it is refused. A start that
// follows a crash counts them as spent.
//
// A client without a row needs no reservation: that start gives it an empty bucket, whatever it spent. So its bucket
// has no limit; nor has one whose row reserves everything.
//
// The order is what makes it hold. A limit is raised, or taken off, when the row is stored. One that
// is new is set before its row is written, and together with a new bucket in the place of the old one: a taker that
// has not seen the limit meets a dead bucket.

// everything is reserved: after a crash the bucket starts empty.
func everything() float64 { return math.Inf(1) }

// limitCut is how much of a limit bucket.marks have no room for. It costs a client up to 256 ns of refill.
const limitCut = 1<<8 - 1

// limit is the arrival time that no take may pass; never where there is none.
func (b *bucket) limit() int64 {
	marks := b.marks.Load()
	if marks&limited == 0 {
		return never
	}
	return int64(marks &^ flags >> 1)
}

// setLimit is called by those who hold the write lock; takers may set flags meanwhile.
func (b *bucket) setLimit(limit int64) {
	for {
		marks := b.marks.Load()
		if b.marks.CompareAndSwap(marks, uint64(max(0, limit))&^limitCut<<1|marks&flags|limited) {
			return
		}
	}
}

// takeReserved is take for buckets that may have limits. short says that there was a token that
// isn't reserved yet; the bucket is in the dirty list then, so that a flush reserves it.
func (t *table) takeReserved(clientID string, now int64) (d Decision, short bool) {
	hash := t.hasher.hash(clientID)
	s := t.shard(hash)
	for {
		b, ok := s.buckets.Load(clientID)
		if !ok {
			b = t.admit(s, hash, clientID, now)
		}
		if d, short, alive := b.takeUpTo(b.limit(), now); alive {
			if (d.Allowed || short) && !b.has(dirty) {
				s.dirty.add(b, now)
			}
			return d, short
		}
		runtime.Gosched()
	}
}

// takeUpTo is take with a limit, which was read before the arrival time: it only rises.
func (b *bucket) takeUpTo(limit, now int64) (d Decision, short, alive bool) {
	for {
		tat := b.arrival.Load()
		if tat == dead {
			return Decision{}, false, false
		}
		next, ok := b.rate.spend(tat, now)
		if !ok || next > limit {
			return b.rate.decision(false, tat, now).within(limit-max(tat, now), b.rate), ok, true
		}
		if b.arrival.CompareAndSwap(tat, next) {
			return b.rate.decision(true, next, now).within(limit-next, b.rate), false, true
		}
	}
}

// within cuts a decision to so many nanoseconds of refill that are reserved.
func (d Decision) within(reserved int64, r *rate) Decision {
	d.Remaining = min(d.Remaining, max(0, reserved)/r.cost)
	return d
}

// reserve is how many tokens a row reserves: half the capacity, so that what a crash leaves is worth
// having; or what is earned in some flush intervals, so that a client at its full rate never comes to its limit.
func (s *Service) reserve(r *rate) int64 {
	const flushes = 4
	return max((r.Capacity+1)/2, int64(s.o.FlushInterval)*flushes/r.cost+1)
}

// reserved is the credit that so many tokens are, rounded up.
func (r *rate) reserved(tokens float64) int64 {
	if tokens >= float64(maxSpan/r.cost) {
		return maxSpan
	}
	return int64(math.Ceil(tokens)) * r.cost
}

// limit puts a bucket with a limit in the place of one that has none, and gives its arrival time. The
// caller holds the write lock. nil: the bucket is dead.
func (t *table) limit(b *bucket, now, reserve int64) (fresh *bucket, tat int64) {
	was, ok := b.kill(now)
	if !ok {
		return nil, 0
	}
	tat = b.rate.tat(was.credit, was.at)
	fresh = newBucket(b.clientID(), b.rate, tat, b.has(managed))
	fresh.set(b.marks.Load() & stored)
	fresh.setLimit(max(tat, now) + reserve)
	t.shardOf(b.clientID()).buckets.Store(fresh.clientID(), fresh)
	return fresh, tat
}

// reservation is what a row reserves.
type reservation struct {
	bucket *bucket
	tokens float64
	limit  int64 // never: none
}

// reserveFor says what the row of a bucket is to reserve. One that is full gets everything, since its row would have to
// be written again and again for its client to find anything when it comes. The bucket may be
// replaced, to have a limit; nil: it is dead.
func (s *Service) reserveFor(b *bucket, tat, now int64) (r reservation, newTAT int64, isNew bool) {
	if tat <= now {
		return reservation{b, everything(), never}, tat, false
	}
	tokens := s.reserve(b.rate)
	credit := tokens * b.rate.cost
	if isNew = !b.has(limited); isNew {
		b, tat = s.table.limit(b, now, credit)
	}
	return reservation{b, float64(tokens), max(tat, now) + credit}, tat, isNew
}

// hold sets the limit of a reservation that is stored.
func (r reservation) hold() {
	if r.limit == never {
		r.bucket.clear(limited)
		return
	}
	r.bucket.setLimit(r.limit)
}
