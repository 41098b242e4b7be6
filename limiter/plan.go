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

// content is the credit of the new bucket if the old one held was.
func (p plan) content(was gcra.Holding) int64 {
	switch {
	case p.tokens != nil:
		return *p.tokens * p.rate.Interval
	case p.from == nil && was.Rate == nil:
		return p.rate.Span
	case p.from == nil:
		// The client came while the store was writing. Its new bucket lacks what it has spent.
		return p.rate.Span - was.Rate.Convert(was.Rate.Span-was.Credit, p.rate)
	case was.Rate == nil:
		// The bucket became full, and was reaped, since the plan was made.
		return p.from.Convert(p.from.Span, p.rate)
	}
	return was.Rate.Convert(was.Credit, p.rate)
}

// arrival is the arrival time of the new bucket if the old one held was. Requested tokens count
// from the moment that is in the store.
func (p plan) arrival(was gcra.Holding) int64 {
	at := was.At
	if p.tokens != nil {
		at = p.at
	}
	//mutant:less an-admin-write-gives-back-what-was-spent
	return p.rate.TAT(p.content(was), at)
}
