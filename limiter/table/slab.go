package table

import (
	"math/bits"
	"slices"
	"sync/atomic"
)

// slab is the header of a piece of memory that holds the buckets of a page: this header, the
// control bytes, the slots, and the client_ids of long buckets. To the garbage collector it is one
// object without pointers. doc.go has a drawing.
//
// A control byte is 0 for an empty slot. Otherwise it has its highest bit set, and seven bits of
// the hash (H2 in Abseil's Swiss tables). Eight of them are compared at once. A control byte is
// written last, and publishes its slot, which is never another bucket's from then on. There are no
// tombstones: when a slab is full, the live buckets move to another one.
type slab struct {
	groups uint32 // of eight control bytes each
	first  uint32 // where the slots begin, in bytes from here
	// givenBack is the refill that takers have given back to buckets here, ever.
	givenBack atomic.Int64
	// told is how often somebody was told what a bucket here holds, or added to it: see Claim.Tell.
	told atomic.Uint64
}

const (
	headerSize = 24
	groupSize  = 8
	// msbs are the highest bits of a group's control bytes.
	msbs = 0x8080808080808080
	lsbs = 0x0101010101010101
)

// controlByte is H2. It is never 0xff, which marks slots that the last group lacks.
func controlByte(hash uint64) uint64 { return 0x80 | min(hash>>50&0x7f, 0x7e) }

// probe is the group at which a search begins (H1). The probe sequence is linear: the buckets of a
// full group go on in the groups behind it.
func (s *slab) probe(hash uint64) uint32 { return uint32(hash>>32&0xffff) * s.groups >> 16 }

func (s *slab) following(g uint32) uint32 {
	if g++; g == s.groups {
		return 0
	}
	return g
}

// controls are the control bytes of a group.
func (s *slab) controls(g uint32) *atomic.Uint64 {
	return at[atomic.Uint64](s, headerSize+groupSize*g)
}

// slot is the bucket of the lowest control byte in a group that match has a bit for.
func (s *slab) slot(g uint32, match uint64) *Bucket {
	i := g*groupSize + uint32(bits.TrailingZeros64(match))/8
	return at[Bucket](s, s.first+i*bucketSize)
}

// slots is how many slots to comes after from, in the same slab.
func slots(from, to *Bucket) uint32 { return distance(from, to) / bucketSize }

// slotBehind is the bucket that many slots after from, in the same slab.
func slotBehind(from *Bucket, slots uint32) *Bucket { return at[Bucket](from, slots*bucketSize) }

// find is the client's bucket, alive or frozen; nil if it has none here. Most client_ids are
// compared as two words.
func (s *slab) find(hash uint64, clientID string) *Bucket {
	n := len(clientID)
	if n < 8 || n > shortID {
		return s.findAny(hash, clientID)
	}
	first, last := ends(bytesOf(clientID), n)
	control, g := controlByte(hash)*lsbs, s.probe(hash)
	for range s.groups {
		controls := s.controls(g).Load()
		for match := zeroBytes(controls ^ control); match != 0; match &= match - 1 {
			b := s.slot(g, match)
			if length := b.length(); length == uint64(n) {
				if f, l := ends(&b.id[0], n); f == first && l == last && b.arrival.Load() != dead {
					return b
				}
			} else if length == long {
				return s.findAny(hash, clientID)
			}
		}
		if controls&msbs != msbs { // An empty slot ends the probe sequence.
			return nil
		}
		g = s.following(g)
	}
	return nil
}

// likely is the bucket that find compares first; nil if it isn't in the first group.
func (s *slab) likely(hash uint64) *Bucket {
	g := s.probe(hash)
	match := zeroBytes(s.controls(g).Load() ^ controlByte(hash)*lsbs)
	if match == 0 {
		return nil
	}
	b := s.slot(g, match)
	constant(&b.marks) // This has the processor fetch it.
	return b
}

// findAny is find for every length of client_ids, and for long buckets.
func (s *slab) findAny(hash uint64, clientID string) *Bucket {
	control, g := controlByte(hash)*lsbs, s.probe(hash)
	for range s.groups {
		controls := s.controls(g).Load()
		for match := zeroBytes(controls ^ control); match != 0; match &= match - 1 {
			if b := s.slot(g, match); b.ClientID() == clientID && b.arrival.Load() != dead {
				return b
			}
		}
		if controls&msbs != msbs {
			return nil
		}
		g = s.following(g)
	}
	return nil
}

// zeroBytes returns the highest bit of each byte that is 0 in x, and no other bit.
func zeroBytes(x uint64) uint64 {
	const low = ^uint64(msbs)
	return ^(x&low + low | x | low)
}

// buckets are all that were ever put here.
func (s *slab) buckets(yield func(*Bucket) bool) {
	for g := range s.groups {
		controls := s.controls(g).Load()
		for used := controls & msbs &^ zeroBytes(^controls); used != 0; used &= used - 1 {
			if !yield(s.slot(g, used)) {
				return
			}
		}
	}
}

// live are the buckets that are alive.
func (s *slab) live(yield func(*Bucket) bool) {
	for b := range s.buckets {
		if b.isAlive() && !yield(b) {
			return
		}
	}
}

// isLargeFor reports whether a slab takes far more memory than its live buckets need. If none is
// dead, another slab would be as large.
func (s *slab) isLargeFor(alive, all int) bool {
	return alive < all && s.groups > 1 && alive < int(s.groups)*groupSize/2
}

// writeLongID gives a bucket this client_id, which it writes behind the slots, at tail.
func (s *slab) writeLongID(b *Bucket, tail uint32, clientID string, rate int) {
	to := at[byte](s, tail)
	copy(span(to, len(clientID)), clientID)
	*b.longID() = longID{distance(b, to), uint32(rate), uint16(len(clientID))}
}

// extent is what a slab has room for: buckets, and bytes of the client_ids of long ones.
type extent struct{ buckets, bytes int }

func (e extent) size() int { return e.first() + e.buckets*bucketSize + e.bytes }

func (e extent) groups() int { return (e.buckets + groupSize - 1) / groupSize }

// first is where the slots begin. None of them is in two of the processor's cache lines.
func (e extent) first() int {
	return (headerSize + groupSize*e.groups() + bucketSize - 1) / bucketSize * bucketSize
}

// with is the extent with room for one bucket more.
func (e extent) with(clientID string, isLong bool) extent {
	e.buckets++
	if isLong {
		e.bytes += len(clientID)
	}
	return e
}

// spacious is the extent with some more room. With that much, growing copies about four buckets for
// each new one, and a tenth of the memory is unused.
func (e extent) spacious() extent {
	return extent{e.buckets + max(4, e.buckets/4), e.bytes + e.bytes/4}
}

// newSlab has room for e, and for what else fits into the memory that Go's allocator hands out for
// it. Sizes of the allocator are an eighth apart.
func newSlab(e extent) (*slab, extent) {
	memory := slices.Grow([]uint64(nil), (e.size()+7)/8)
	memory = memory[:cap(memory)]
	each := e.bytes / max(1, e.buckets)
	for more := e.larger(each); more.size() <= 8*len(memory); more = e.larger(each) {
		e = more
	}
	s := at[slab](&memory[0], 0)
	s.groups, s.first = uint32(e.groups()), uint32(e.first())
	if rest := e.buckets % groupSize; rest != 0 {
		s.controls(s.groups - 1).Store(^uint64(0) << (8 * rest))
	}
	e.bytes += 8*len(memory) - e.size()
	return s, e
}

func (e extent) larger(bytes int) extent { return extent{e.buckets + 1, e.bytes + bytes} }
