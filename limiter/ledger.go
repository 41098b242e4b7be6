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
//
// A start with other settings restores limits, too. A limit is where the row's tokens, less the
// reserved ones, come to at the moment when the start reads the row, under the other settings from
// then on. The store has a note of the change before anybody spends, with a span of time that this
// moment is in. A start after a crash credits the row for the moment within the span that leaves
// the client least. So it gives no more than a client has that spent up to its limit.

// reserve is how many tokens a row reserves. It is half the capacity, so that a crash leaves a
// useful rest, or what is earned in some flush intervals, so that a client at its full rate never
// reaches its limit.
func (l *Limit) reserve(r *gcra.Rate) int64 {
	const flushes = 4
	return max((r.Capacity+1)/2, int64(l.service.options().FlushInterval)*flushes/r.Interval+1)
}

// reservation is what the row of a bucket reserves.
type reservation struct {
	table.Observation // if isNew, of another bucket than before, with a limit
	isNew             bool
	tokens            float64
	limit             int64 // table.Never: none
}

// reserveFor is what the row of a bucket reserves. A full bucket reserves everything. Otherwise its
// row would have to be written again and again so that its client finds tokens when it comes.
func (l *Limit) reserveFor(at *table.Claim, seen table.Observation, now int64) reservation {
	if seen.TAT <= now {
		return reservation{Observation: seen, tokens: math.Inf(1), limit: table.Never}
	}
	tokens, seen := l.reserveAbove(at, seen, now)
	isNew := !seen.Bucket.Has(table.Limited)
	//mutant:false a-new-limit-comes-to-a-bucket-that-takers-have
	if isNew {
		seen = at.Limit(seen.Bucket, now, tokens)
	}
	return reservation{seen, isNew, float64(tokens), max(seen.TAT, now) + tokens*seen.Rate.Interval}
}

// reserveAbove is how many tokens to reserve: not less than what may still be spent of the present
// limit, which may come of other numbers.
func (l *Limit) reserveAbove(at *table.Claim, seen table.Observation, now int64) (int64, table.Observation) {
	tokens := l.reserve(seen.Rate)
	if !seen.Bucket.Has(table.Limited) {
		return tokens, seen
	}
	limit, ok := at.LimitOf(seen)
	for !ok {
		seen = at.Observe(seen.Bucket)
		limit, ok = at.LimitOf(seen)
	}
	left := max(0, limit-max(seen.TAT, now))
	//mutant:drop a-row-reserves-less-than-was-reserved-before-a-reload
	tokens = max(tokens, (left+seen.Rate.Interval-1)/seen.Rate.Interval)
	return tokens, seen
}

// hold sets the limit of a stored reservation. If it was made under other numbers, the next row
// makes another one.
func (r reservation) hold(at *table.Claim, b *table.Bucket, since int64) {
	if !at.SetLimit(b, r.limit, r.Observation) {
		at.MarkDirty(b, since)
	}
}
