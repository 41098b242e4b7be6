package limiter

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/puzpuzpuz/xsync/v3"
)

// A table has shards, by the upper bits of hashes: so many that a directory that grows does so in no time, and that takers
// don't all queue pages in one list; and so few that what a take reads of them stays in the first cache.
const shardBits, shardCount = 4, 1 << shardBits

// pageFill is how many buckets a page has on average. With half as many, ten million buckets took the garbage collector twice as long; with more, a
// flush of few buckets would look through ever more for them.
const pageFill = 192

// shard is a table of pages that grows and shrinks by one page at a time (linear hashing, Litwin 1980): a client's page is numbered by
// the lower bits of its hash, as many of them as there are pages for. So adding a page splits one other, and nobody else's.
type shard struct {
	directory *xsync.MapOf[uint32, leaf]
	pages     atomic.Uint32 // how many there are
	_         [52]byte      // what takers read is in a line of its own

	shape   sync.Mutex // held while the number of pages changes, or must not
	buckets atomic.Int64
	dirty   dirtyList
	_       [16]byte
}

func (s *shard) init(t *table) {
	s.directory = xsync.NewMapOfWithHasher[uint32, leaf](denselyOf)
	s.directory.Store(0, newLeaf(&page{}, census{rates: t.justDefaults}))
	s.pages.Store(1)
	s.dirty.since.Store(never)
}

// denselyOf is the directory's hash of a page's number. Numbers are without gaps, so they need no mixing: four go into each row of the map, which has
// five places, and tells them apart by the lower seven bits.
func denselyOf(number uint32, _ uint64) uint64 { return uint64(number/4)<<7 | uint64(number%4) }

// numberOf is the client's page, of so many.
func numberOf(hash uint64, pages uint32) uint32 {
	mask := uint32(1)<<bits.Len32(pages-1) - 1
	number := uint32(hash) & mask
	if number >= pages {
		number &= mask >> 1
	}
	return number
}

// splitOf is the page that is split when another one is added to so many, and the bit of the hash that says
// what moves to that.
func splitOf(pages uint32) (number uint32, bit uint64) {
	upper := uint32(1) << (bits.Len32(pages) - 1)
	return pages &^ upper, uint64(upper)
}

// leaf is the client's, now.
func (s *shard) leaf(hash uint64) leaf {
	for {
		if l, ok := s.directory.Load(numberOf(hash, s.pages.Load())); ok {
			return l
		}
		// The page was merged into another one since its number was computed.
	}
}

// lock locks the client's page.
func (s *shard) lock(hash uint64) leaf {
	for {
		l := s.leaf(hash)
		l.page.mu.Lock()
		if now := s.leaf(hash); now.page == l.page {
			return now
		}
		l.page.mu.Unlock()
	}
}

// lockPage is lock by number, for those who hold shape, and for the reaper, who alone takes pages away.
func (s *shard) lockPage(number uint32) leaf {
	l, _ := s.directory.Load(number)
	l.page.mu.Lock()
	l, _ = s.directory.Load(number)
	return l
}

// overfull says whether a page should be added.
func (s *shard) overfull() bool { return s.buckets.Load() > int64(s.pages.Load())*pageFill }

// split adds a page, unless somebody else is at it.
func (t *table) split(s *shard) {
	if !s.shape.TryLock() {
		return
	}
	defer s.shape.Unlock()
	pages := s.pages.Load()
	number, bit := splitOf(pages)
	// The new page's place is made first, since a directory that grows takes its time.
	high := &page{number: pages}
	s.directory.Store(pages, newLeaf(high, census{rates: t.justDefaults}))

	l := s.lockPage(number)
	defer l.page.mu.Unlock()
	high.mu.Lock() // From the moment it is in the directory, it can be found, and claimed.
	defer high.mu.Unlock()
	var counted [2]census
	for i := range counted {
		counted[i].rates = t.justDefaults
	}
	side := func(hash uint64) int {
		if hash&bit == 0 {
			return 0
		}
		return 1
	}
	for b := range l.live {
		counted[side(t.hasher.hash(b.clientID()))].count(b.clientID(), l.rateOf(b, t.defaults))
	}
	sides := [2]leaf{newLeaf(l.page, counted[0]), newLeaf(high, counted[1])}
	t.move(s, []leaf{l}, func(hash uint64) leaf { return sides[side(hash)] }, func() {
		s.directory.Store(pages, sides[1])
		s.pages.Store(pages + 1)
		s.directory.Store(number, sides[0])
	})
}

// merge takes the last page away.
func (t *table) merge(s *shard) {
	pages := s.pages.Load() - 1
	number, _ := splitOf(pages)
	low, high := s.lockPage(number), s.lockPage(pages)
	defer low.page.mu.Unlock()
	defer high.page.mu.Unlock()
	counted := census{rates: t.justDefaults}
	for _, l := range [...]leaf{low, high} {
		for b := range l.live {
			counted.count(b.clientID(), l.rateOf(b, t.defaults))
		}
	}
	both := newLeaf(low.page, counted)
	t.move(s, []leaf{low, high}, func(uint64) leaf { return both }, func() {
		s.directory.Store(number, both)
		s.pages.Store(pages)
		s.directory.Delete(pages)
	})
}

// rebuild moves what is alive in a leaf, whose page is locked, to a version of its own.
func (t *table) rebuild(s *shard, l leaf, counted census) leaf {
	fresh := newLeaf(l.page, counted)
	t.move(s, []leaf{l}, func(uint64) leaf { return fresh }, func() { s.directory.Store(l.page.number, fresh) })
	return fresh
}
