package limiter

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
	"unsafe"
)

// run is the dirty buckets of one shard, which come in the order of their client_ids once it is sorted. Each takes 4 bytes: how far it lies behind
// an anchor, of which each page has one, or a few if it is large. The anchors keep the versions from being collected, and
// are all that the garbage collector looks at.
type run struct {
	anchors []*bucket
	places  []place
}

// place is an anchor's index, above the number of buckets behind that. There is memory for far fewer pages than 2^24 in a shard.
type place uint32

const behindBits, behindMask = 8, 1<<8 - 1

// addPage adds the dirty buckets of a version.
func (r *run) addPage(v *version) {
	var anchor *bucket
	for b := range v.live {
		if !b.isDirty() {
			continue
		}
		if anchor == nil || b.behind(anchor) > behindMask {
			anchor = b
			r.anchors = append(r.anchors, b)
		}
		r.places = append(r.places, place(len(r.anchors)-1)<<behindBits|place(b.behind(anchor)))
	}
}

// behind is by how many places a bucket comes after another one of its version.
func (b *bucket) behind(other *bucket) uintptr {
	return (uintptr(unsafe.Pointer(b)) - uintptr(unsafe.Pointer(other))) / unsafe.Sizeof(*b)
}

func (r *run) at(p place) *bucket {
	return (*bucket)(unsafe.Add(unsafe.Pointer(r.anchors[p>>behindBits]), uintptr(p&behindMask)*unsafe.Sizeof(bucket{})))
}

// first is the client_id that the run begins with.
func (r *run) first() string { return r.at(r.places[0]).clientID() }

func (r *run) last() string { return r.at(r.places[len(r.places)-1]).clientID() }

// next takes the first bucket away.
func (r *run) next() *bucket {
	b := r.at(r.places[0])
	r.places = r.places[1:]
	return b
}

// runSorter sorts runs, one after the other, in room of its own.
type runSorter []keyed

type keyed struct {
	key   uint64
	place place
}

func (s *runSorter) sort(r *run) {
	first := r.first()
	skip := len(first)
	for _, p := range r.places {
		skip = min(skip, commonPrefix(r.at(p).clientID(), first))
	}
	room := (*s)[:0]
	for _, p := range r.places {
		room = append(room, keyed{keyOf(r.at(p).clientID(), skip), p})
	}
	slices.SortFunc(room, func(a, b keyed) int {
		if a.key != b.key {
			return cmp.Compare(a.key, b.key)
		}
		return strings.Compare(r.at(a.place).clientID(), r.at(b.place).clientID())
	})
	for i, k := range room {
		r.places[i] = k.place
	}
	*s = room
}

// keyOf is eight bytes of a client_id. Where keys differ, the client_ids are in the order of the keys.
func keyOf(clientID string, skip int) uint64 {
	if len(clientID)-skip >= 8 {
		return binary.BigEndian.Uint64([]byte(clientID[skip : skip+8]))
	}
	var eight [8]byte
	copy(eight[:], clientID[skip:])
	return binary.BigEndian.Uint64(eight[:])
}

// commonPrefix is the number of bytes that both begin with.
func commonPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
