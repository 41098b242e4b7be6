package table

// Package lease keeps what a replica holds for its clients in tables whose clock stands still: all
// readings are 0, and a bucket's credit is what is held. These are the calls that only it needs.

// Want makes the client's bucket dirty, so that the next TakeDirty finds it, and returns its marks.
// It makes the bucket if there is none, and reports false if there is no room for it.
func (t *Table) Want(clientID string, now int64) (Mark, bool) {
	hash, s := t.locate(clientID)
	for {
		e := s.entry(hash)
		b := e.find(hash, clientID)
		if b == nil {
			if b, e = t.admit(hash, s, clientID, 0); b == t.overflowOf(hash) {
				return 0, false
			}
		}
		was, marks := b.arrival.Load(), b.marks.Load()
		if was < 0 {
			t.bringUp(e, b, hash, clientID)
			continue
		}
		if _, ok := s.refuse(e.page, b, true, was, now); ok {
			return Mark(marks) & (Stored | Managed | Limited), true
		}
	}
}

// Has reports whether the client has a bucket with one of these marks.
func (t *Table) Has(clientID string, m Mark) bool {
	hash, s := t.locate(clientID)
	b := s.entry(hash).find(hash, clientID)
	return b != nil && b.Has(m)
}

// SetLeft keeps with a bucket that has no limit, in the place of one, how many tokens there are
// beside those in it. The bucket's page is claimed.
func (b *Bucket) SetLeft(tokens int64) {
	b.marks.Store(b.marks.Load()&belowLimit | uint64(tokens+1)<<leftShift)
}

// Left is what SetLeft was told of a bucket that has no limit; false if it wasn't called.
func (t *Taken) Left() (tokens int64, ok bool) {
	n := int64(t.marks >> leftShift)
	return max(0, n-1), n > 0
}

// Tokens are the whole tokens in the client's bucket as of the moment 0.
func (c *Claim) Tokens(b *Bucket) int64 {
	seen := c.Observe(b)
	return seen.Rate.Credit(seen.TAT, 0) / seen.Rate.Interval
}

// Tell is Tokens for somebody who goes by them: takes that have spent by now give nothing back.
func (c *Claim) Tell(b *Bucket) int64 {
	tokens := c.Tokens(b)
	c.entry.told.Add(1) // After the bucket was read: who begins later than this isn't in there.
	return tokens
}

// Add adds whole tokens to the client's bucket, which has room for them. The bucket is alive. Takes
// that have spent by now give nothing back, as there may be no room.
func (c *Claim) Add(b *Bucket, tokens int64) {
	defer c.entry.told.Add(1)
	interval := c.Observe(b).Rate.Interval
	for {
		was := b.arrival.Load()
		tat := max(0, was>>tatShift-tokens*interval)
		if b.arrival.CompareAndSwap(was, tat<<tatShift|was&(dirtyBit|eraBit)) {
			return
		}
	}
}

// Drain takes all whole tokens above some from the client's bucket, as of the moment 0, and returns
// how many it has taken.
func (c *Claim) Drain(b *Bucket, above int64) (taken int64) {
	r := c.Observe(b).Rate
	for {
		was := b.arrival.Load()
		taken = r.Credit(was>>tatShift, 0)/r.Interval - above
		if taken <= 0 {
			return 0
		}
		tat := was>>tatShift + taken*r.Interval
		if b.arrival.CompareAndSwap(was, tat<<tatShift|was&(dirtyBit|eraBit)) {
			return taken
		}
	}
}
