package limiter

import "gopher-equalizer/limiter/gcra"

// plan is what an admin write turns a bucket into.
type plan struct {
	rate   *gcra.Rate
	tokens *int64     // nil: those that the bucket has
	at     int64      // the moment that the plan was made for
	from   *gcra.Rate // of the bucket that there was then; nil: there was none
	stored int64      // the arrival time of what goes to the store
}

// standing is what an admin write finds.
type standing struct {
	rate    *gcra.Rate
	managed bool
}

// content is the credit of the new bucket, under the plan's rate, if the old one held was.
func (p plan) content(was gcra.Holding) int64 {
	is := p.rate
	switch {
	case p.tokens != nil:
		return *p.tokens * is.Interval
	case p.from == nil && was.Rate == nil:
		return is.Span
	case p.from == nil:
		// The client came while the store was writing. Its new bucket lacks what it has spent.
		return max(0, is.Span-was.Rate.Convert(was.Rate.Span-was.Credit, is))
	case was.Rate == nil:
		// The bucket became full, and was reaped, since the plan was made.
		return p.from.Convert(p.from.Span, is)
	}
	return was.Rate.Convert(was.Credit, is)
}

// contentUnder is the credit under the rate that the bucket gets, which is another one if its tier
// has had other numbers since. A bucket that comes into the tier is first cut by the plan's, as its
// row was. So a crash takes nothing of it. One that was in the tier has been converted already.
func (p plan) contentUnder(is *gcra.Rate, was gcra.Holding) int64 {
	if p.tokens == nil && was.Rate == is {
		return was.Credit
	}
	return p.rate.Convert(p.content(was), is)
}

// arrival is the arrival time of the new bucket if the old one held was. Requested tokens count
// from the moment that is in the store.
//
// If the bucket's tier has had other numbers since, they count from when the bucket is written. So
// what was earned in between is lost.
func (p plan) arrival(is *gcra.Rate, was gcra.Holding) int64 {
	at := was.At
	if p.tokens != nil && is == p.rate {
		at = p.at
	}
	//mutant:less an-admin-write-gives-back-what-was-spent
	return is.TAT(p.contentUnder(is, was), at)
}
