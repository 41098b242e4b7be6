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

// content is the credit of the new bucket, under its rate, if the old one held was.
func (p plan) content(is *gcra.Rate, was gcra.Holding) int64 {
	switch {
	case p.tokens != nil:
		return min(*p.tokens, is.Capacity) * is.Interval
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
	return is.TAT(p.content(is, was), at)
}
