package table

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/puzpuzpuz/xsync/v3"

	"gopher-equalizer/limiter/gcra"
)

// A table has 16 shards, chosen by the highest bits of the hash. They are enough that growing one
// directory is short and dirty lists don't contend, and few enough that what a take reads of them
// stays in L1.
const shardBits, Shards = 4, 1 << shardBits

// pageFill is how many buckets a page has on average. With half as many, the garbage collector took
// twice as long for ten million buckets. With more, a flush of few buckets looks through more.
const pageFill = 192

// shared is what all shards of a table have in common.
type shared struct {
	hasher
	numbers atomic.Pointer[numbers]
	// noRates are the rates of most pages.
	noRates *[]*gcra.Rate
}

func (s *shared) init(n *numbers) {
	s.hasher, s.noRates = newHasher(), &[]*gcra.Rate{nil}
	s.numbers.Store(n)
}

// shard is a hash table of pages that grows and shrinks by one page at a time (linear hashing,
// Litwin 1980). The lowest bits of a client's hash are the number of its page, as many bits as
// there are pages for. So adding a page splits one other page, and moves nobody else's buckets.
//
// A shard is two cache lines: what every take reads, and what takes and others write.
type shard struct {
	directory *xsync.MapOf[uint32, entry]
	*shared
	pages atomic.Uint32 // how many there are
	_     [cacheLine - 2*bits.UintSize/8 - 4]byte

	shape   sync.Mutex // held while the number of pages changes or must not change
	buckets atomic.Int64
	dirty   dirtyList
	_       [cacheLine - 40]byte
}

const cacheLine = 64

func (s *shard) init(common *shared) {
	s.shared = common
	s.directory = xsync.NewMapOfWithHasher[uint32, entry](numberHash)
	s.directory.Store(0, newEntry(&page{}, s.noNeeds()))
	s.pages.Store(1)
	s.dirty.init()
}

// noNeeds is what an empty page needs.
func (s *shard) noNeeds() needs { return needs{rates: s.noRates} }

// numberHash is the directory's hash of a page's number. Numbers have no gaps, so they need no
// mixing. Four of them share a row of the map, which has five places and tells them apart by the
// lowest seven bits.
func numberHash(number uint32, _ uint64) uint64 { return uint64(number/4)<<7 | uint64(number%4) }

// numberOf is the number of the client's page if there are that many pages.
func numberOf(hash uint64, pages uint32) uint32 {
	mask := uint32(1)<<(bits.Len32(pages-1)%32) - 1
	number := uint32(hash) & mask
	if number >= pages {
		number &= mask >> 1
	}
	return number
}

// entry returns the present entry of the client's page.
func (s *shard) entry(hash uint64) entry {
	for {
		if e, ok := s.directory.Load(numberOf(hash, s.pages.Load())); ok {
			return e
		}
		// The page was merged into another one since its number was computed.
	}
}

// lock locks the client's page.
func (s *shard) lock(hash uint64) entry {
	for {
		e := s.entry(hash)
		e.page.mu.Lock()
		if now := s.entry(hash); now.page == e.page {
			return now
		}
		e.page.mu.Unlock()
	}
}

// lockPage is lock by number. The caller holds shape, or is the reaper, which alone removes pages.
func (s *shard) lockPage(number uint32) entry {
	e, _ := s.directory.Load(number)
	e.page.mu.Lock()
	e, _ = s.directory.Load(number)
	return e
}

// each calls f with every entry while its page is locked. No page is added or removed meanwhile.
func (s *shard) each(f func(entry)) {
	s.shape.Lock()
	defer s.shape.Unlock()
	for number := range s.pages.Load() {
		e := s.lockPage(number)
		f(e)
		e.page.mu.Unlock()
	}
}

// takeDirty empties the shard's dirty list, and returns the buckets that are dirty. They stay
// dirty. No bucket moves to another page meanwhile, so none is missed. A page that was merged into
// another one since it was queued has none.
func (s *shard) takeDirty() run {
	s.shape.Lock()
	defer s.shape.Unlock()
	taken := run{refs: make([]ref, 0, max(0, s.dirty.count.Load()))}
	s.dirty.takeAll(func(p *page) {
		if e, ok := s.directory.Load(p.number); ok && e.page == p {
			taken.addPage(s.lockPage(p.number).slab)
			p.mu.Unlock()
		}
	})
	return taken
}

// overfull reports whether a page should be added.
func (s *shard) overfull() bool { return s.buckets.Load() > int64(s.pages.Load())*pageFill }

// sparse reports whether there are far too many pages. With a higher bound, a changing crowd would
// make the shard split and merge all the time.
func (s *shard) sparse() bool {
	pages := s.pages.Load()
	return pages > 1 && s.buckets.Load() < int64(pages)*pageFill/4
}
