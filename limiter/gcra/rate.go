package gcra

import (
	"math"
	"math/bits"
)

// Rate is Settings with the numbers that the arithmetic needs. It is immutable, and buckets with
// the same settings share one.
//
// Times are nanoseconds of a monotonic clock. The content of a bucket is its credit: the
// nanoseconds of refill that it holds, from 0 to Span. A token is Interval of them. The theoretical
// arrival time, tat, is the moment at which the credit reaches Span: credit = Span - (tat - now).
type Rate struct {
	Settings
	// Tier is the name of the tier whose numbers the Settings are; "" if they are nobody's.
	Tier     string
	Interval int64 // Refill.Interval, the credit of one token
	Span     int64 // Capacity * Interval, the time from empty to full
	// inverse is 2^64 / Interval, rounded down. Multiplying by it is much faster than dividing.
	inverse uint64
}

// NewRate expects Settings that Validate accepts.
func NewRate(s Settings) *Rate {
	interval := s.Refill.Interval()
	return &Rate{
		Settings: s, Interval: interval, Span: s.Capacity * interval,
		inverse: math.MaxUint64 / uint64(interval),
	}
}

// In is the rate with the name of a tier.
func (r *Rate) In(tier string) *Rate {
	named := *r
	named.Tier = tier
	return &named
}

// Price is the credit that so many tokens are. A bucket that can't hold so many is asked for all
// that it can hold.
func (r *Rate) Price(cost int64) int64 {
	//mutant:first a-cost-above-a-capacity-is-never-cut
	return min(cost, r.Capacity) * r.Interval
}

// Credit is what a bucket with this tat holds at now.
func (r *Rate) Credit(tat, now int64) int64 {
	return max(0, r.Span-max(0, tat-now))
}

// TAT is the arrival time of a bucket that holds this credit at now.
func (r *Rate) TAT(credit, now int64) int64 { return now + r.Span - credit }

// Spend is the tat after a price is taken at now. It reports false if the credit is below that.
func (r *Rate) Spend(tat, now, price int64) (int64, bool) {
	next := max(tat, now) + price
	return next, next-now <= r.Span
}

// Holding is what a bucket held at a moment.
type Holding struct {
	Rate   *Rate // nil: there was no bucket
	Credit int64
	At     int64
}

// Holding is what a bucket with this tat holds at now, or a moment later. A taker may have read the
// clock after the caller did, and spent what wasn't there yet at now. Counting at the later moment
// forgives nothing.
func (r *Rate) Holding(tat, now int64) Holding {
	at := max(now, tat-r.Span)
	return Holding{r, r.Credit(tat, at), at}
}

// Whole is how many whole tokens this credit is: credit / Interval. The inverse is rounded down and
// credit is below 2^62, so the product is right or one too low.
func (r *Rate) Whole(credit int64) int64 {
	whole, _ := bits.Mul64(uint64(credit), r.inverse)
	if int64(whole+1)*r.Interval <= credit {
		whole++
	}
	return int64(whole)
}

// Tokens is the credit as stores keep it, with the fraction of a token. It never stands for more
// than the credit. A float64 that was rounded up is taken down again, so that no restart hands out
// tokens.
func (r *Rate) Tokens(credit int64) float64 {
	whole, part := credit/r.Interval, credit%r.Interval
	tokens := float64(whole) + float64(part)/float64(r.Interval)
	for r.FromTokens(tokens) > credit {
		tokens = math.Nextafter(tokens, 0)
	}
	return tokens
}

// FromTokens is the credit that tokens stand for, rounded down and cut to what the bucket can hold.
func (r *Rate) FromTokens(tokens float64) int64 {
	if !(tokens > 0) { // NaN, too
		return 0
	}
	if tokens >= float64(r.Capacity) {
		return r.Span
	}
	whole := math.Floor(tokens)
	return min(r.Span, int64(whole)*r.Interval+int64((tokens-whole)*float64(r.Interval)))
}

// Reserved is the credit that tokens stand for, rounded up to whole tokens and cut to MaxSpan.
func (r *Rate) Reserved(tokens float64) int64 {
	if tokens >= float64(MaxSpan/r.Interval) {
		return MaxSpan
	}
	return int64(math.Ceil(tokens)) * r.Interval
}

// Convert turns a credit under r into a credit under to that stands for the same number of tokens,
// cut to the new capacity and rounded down. A credit below 0 is owed, MaxSpan at most.
func (r *Rate) Convert(credit int64, to *Rate) int64 {
	//mutant:true what-was-earned-counts-at-the-new-rate
	if r.Interval == to.Interval {
		//mutant:first a-reload-does-not-cut-the-capacity
		return min(credit, to.Span)
	}
	if credit < 0 {
		return -r.convertOwed(-credit, to)
	}
	whole, part := credit/r.Interval, uint64(credit%r.Interval)
	//mutant:false a-reload-does-not-cut-the-capacity
	if whole >= to.Capacity {
		return to.Span
	}
	hi, lo := bits.Mul64(part, uint64(to.Interval))
	fraction, _ := bits.Div64(hi, lo, uint64(r.Interval))
	return whole*to.Interval + int64(fraction)
}

// convertOwed is rounded up, and cut to MaxSpan.
func (r *Rate) convertOwed(credit int64, to *Rate) int64 {
	hi, lo := bits.Mul64(uint64(credit), uint64(to.Interval))
	lo, carry := bits.Add64(lo, uint64(r.Interval)-1, 0)
	hi += carry
	if hi >= uint64(r.Interval) { // the quotient doesn't fit
		return MaxSpan
	}
	owed, _ := bits.Div64(hi, lo, uint64(r.Interval))
	return int64(min(owed, MaxSpan))
}

// Since is the arrival time, under to, of a bucket that had this one under r until the moment at.
// What was spent stays spent, what was earned until then was earned under r, and the credit is cut
// to what the new capacity allows. If fills is set, a bucket that was full then is full.
func (r *Rate) Since(tat, at int64, to *Rate, fills bool) int64 {
	//mutant:true a-reload-refills-buckets
	if tat <= at {
		//mutant:true a-full-managed-bucket-is-filled-by-a-reload
		if fills {
			return at
		}
		tat = at
	}
	return to.TAT(r.Convert(r.Span-(tat-at), to), at)
}
