package table

import "math/bits"

// transfer moves a bucket from one slab to another.
type transfer struct {
	from, to *Bucket
	page     *page
}

// move moves the live buckets of some entries, whose pages are locked, to entries that nobody has
// seen yet. Takers don't wait for it, even if it is interrupted. First it makes the new entries
// ready, without the buckets' values. Then publish puts them into the directory. Then one bucket
// after the other is frozen, and its value is copied, unless a taker was faster.
func (s *shard) move(from []entry, into func(hash uint64) entry, publish func()) {
	slabs := make([]*slab, len(from))
	// The list is on the heap, as its capacity is no constant. It would grow the stack of a taker
	// whose page is split by 5 KB, and the stack would stay so large for a while.
	transfers := make([]transfer, 0, len(from)*pageFill)
	for i, e := range from {
		slabs[i] = e.slab
		for b := range e.live {
			id := b.ClientID()
			hash := s.hash(id)
			to := into(hash)
			if to.page.sources.Load() == nil {
				to.page.sources.Store(&slabs)
			}
			//mutant:zero a-bucket-that-moves-loses-its-marks
			marks := b.marks.Load() &^ lengthMask
			fresh := to.insert(newBucket{id, hash, e.listed(b), marks, pending})
			transfers = append(transfers, transfer{b, fresh, to.page})
		}
	}
	publish()
	for _, t := range transfers {
		was := t.from.freeze()
		//mutant:even a-bucket-that-moves-is-clean
		//mutant:nonatomic a-bucket-moves-again-after-a-taker-moved-it
		t.to.arrival.CompareAndSwap(pending, was)
		if t.from.Has(Stored) && !t.to.Has(Stored) { // CleanAsSeen was faster.
			t.to.Set(Stored)
		}
		//mutant:false a-page-that-dirty-buckets-move-to-is-not-queued
		if was&dirtyBit != 0 {
			s.dirty.queue(t.page, Never)
		}
	}
	for _, t := range transfers {
		t.page.sources.Store(nil)
	}
}

// splitOf returns the page that is split when a page is added, and the bit of the hash that decides
// what moves to the new one.
func splitOf(pages uint32) (number uint32, bit uint64) {
	upper := uint32(1) << (bits.Len32(pages) - 1)
	return pages &^ upper, uint64(upper)
}

// split adds a page, unless somebody else is changing the number of pages.
func (s *shard) split() {
	if !s.shape.TryLock() {
		return
	}
	defer s.shape.Unlock()
	pages := s.pages.Load()
	number, bit := splitOf(pages)
	// First make the new page's place, since growing the directory may take some time.
	high := &page{number: pages}
	s.directory.Store(pages, newEntry(high, s.noNeeds()))

	e := s.lockPage(number)
	defer e.page.mu.Unlock()
	// Once it is in the directory, the new page can be found, and claimed.
	//mutant:drop the-page-that-a-split-adds-is-not-locked
	high.mu.Lock()
	//mutant:drop the-page-that-a-split-adds-is-not-locked
	defer high.mu.Unlock()
	sides := [2]entry{}
	for i, n := range s.needsOfHalves(e, bit) {
		sides[i] = newEntry([...]*page{e.page, high}[i], n)
	}
	s.move([]entry{e}, func(hash uint64) entry { return sides[half(hash, bit)] }, func() {
		s.directory.Store(pages, sides[1])
		s.pages.Store(pages + 1)
		s.directory.Store(number, sides[0])
	})
}

// half is 1 for a bucket that moves to the page that a split adds.
func half(hash, bit uint64) int {
	if hash&bit == 0 {
		return 0
	}
	return 1
}

func (s *shard) needsOfHalves(e entry, bit uint64) [2]needs {
	halves := [2]needs{s.noNeeds(), s.noNeeds()}
	for b := range e.live {
		halves[half(s.hash(b.ClientID()), bit)].include(b.ClientID(), e.listed(b))
	}
	return halves
}

// merge removes the last page. The caller holds shape. While buckets are to follow other numbers,
// it does nothing and reports false, since a Renew that has passed the page might miss some.
func (s *shard) merge() bool {
	if s.numbers.Load().before.Load() != nil {
		return false
	}
	pages := s.pages.Load() - 1
	number, _ := splitOf(pages)
	low, high := s.lockPage(number), s.lockPage(pages)
	defer low.page.mu.Unlock()
	defer high.page.mu.Unlock()
	both := newEntry(low.page, s.needsOf(low, high))
	s.move([]entry{low, high}, func(uint64) entry { return both }, func() {
		s.directory.Store(number, both)
		s.pages.Store(pages)
		s.directory.Delete(pages)
	})
	return true
}

// needsOf is what the live buckets of some entries need.
func (s *shard) needsOf(entries ...entry) needs {
	n := s.noNeeds()
	for _, e := range entries {
		for b := range e.live {
			n.include(b.ClientID(), e.listed(b))
		}
	}
	return n
}

// rebuild moves the live buckets of an entry, whose page is locked, to a slab of their own.
func (s *shard) rebuild(e entry, n needs) entry {
	fresh := newEntry(e.page, n)
	s.move([]entry{e}, func(uint64) entry { return fresh }, func() {
		s.directory.Store(e.page.number, fresh)
	})
	return fresh
}
