package limiter

import (
	"math"

	"gopher-equalizer/limiter/gcra"
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

// limitCut is how much of a limit bucket.marks have no room for. It costs a client up to 128 ns of refill.
const limitCut = 1<<7 - 1

// limitMarks are the marks of a bucket with a limit.
func limitMarks(limit int64) uint64 { return uint64(max(0, limit))&^limitCut<<1 | limited }

// limit is the arrival time that no take may pass; never where there is none.
func (b *bucket) limit() int64 {
	marks := b.marks.Load()
	if marks&limited == 0 {
		return never
	}
	return int64(marks &^ flags >> 1)
}

// setLimit is called by those who have locked the page.
func (b *bucket) setLimit(limit int64) {
	b.marks.Store(b.marks.Load()&flags | limitMarks(limit))
}

// takeReserved is take for buckets that may have limits. short says that there was a token that
// isn't reserved yet; the bucket is dirty then, so that a flush reserves it.
func (t *table) takeReserved(clientID string, now int64) (d Decision, short bool) {
	hash := t.hasher.hash(clientID)
	s := t.shard(hash)
	for {
		l := s.leaf(hash)
		b := l.find(hash, clientID)
		if b == nil {
			b, l = t.admit(clientID, now)
		}
		took := b.takeUpTo(b.limit(), l.rateOf(b, t.defaults), now)
		if took.gone {
			l.fetch(b, hash, clientID)
			continue
		}
		if took.first {
			s.dirty.add(l.page, now)
		}
		return took.Decision, took.short
	}
}

// reservedTake is what came of a take from a bucket that may have a limit.
type reservedTake struct {
	Decision
	short, first, gone bool
}

// takeUpTo is take with a limit, which was read before the arrival time: it only rises.
func (b *bucket) takeUpTo(limit int64, r *gcra.Rate, now int64) reservedTake {
	for {
		was := b.arrival.Load()
		if was < 0 {
			return reservedTake{gone: true}
		}
		tat := was >> 1
		next, ok := r.Spend(tat, now)
		switch {
		case !ok:
			return reservedTake{Decision: decision(r, false, tat, now).within(limit-max(tat, now), r)}
		case next > limit:
			if was&dirty != 0 || b.arrival.CompareAndSwap(was, was|dirty) {
				d := decision(r, false, tat, now).within(limit-max(tat, now), r)
				return reservedTake{Decision: d, short: true, first: was&dirty == 0}
			}
		case b.arrival.CompareAndSwap(was, next<<1|dirty):
			return reservedTake{Decision: decision(r, true, next, now).within(limit-next, r), first: was&dirty == 0}
		}
	}
}

// within cuts a decision to so many nanoseconds of refill that are reserved.
func (d Decision) within(reserved int64, r *gcra.Rate) Decision {
	d.Remaining = min(d.Remaining, max(0, reserved)/r.Interval)
	return d
}

// reserve is how many tokens a row reserves: half the capacity, so that what a crash leaves is worth
// having; or what is earned in some flush intervals, so that a client at its full rate never comes to its limit.
func (s *Service) reserve(r *gcra.Rate) int64 {
	const flushes = 4
	return max((r.Capacity+1)/2, int64(s.o.FlushInterval)*flushes/r.Interval+1)
}

// limit puts a bucket with a limit in the place of one that has none, and gives its arrival time. The
// caller holds the write lock.
func (c *claim) limit(b *bucket, now, reserve int64) (fresh *bucket, tat int64) {
	r := c.rateOf(b)
	was := c.kill(b, now)
	tat = r.TAT(was.Credit, was.At)
	return c.put(r, b.marks.Load()&(stored|managed)|limitMarks(max(tat, now)+reserve), tat), tat
}

// reservation is what a row reserves.
type reservation struct {
	bucket *bucket // which may be another than before, to have a limit: then isNew
	tat    int64
	isNew  bool
	tokens float64
	limit  int64 // never: none
}

// reserveFor says what the row of a bucket is to reserve. One that is full gets everything, since its row would have to
// be written again and again for its client to find anything when it comes.
func (s *Service) reserveFor(at *claim, b *bucket, tat, now int64) reservation {
	if tat <= now {
		return reservation{bucket: b, tat: tat, tokens: everything(), limit: never}
	}
	r := at.rateOf(b)
	tokens := s.reserve(r)
	credit := tokens * r.Interval
	isNew := !b.has(limited)
	if isNew {
		b, tat = at.limit(b, now, credit)
	}
	return reservation{b, tat, isNew, float64(tokens), max(tat, now) + credit}
}

// hold sets the limit of a reservation that is stored.
func (r reservation) hold(b *bucket) {
	if r.limit == never {
		b.clear(limited)
		return
	}
	b.setLimit(r.limit)
}
