package limiter

import (
	"math"
	"math/bits"
	"time"
)

// rate is Settings with the numbers that the arithmetic needs. It is immutable and shared
// by all buckets with the same settings.
//
// Times are nanoseconds of Clock.Monotonic. A bucket's content is its credit: the
// nanoseconds of refill that it holds, from 0 to span; a token is cost of them. The
// theoretical arrival time, tat, is when the credit reaches span: credit = span - (tat - now).
type rate struct {
	Settings
	cost int64 // of one token
	span int64 // Capacity * cost: the time from empty to full
	// inverse is 2^64 / cost, rounded down: a multiplication by it takes a fraction of the time of a division.
	inverse uint64
}

// newRate expects Settings that Validate accepts.
func newRate(s Settings) *rate {
	cost := s.Refill.Cost()
	return &rate{Settings: s, cost: cost, span: s.Capacity * cost, inverse: math.MaxUint64 / uint64(cost)}
}

// credit is what a bucket with this tat holds at now.
func (r *rate) credit(tat, now int64) int64 {
	return max(0, r.span-max(0, tat-now))
}

// tat is the arrival time of a bucket that holds this credit at now.
func (r *rate) tat(credit, now int64) int64 { return now + r.span - credit }

// holding is what a bucket held at a moment.
type holding struct {
	rate   *rate // nil: there was no bucket
	credit int64
	at     int64
}

// holding is what a bucket with this tat holds at now, or a moment later: a taker may have read the clock
// after the caller did, and spent what was not there yet at now. Looking at that
// moment takes nothing off what is owed.
func (r *rate) holding(tat, now int64) holding {
	at := max(now, tat-r.span)
	return holding{r, r.credit(tat, at), at}
}

// spend is the tat after one token is taken at now; false if there is none to take.
func (r *rate) spend(tat, now int64) (int64, bool) {
	next := max(tat, now) + r.cost
	return next, next-now <= r.span
}

// decision describes a bucket with this tat at now.
func (r *rate) decision(allowed bool, tat, now int64) Decision {
	credit := r.credit(tat, now)
	retryAfter := nanoseconds(max(0, r.cost-credit))
	return Decision{allowed, r.whole(credit), retryAfter, &r.Settings}
}

// whole is how many whole tokens so much credit is: credit / cost. As the inverse was rounded down, and credit is below 2^62, what it
// gives is that or one less.
func (r *rate) whole(credit int64) int64 {
	estimate, _ := bits.Mul64(uint64(credit), r.inverse)
	if rest := credit - int64(estimate)*r.cost; rest >= r.cost {
		estimate++
	}
	return int64(estimate)
}

// record is a bucket with this credit as a store keeps it; wall is when it had it.
func (r *rate) record(clientID string, managed bool, credit int64, wall time.Time) Record {
	return Record{ClientID: clientID, Managed: managed, Settings: r.Settings, Tokens: r.tokens(credit), At: storedTime(wall)}
}

// tokens is the credit as records carry it. It never stands for more than the credit:
// a float64 that was rounded up is taken down again, so that no restart hands out tokens.
func (r *rate) tokens(credit int64) float64 {
	whole, part := credit/r.cost, credit%r.cost
	tokens := float64(whole) + float64(part)/float64(r.cost)
	for r.fromTokens(tokens) > credit {
		tokens = math.Nextafter(tokens, 0)
	}
	return tokens
}

// fromTokens is the credit that tokens stand for, cut to what the bucket can hold.
func (r *rate) fromTokens(tokens float64) int64 {
	if !(tokens > 0) { // also what isn't a number
		return 0
	}
	if tokens >= float64(r.Capacity) {
		return r.span
	}
	whole := math.Floor(tokens)
	return min(r.span, int64(whole)*r.cost+int64((tokens-whole)*float64(r.cost)))
}

// convert is the same number of tokens, from a credit under r, as a credit under to:
// cut to the new capacity, and rounded down.
func (r *rate) convert(credit int64, to *rate) int64 {
	if r.cost == to.cost {
		return min(credit, to.span)
	}
	whole, part := credit/r.cost, uint64(credit%r.cost)
	if whole >= to.Capacity {
		return to.span
	}
	hi, lo := bits.Mul64(part, uint64(to.cost))
	fraction, _ := bits.Div64(hi, lo, uint64(r.cost))
	return whole*to.cost + int64(fraction)
}
