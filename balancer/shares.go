package balancer

import (
	"math"
	"math/bits"
	"sync/atomic"
)

// shares counts how many of a backend's places each client holds, without a lock and without
// allocating. Only clients that hold a place take memory, and a client is known by a hash.
//
// The table has a fixed number of sets of eight words, and a word counts one client. The hash
// chooses the set and is the word's tag, so a look-up reads one cache line. A word whose count
// falls to 0 is free for any client. The table has room for four times as many clients as there are
// places. A client whose set is full of others is not counted. In the worst case, when each place
// is held by another client, that happens to one in 900.
type shares struct {
	// most is how many places a client may hold.
	most atomic.Uint64
	// shift leaves the bits of a hash that are its set's number.
	shift uint
	sets  []shareSet
	// before is the table that this one has taken the place of, because it was too small for more
	// places; nil if there was none. It counts what is held since then.
	before *shares
}

// shareSet is a cache line. A word is a client's tag and, in the low bits, how many places it
// holds; 0 is a free word. Two requests of a client that begin at the same moment may give it two
// words, so what it holds is the sum over its words.
type shareSet [8]atomic.Uint64

const (
	shareCountBits = 21
	shareCountMask = 1<<shareCountBits - 1
)

// newShares makes the counts for a backend that has so many places in all. One client may hold that
// share of them, from 0 to 1, and at least one. It returns nil if there is nothing to bound.
func newShares(all uint64, share float64) *shares {
	return (*shares)(nil).resized(all, share)
}

// resized is s for another number of places and another share. It is a new table only if s is too
// small, so all tables that there ever were are at most twice as large as the last one.
//
// What clients hold while there is nothing to bound isn't counted, unless there was before.
func (s *shares) resized(all uint64, share float64) *shares {
	bounded := all > 0 && share > 0 && share < 1
	most := uint64(math.MaxUint64)
	if bounded {
		most = max(1, uint64(float64(all)*share))
	}
	setBits := bits.Len64((max(all, 1) - 1) / 2)
	switch {
	case s == nil && !bounded:
		return nil
	case s == nil, bounded && len(s.sets) < 1<<setBits:
		s = &shares{shift: uint(64 - setBits), sets: make([]shareSet, 1<<setBits), before: s}
	}
	s.most.Store(most)
	return s
}

// take counts one more place that the client holds, and reports whether it may. Client 0 may hold
// all places.
func (s *shares) take(client uint64) bool {
	if s == nil || client == 0 {
		return true
	}
	set, tag := s.of(client)
	for {
		word, was, held := set.find(tag)
		most := s.mostNow(client)
		switch {
		case held >= most:
			return false
		case word == nil:
			return true
		case !word.CompareAndSwap(was, max(was, tag)+1):
			continue
		case was != 0 && held == was&shareCountMask:
			return true
		}
		// Meanwhile the client may have got another word, and hold more than it may.
		if _, _, held = set.find(tag); held <= most {
			return true
		}
		s.giveBack(client)
		return false
	}
}

// mostNow is how many places the client may hold in this table.
func (s *shares) mostNow(client uint64) uint64 {
	most := s.most.Load()
	for b := s.before; b != nil; b = b.before {
		set, tag := b.of(client)
		_, _, held := set.find(tag)
		most -= min(most, held)
	}
	return most
}

// giveBack counts one place less, unless the client isn't counted. In which table the place was
// counted doesn't matter, as the bound is on the sum. The newest comes first, so that an older one
// has enough left for those who don't know of a newer one yet.
func (s *shares) giveBack(client uint64) {
	if client == 0 {
		return
	}
	for ; s != nil; s = s.before {
		if s.takeOff(client) {
			return
		}
	}
}

// takeOff counts one place less in this table, and reports whether it counts the client.
func (s *shares) takeOff(client uint64) bool {
	set, tag := s.of(client)
	for {
		word, was, held := set.find(tag)
		if held == 0 {
			return false
		}
		now := was - 1
		if now&shareCountMask == 0 {
			now = 0
		}
		if word.CompareAndSwap(was, now) {
			return true
		}
	}
}

// of returns the set in which a client is counted, and the client's tag.
func (s *shares) of(client uint64) (*shareSet, uint64) {
	return &s.sets[client>>s.shift], client << shareCountBits
}

// find returns one of a client's words, its value, and how many places all of the client's words
// count. If the client has none, it returns a free word; if there is no free one either, nil.
func (set *shareSet) find(tag uint64) (word *atomic.Uint64, was, held uint64) {
	for i := range set {
		switch w := set[i].Load(); {
		case w == 0:
			if word == nil {
				word = &set[i]
			}
		case w&^shareCountMask == tag:
			word, was = &set[i], w
			held += w & shareCountMask
		}
	}
	return word, was, held
}
