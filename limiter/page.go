package limiter

import (
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"gopher-equalizer/limiter/gcra"
)

// page is some two hundred clients, whose hashes end alike. Whoever adds or kills a bucket, moves it, or changes its marks, has the page
// locked. Takers don't: they look for the client's bucket, and only if there is none do they come for the lock, and
// learn what is true. A bucket that is on its way to another version they move themselves, since whoever is at it may have
// been interrupted.
type page struct {
	mu     sync.Mutex
	next   *page // in the list of dirty pages; its queuer's, then the flusher's
	queued atomic.Bool
	number uint32 // in its shard

	free extent // in its version, of which bytes are from tail on
	tail uint32 // in bytes from the version's beginning

	// coming are the versions from which buckets are on their way to this page's present one; nil: none is.
	coming atomic.Pointer[[]*version]
}

// leaf is what the directory has of a page: its buckets as they are now. It never changes, but is replaced, so that takers
// see the rates that belong to the buckets.
type leaf struct {
	*version
	page  *page
	rates *[]*gcra.Rate // of its long buckets
}

// newLeaf is a page's next version, with room for what was counted, and some more.
func newLeaf(p *page, c census) leaf {
	v, e := newVersion(c.spacious())
	p.free = e
	p.tail = v.first + uint32(e.buckets*bucketSize)
	return leaf{v, p, c.rates}
}

// rateOf is the rate of a bucket of this leaf.
func (l leaf) rateOf(b *bucket, defaults *gcra.Rate) *gcra.Rate {
	if b.length() != long {
		return defaults
	}
	return (*l.rates)[b.elsewhere().rate]
}

// indexOf is where a rate with these settings is; the default one is the first.
func indexOf(rates []*gcra.Rate, s *gcra.Settings) (index int, ok bool) {
	for i, r := range rates {
		if r.Settings == *s {
			return i, true
		}
	}
	return 0, false
}

// isLong says whether a bucket's client_id, or its rate, needs more space than there is in the bucket.
func isLong(clientID string, rate int) bool { return rate != 0 || len(clientID) > shortID }

// census is what a leaf is to hold.
type census struct {
	extent
	rates *[]*gcra.Rate // begins with the default one
}

func (c *census) count(clientID string, r *gcra.Rate) {
	index, ok := indexOf(*c.rates, &r.Settings)
	if !ok {
		index = len(*c.rates)
		more := append(slices.Clip(*c.rates), r)
		c.rates = &more
	}
	c.extent = c.with(clientID, isLong(clientID, index))
}

// seed is what a bucket begins as.
type seed struct {
	clientID string // may alias a buffer
	hash     uint64
	rate     *gcra.Rate
	marks    uint64 // but the length
	arrival  int64  // the word
}

// add puts a bucket into the leaf, if there is room and the leaf has its rate. The page is locked.
func (l leaf) add(s seed) *bucket {
	index, ok := indexOf(*l.rates, &s.rate.Settings)
	if !ok || l.page.free.buckets == 0 {
		return nil
	}
	w := l.home(s.hash)
	for l.tags(w).Load()&tops == tops {
		w = l.after(w)
	}
	tags := l.tags(w).Load()
	space := ^tags & tops
	b := l.bucket(w, space)
	if isLong(s.clientID, index) {
		if l.page.free.bytes < len(s.clientID) {
			return nil
		}
		l.addLong(b, s, index)
	} else {
		copy(b.id[:], s.clientID)
		b.marks.Store(s.marks | uint64(len(s.clientID))<<idShift)
	}
	b.arrival.Store(s.arrival)
	l.tags(w).Store(tags | space&-space>>7*tagOf(s.hash))
	l.page.free.buckets--
	return b
}

// addLong is the part of add in which the client_id goes behind the buckets.
func (l leaf) addLong(b *bucket, s seed, index int) {
	p, n := l.page, len(s.clientID)
	at := unsafe.Add(unsafe.Pointer(l.version), p.tail)
	copy(unsafe.Slice((*byte)(at), n), s.clientID)
	*b.elsewhere() = elsewhere{uint32(uintptr(at) - uintptr(unsafe.Pointer(b))), uint32(index), uint16(n)}
	b.marks.Store(s.marks | long<<idShift)
	p.tail += uint32(n)
	p.free.bytes -= n
}

// fetch has an awaited bucket's word come, if it isn't there by now.
func (l leaf) fetch(b *bucket, hash uint64, clientID string) {
	coming := l.page.coming.Load()
	if coming == nil || b.arrival.Load() != awaited {
		return // It has come: what is coming now is from here, and of the next move.
	}
	for _, v := range *coming {
		if old := v.find(hash, clientID); old != nil {
			b.arrival.CompareAndSwap(awaited, old.freeze())
			return
		}
	}
}
