package table

import (
	"gopher-equalizer/limiter/gcra"
)

// A bucket follows other numbers in place: its word is swapped for the one that it is under them.
// Takers do that for the bucket that they need, and Renew for all others, under the page's lock.
// Renew takes every page's lock, and the next reload waits for it. So nobody is between reading a
// word and swapping it while the numbers change once more, after which the word could be the very
// same one again. If the bucket has a limit, that follows first.

// renewWord has a bucket's word follow the present numbers, if it is of those before. The bucket's
// page is locked, or overflowing is held.
func (t *Table) renewWord(e entry, b *Bucket) {
	was := b.arrival.Load()
	n := t.numbers.Load()
	before := n.before.Load()
	if was < 0 || was&eraBit == n.era || before == nil {
		return
	}
	//mutant:third a-bucket-keeps-its-former-numbers
	tat := n.since(before, e.listed(b), was>>tatShift, !b.Has(Managed))
	b.arrival.CompareAndSwap(was, tat<<tatShift|was&dirtyBit|n.era)
}

// renewBucket has a bucket's limit and its word follow. The bucket's page is locked.
func (t *Table) renewBucket(e entry, b *Bucket) {
	for {
		was, marks := b.arrival.Load(), b.marks.Load()
		n := t.numbers.Load()
		if was < 0 || n.counts(was, marks) {
			return
		}
		if before := n.before.Load(); before != nil && n.hasOldLimit(marks) {
			//mutant:third a-limit-keeps-its-former-numbers
			limit := n.since(before, e.listed(b), limitOf(marks), !b.Has(Managed))
			b.marks.Store(marks&belowLimit&^limitEra | limitMarks(limit, n))
		}
		t.renewWord(e, b)
	}
}

// renewOverflow has an overflow bucket follow.
func (t *Table) renewOverflow(b *Bucket) {
	t.overflowing.Lock()
	defer t.overflowing.Unlock()
	for b.arrival.Load()&eraBit != t.numbers.Load().era {
		t.renewWord(entry{}, b)
	}
}

// value is what a word that can't change any more stands for, under the present numbers. The
// bucket's page is locked.
func (t *Table) value(e entry, b *Bucket, word int64) Observation {
	n, listed, tat := t.numbers.Load(), e.listed(b), word>>tatShift
	if before := n.before.Load(); before != nil && word&eraBit != n.era {
		tat = n.since(before, listed, tat, !b.Has(Managed))
	}
	return Observation{b, n.of(listed), tat, n}
}

// observe is a live bucket as it is now. The bucket's page is locked.
func (t *Table) observe(e entry, b *Bucket) Observation { return t.value(e, b, b.arrival.Load()) }

// Renumber gives all buckets that follow the limit's settings other ones, from now on. Renew was
// called since the last Renumber, or Renumber takes as long as that.
func (t *Table) Renumber(defaults gcra.Settings, tiers map[string]gcra.Settings, clock Clock) {
	t.Renew(nil)
	before := t.numbers.Load()
	n := newNumbers(defaults, tiers)
	n.follow(before, clock)
	t.numbers.Store(n)
	at := n.moment()
	if until := t.emptyUntil.Load(); until > at {
		t.emptyUntil.Store(n.since(before, nil, until, true))
	}
}

// IsRenewed reports whether all buckets follow the present numbers.
func (t *Table) IsRenewed() bool { return t.numbers.Load().before.Load() == nil }

// renewPages is how many pages Renew does between two pauses. It takes some 100 microseconds.
const renewPages = 32

// Renew has all buckets follow the present numbers. It calls pause now and then, unless it is nil.
// A call without a pause makes the one under way go on without any.
func (t *Table) Renew(pause func()) {
	if pause == nil {
		t.hurried.Add(1)
		defer t.hurried.Add(-1)
	}
	t.renewing.Lock()
	defer t.renewing.Unlock()
	n := t.numbers.Load()
	if n.before.Load() == nil {
		return
	}
	for i := range t.overflow {
		t.renewOverflow(&t.overflow[i])
	}
	for i := range t.shards {
		s := &t.shards[i]
		for number := uint32(0); number < s.pages.Load(); number++ {
			t.renewPage(s, number)
			if pause != nil && number%renewPages == renewPages-1 && t.hurried.Load() == 0 {
				pause()
			}
		}
	}
	n.before.Store(nil)
}

// renewPage locks the shape, too, so that the page isn't merged into another one meanwhile.
func (t *Table) renewPage(s *shard, number uint32) {
	s.shape.Lock()
	defer s.shape.Unlock()
	if number >= s.pages.Load() {
		return
	}
	e := s.lockPage(number)
	defer e.page.mu.Unlock()
	n := t.numbers.Load()
	before := n.before.Load()
	for b := range e.live {
		t.renewBucket(e, b)
		// A managed bucket has a row however full it is. So the row gets the new settings, too.
		listed := e.listed(b)
		if t.mark != 0 && before != nil && listed != nil && before.of(listed).Settings != n.of(listed).Settings {
			s.dirty.mark(e.page, b, n.moment())
		}
	}
}
