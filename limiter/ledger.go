package limiter

import (
	"math"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/table"
)

// With Options.Strict no crash gives anything back. Each row then also has a number of reserved
// tokens: what its client may spend before the next row is stored. A bucket with such a row has a
// limit: its arrival time once all of them are spent. A take that would pass the limit is refused.
// A start that follows a crash counts the reserved tokens as spent.
//
// A client without a row needs no reservation, since that start gives it an empty bucket. So its
// bucket has no limit. A bucket whose row reserves everything has none either.
//
// The order matters. A limit is raised, or taken off, after its row is stored. A new limit is set
// before its row is written, together with a new bucket in place of the old one, so that a taker
// that hasn't seen the limit meets a dead bucket.

// reserve is how many tokens a row reserves. It is half the capacity, so that a crash leaves a
// useful rest, or what is earned in some flush intervals, so that a client at its full rate never
// reaches its limit.
func (l *Limit) reserve(r *gcra.Rate) int64 {
	const flushes = 4
	return max((r.Capacity+1)/2, int64(l.service.o.FlushInterval)*flushes/r.Interval+1)
}

// reservation is what a row reserves.
type reservation struct {
	bucket *table.Bucket // if isNew, another one than before, with a limit
	tat    int64
	isNew  bool
	tokens float64
	limit  int64 // table.Never: none
}

// reserveFor is what the row of a bucket reserves. A full bucket reserves everything. Otherwise its
// row would have to be written again and again so that its client finds tokens when it comes.
func (l *Limit) reserveFor(at *table.Claim, b *table.Bucket, tat, now int64) reservation {
	if tat <= now {
		return reservation{bucket: b, tat: tat, tokens: math.Inf(1), limit: table.Never}
	}
	r := at.Rate(b)
	tokens := l.reserve(r)
	credit := tokens * r.Interval
	isNew := !b.Has(table.Limited)
	//mutant:false a-new-limit-comes-to-a-bucket-that-takers-have
	if isNew {
		b, tat = at.Limit(b, now, credit)
	}
	return reservation{b, tat, isNew, float64(tokens), max(tat, now) + credit}
}

// hold sets the limit of a stored reservation.
func (r reservation) hold(b *table.Bucket) {
	if r.limit == table.Never {
		b.Clear(table.Limited)
		return
	}
	b.SetLimit(r.limit)
}
