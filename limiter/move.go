package limiter

// passage is a bucket's, from one version to another.
type passage struct {
	from, to *bucket
	page     *page
}

// move has the live buckets of some leaves, whose pages are locked, move to others that nobody has seen yet. Takers need not wait for it, even if it
// is interrupted: first everything is made ready in the new leaves but the buckets' words; then publish puts those into the
// directory; and then one bucket after the other is frozen, and its word comes to the new one, which a taker may be faster to do.
func (t *table) move(s *shard, from []leaf, into func(hash uint64) leaf, publish func()) {
	versions := make([]*version, len(from))
	passages := make([]passage, 0, pageFill)
	for i, l := range from {
		versions[i] = l.version
		for b := range l.live {
			id := b.clientID()
			hash := t.hasher.hash(id)
			to := into(hash)
			if to.page.coming.Load() == nil {
				to.page.coming.Store(&versions)
			}
			fresh := to.add(seed{id, hash, l.rateOf(b, t.defaults), b.marks.Load() &^ lengthMask, awaited})
			passages = append(passages, passage{b, fresh, to.page})
		}
	}
	publish()
	for _, p := range passages {
		word := p.from.freeze()
		p.to.arrival.CompareAndSwap(awaited, word)
		if word&dirty != 0 {
			s.dirty.queue(p.page, never)
		}
	}
	for _, p := range passages {
		p.page.coming.Store(nil)
	}
}
