package table

import (
	"slices"
	"sync/atomic"

	"gopher-equalizer/limiter/gcra"
)

// page has some two hundred clients whose hashes end alike. A caller that adds, kills or moves a
// bucket, or changes its marks, has the page locked; CleanAsSeen may do without. Takers don't lock
// it. They look for the client's bucket, and take the lock only if there is none. If the bucket is
// on its way to another slab, they move it themselves, since the move of the page may have been
// interrupted.
type page struct {
	mu     pageLock
	link   *page // in the dirty list; owned by who queues the page, and then by the flusher
	queued atomic.Bool
	number uint32 // in its shard

	free extent // in its slab; the free bytes begin at tail
	tail uint32 // in bytes from the slab's beginning

	// sources are the slabs from which buckets are on their way to the present one; nil if none
	// are.
	sources atomic.Pointer[[]*slab]
}

// entry is what the directory has of a page: the slab that its buckets are in now, and their rates.
// An entry never changes. It is replaced whole, so that takers see the rates that belong to the
// buckets.
type entry struct {
	*slab
	page  *page
	rates *[]*gcra.Rate // of managed buckets; the first is nil, for all others
}

// newEntry makes the page's next slab, with room for what it needs, and some more.
func newEntry(p *page, n needs) entry {
	s, e := newSlab(n.spacious())
	p.free = e
	p.tail = s.first + uint32(e.buckets*bucketSize)
	return entry{s, p, n.rates}
}

// listed is what a bucket of this entry has in the list of rates: its own rate, one that its tier
// had at some time, or nil if it has the limit's.
func (e entry) listed(b *Bucket) *gcra.Rate {
	if b.length() != long {
		return nil
	}
	return (*e.rates)[b.longID().rate]
}

// indexOf is where a rate is. All of a tier are one.
func indexOf(rates []*gcra.Rate, wanted *gcra.Rate) (index int, ok bool) {
	if wanted == nil {
		return 0, true
	}
	for i, r := range rates[1:] {
		if r.Tier == wanted.Tier && (r.Tier != "" || r.Settings == wanted.Settings) {
			return i + 1, true
		}
	}
	return 0, false
}

// needs is what an entry is to hold.
type needs struct {
	extent
	rates *[]*gcra.Rate // the first is nil
}

func (n *needs) include(clientID string, r *gcra.Rate) {
	index, ok := indexOf(*n.rates, r)
	if !ok {
		index = len(*n.rates)
		more := append(slices.Clip(*n.rates), r)
		n.rates = &more
	}
	n.extent = n.with(clientID, isLong(clientID, index))
}

// newBucket is a bucket that is to be inserted.
type newBucket struct {
	clientID string // may alias a buffer: it is copied
	hash     uint64
	listed   *gcra.Rate
	marks    uint64 // without the length
	arrival  int64
}

// insert puts a bucket into the entry, if there is room and the entry has its rate. The page is
// locked.
func (e entry) insert(n newBucket) *Bucket {
	index, ok := indexOf(*e.rates, n.listed)
	if !ok || e.page.free.buckets == 0 {
		return nil
	}
	g := e.probe(n.hash)
	for e.controls(g).Load()&msbs == msbs {
		g = e.following(g)
	}
	controls := e.controls(g).Load()
	space := ^controls & msbs
	b := e.slot(g, space)
	if isLong(n.clientID, index) {
		if e.page.free.bytes < len(n.clientID) {
			return nil
		}
		e.insertLong(b, n, index)
	} else {
		copy(b.id[:], n.clientID)
		b.marks.Store(n.marks | uint64(len(n.clientID))<<idShift)
	}
	b.arrival.Store(n.arrival)
	e.controls(g).Store(controls | space&-space>>7*controlByte(n.hash))
	e.page.free.buckets--
	return b
}

func (e entry) insertLong(b *Bucket, n newBucket, index int) {
	p, length := e.page, len(n.clientID)
	e.writeLongID(b, p.tail, n.clientID, index)
	b.marks.Store(n.marks | long<<idShift)
	p.tail += uint32(length)
	p.free.bytes -= length
}

// fetch copies the value of a pending bucket into it, if that hasn't happened yet.
func (e entry) fetch(b *Bucket, hash uint64, clientID string) {
	sources := e.page.sources.Load()
	//mutant:left a-late-taker-moves-a-bucket-before-its-page-moves
	if sources == nil || b.arrival.Load() != pending {
		return // It has arrived. A later move goes on from here.
	}
	for _, s := range *sources {
		if old := s.find(hash, clientID); old != nil {
			b.arrival.CompareAndSwap(pending, old.freeze())
			return
		}
	}
}
