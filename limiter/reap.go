package limiter

// reap drops the buckets of one shard that hold nothing, page by page. One that has a row in the store
// is queued for the flush instead, which deletes the row: a later reap drops it. One with
// a limit is queued too, since a full one needs none.
func (t *table) reap(s *shard, now int64) {
	for number := uint32(0); number < s.pages.Load(); number++ {
		if l, ok := s.directory.Load(number); ok && t.mayReap(l, now) {
			t.reapPage(s, number, now)
		}
	}
	t.shrink(s)
}

// mayReap looks whether it is worth to lock the page.
func (t *table) mayReap(l leaf, now int64) bool {
	alive, all := 0, 0
	for b := range l.buckets {
		all++
		if b.isAlive() {
			if t.idle(b, now) {
				return true
			}
			alive++
		}
	}
	return l.isLargeFor(alive, all)
}

// isLargeFor says whether a version of which so many buckets are alive, of all that were put there, takes far more memory than they need. Without
// a dead one it would be made as large again.
func (v *version) isLargeFor(alive, all int) bool {
	return alive < all && v.words > 1 && alive < int(v.words)*perWord/2
}

// idle says whether a bucket is full, and something is to be done about it.
func (t *table) idle(b *bucket, now int64) bool {
	if b.isDirty() || b.tat() > now {
		return false
	}
	// As long as clients start with less than a full bucket, a full one is something to have.
	return b.has(limited) || !b.has(managed) && now >= t.emptyUntil.Load()
}

func (t *table) reapPage(s *shard, number uint32, now int64) {
	l := s.lockPage(number)
	defer l.page.mu.Unlock()
	kept, all := census{rates: t.justDefaults}, 0
	for b := range l.buckets {
		all++
		if !b.isAlive() || t.idle(b, now) && t.reapBucket(s, l, b, now) {
			continue
		}
		kept.count(b.clientID(), l.rateOf(b, t.defaults))
	}
	if l.isLargeFor(kept.buckets, all) {
		t.rebuild(s, l, kept) // gives memory back
	}
}

// reapBucket says whether it dropped the bucket.
func (t *table) reapBucket(s *shard, l leaf, b *bucket, now int64) bool {
	switch {
	case b.has(limited):
		s.soil(l.page, b, now)
	case b.has(stored):
		s.soil(l.page, b, now)
	case b.killIfFull(now):
		t.drop(s, b)
		return true
	}
	return false
}

// shrink takes pages away that the shard has too many of, by far: or else a crowd would make it split and merge all the time.
func (t *table) shrink(s *shard) {
	for s.pages.Load() > 1 && s.buckets.Load() < int64(s.pages.Load())*pageFill/4 {
		s.shape.Lock()
		t.merge(s)
		s.shape.Unlock()
	}
}
