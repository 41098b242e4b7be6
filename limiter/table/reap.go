package table

// Reap drops the buckets of one shard, 0 to Shards-1, that hold nothing. A bucket that has a row in
// the store becomes dirty instead: the flush deletes the row, and a later Reap drops the bucket. A
// bucket that has a limit becomes dirty, too, since a full one needs no limit. One Reap runs at a
// time.
func (t *Table) Reap(shard int, now int64) {
	s := &t.shards[shard]
	for number := uint32(0); number < s.pages.Load(); number++ {
		if e, ok := s.directory.Load(number); ok && t.mayReap(e, now) {
			t.reapPage(s, number, now)
		}
	}
	for merged := true; merged && s.sparse(); {
		s.shape.Lock()
		merged = s.merge()
		s.shape.Unlock()
	}
}

// mayReap reports whether there may be something to reap in a page, without locking it.
func (t *Table) mayReap(e entry, now int64) bool {
	alive, all := 0, 0
	for b := range e.buckets {
		all++
		if b.isAlive() {
			if t.idle(b, now) {
				return true
			}
			alive++
		}
	}
	return e.isLargeFor(alive, all)
}

// idle reports whether a bucket is full and can be dropped, or its row or its limit can. It reports
// true if the bucket is counted under other numbers.
func (t *Table) idle(b *Bucket, now int64) bool {
	was := b.arrival.Load()
	if was&eraBit != t.numbers.Load().era {
		return true
	}
	if was&dirtyBit != 0 || was>>tatShift > now {
		return false
	}
	// While clients begin with less than a full bucket, a full one must be kept.
	return b.Has(Limited) || !b.Has(Managed) && now >= t.emptyUntil.Load()
}

func (t *Table) reapPage(s *shard, number uint32, now int64) {
	e := s.lockPage(number)
	defer e.page.mu.Unlock()
	kept, all := s.noNeeds(), 0
	for b := range e.buckets {
		all++
		t.renewBucket(e, b)
		if !b.isAlive() || t.idle(b, now) && t.reapBucket(s, e, b, now) {
			continue
		}
		kept.include(b.ClientID(), e.listed(b))
	}
	if e.isLargeFor(kept.buckets, all) {
		s.rebuild(e, kept) // which gives memory back
	}
}

// reapBucket reports whether it dropped the bucket.
func (t *Table) reapBucket(s *shard, e entry, b *Bucket, now int64) bool {
	switch {
	case b.Has(Limited):
		s.dirty.mark(e.page, b, now)
	//mutant:false a-reaped-bucket-keeps-its-row
	case b.Has(Stored):
		s.dirty.mark(e.page, b, now)
	case t.killIfFull(b, now):
		t.drop(s, b)
		return true
	}
	return false
}
