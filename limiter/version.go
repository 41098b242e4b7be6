package limiter

import (
	"math/bits"
	"slices"
	"sync/atomic"
	"unsafe"
)

// version is the beginning of a piece of memory that holds the buckets of a page: this header, tags, buckets, and the
// client_ids of long buckets. To the garbage collector it is one object, without a pointer to follow.
//
// A tag is a byte of a client's hash, so that eight buckets are looked through at once, for the few that could be
// the client's. A bucket is published by its tag, last of all, and from then on its place is never another's.
// What has no room goes to another version, which takes the place of this one when all buckets in this one are dead.
type version struct {
	words uint32 // of eight tags each
	first uint32 // where the buckets begin, in bytes from here
}

const (
	headerSize = 8
	bucketSize = int(unsafe.Sizeof(bucket{}))
	// perWord tags are in a word.
	perWord = 8
	// tops are the upper bits of a word's tags. One that is 0 says that there is no bucket.
	tops = 0x8080808080808080
	ones = 0x0101010101010101
)

// tagOf is never 0xff, which is the tag of places at the end that are not there.
func tagOf(hash uint64) uint64 { return 0x80 | min(hash>>50&0x7f, 0x7e) }

// home is the word in which to begin to look. Where one is full, what belongs to it is in those behind it.
func (v *version) home(hash uint64) uint32 { return uint32(hash>>32&0xffff) * v.words >> 16 }

func (v *version) after(w uint32) uint32 {
	if w++; w == v.words {
		return 0
	}
	return w
}

func (v *version) tags(w uint32) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Add(unsafe.Pointer(v), headerSize+8*w))
}

// bucket is the one of a tag, of which mask has a bit.
func (v *version) bucket(w uint32, mask uint64) *bucket {
	i := w*perWord + uint32(bits.TrailingZeros64(mask))/8
	return (*bucket)(unsafe.Add(unsafe.Pointer(v), v.first+i*uint32(bucketSize)))
}

// find is the client's bucket, dead ones apart; nil: it has none here. Most client_ids are compared as the two words that
// they are, which may overlap.
func (v *version) find(hash uint64, clientID string) *bucket {
	n := len(clientID)
	if n < 8 || n > shortID {
		return v.findAny(hash, clientID)
	}
	first, last := wordsOf(unsafe.StringData(clientID), n)
	tag, w := tagOf(hash)*ones, v.home(hash)
	for range v.words {
		tags := v.tags(w).Load()
		for match := zeroBytes(tags ^ tag); match != 0; match &= match - 1 {
			b := v.bucket(w, match)
			switch length := b.length(); {
			case length == long:
				return v.findAny(hash, clientID)
			case length != uint64(n):
				continue
			}
			if f, l := wordsOf(&b.id[0], n); f == first && l == last && b.arrival.Load() != dead {
				return b
			}
		}
		if tags&tops != tops { // there was room, so it is in none behind it
			return nil
		}
		w = v.after(w)
	}
	return nil
}

// findAny is find for every client_id, and bucket.
func (v *version) findAny(hash uint64, clientID string) *bucket {
	tag, w := tagOf(hash)*ones, v.home(hash)
	for range v.words {
		tags := v.tags(w).Load()
		for match := zeroBytes(tags ^ tag); match != 0; match &= match - 1 {
			if b := v.bucket(w, match); b.clientID() == clientID && b.arrival.Load() != dead {
				return b
			}
		}
		if tags&tops != tops {
			return nil
		}
		w = v.after(w)
	}
	return nil
}

// wordsOf are the first and the last eight of n bytes.
func wordsOf(b *byte, n int) (first, last uint64) {
	at := unsafe.Pointer(b)
	return *(*uint64)(at), *(*uint64)(unsafe.Add(at, n-8))
}

// zeroBytes has the upper bit of each byte that is 0 in x, and no other.
func zeroBytes(x uint64) uint64 {
	const low = ^uint64(tops)
	return ^(x&low + low | x | low)
}

// buckets are all that were ever put here.
func (v *version) buckets(yield func(*bucket) bool) {
	for w := range v.words {
		tags := v.tags(w).Load()
		for used := tags & tops &^ zeroBytes(^tags); used != 0; used &= used - 1 {
			if !yield(v.bucket(w, used)) {
				return
			}
		}
	}
}

// live are those that are alive.
func (v *version) live(yield func(*bucket) bool) {
	for b := range v.buckets {
		if b.isAlive() && !yield(b) {
			return
		}
	}
}

// extent is what a version has room for: buckets, and bytes of client_ids of long ones.
type extent struct{ buckets, bytes int }

func (e extent) size() int { return e.first() + e.buckets*bucketSize + e.bytes }

func (e extent) words() int { return (e.buckets + perWord - 1) / perWord }

// first has the buckets begin where none of them is in two of the processor's lines.
func (e extent) first() int {
	return (headerSize + perWord*e.words() + bucketSize - 1) / bucketSize * bucketSize
}

// with is the extent with room for a bucket more.
func (e extent) with(clientID string, isLong bool) extent {
	e.buckets++
	if isLong {
		e.bytes += len(clientID)
	}
	return e
}

// spacious has room for some more of the same: about four buckets are copied for each by which a page grows, and a tenth of the memory
// lies idle.
func (e extent) spacious() extent {
	return extent{e.buckets + max(4, e.buckets/4), e.bytes + e.bytes/4}
}

// newVersion has room for e, and for what else fits into the piece of memory that Go's allocator hands out for that: it has
// sizes that are an eighth apart, and fills up what is asked for to the next of them.
func newVersion(e extent) (*version, extent) {
	memory := slices.Grow([]uint64(nil), (e.size()+7)/8)
	memory = memory[:cap(memory)]
	each := e.bytes / max(1, e.buckets)
	for more := (extent{e.buckets + 1, e.bytes + each}); more.size() <= 8*len(memory); more = (extent{e.buckets + 1, e.bytes + each}) {
		e = more
	}
	v := (*version)(unsafe.Pointer(&memory[0]))
	v.words, v.first = uint32(e.words()), uint32(e.first())
	if rest := e.buckets % perWord; rest != 0 {
		v.tags(v.words - 1).Store(^uint64(0) << (8 * rest))
	}
	e.bytes += 8*len(memory) - e.size()
	return v, e
}
