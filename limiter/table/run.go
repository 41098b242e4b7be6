package table

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
)

// run has the dirty buckets of one shard, in the order of their client_ids once it is sorted. Each
// bucket takes 4 bytes: its distance from an anchor. Each page has one anchor, or a few if it is
// large. The anchors keep the slabs alive, and are all that the garbage collector looks at.
type run struct {
	anchors []*Bucket
	refs    []ref
}

// ref is an anchor's index, above the number of slots from the anchor to the bucket. There is
// memory for far fewer pages than 2^24 in a shard.
type ref uint32

const slotBits, slotMask = 8, 1<<8 - 1

// addPage adds the dirty buckets of a slab.
func (r *run) addPage(s *slab) {
	var anchor *Bucket
	for b := range s.live {
		if !b.IsDirty() {
			continue
		}
		if anchor == nil || slots(anchor, b) > slotMask {
			anchor = b
			r.anchors = append(r.anchors, b)
		}
		r.refs = append(r.refs, ref(len(r.anchors)-1)<<slotBits|ref(slots(anchor, b)))
	}
}

func (r *run) bucket(f ref) *Bucket {
	return slotBehind(r.anchors[f>>slotBits], uint32(f&slotMask))
}

// first is the client_id that the run begins with.
func (r *run) first() string { return r.bucket(r.refs[0]).ClientID() }

func (r *run) last() string { return r.bucket(r.refs[len(r.refs)-1]).ClientID() }

// pop removes the first bucket, and returns it.
func (r *run) pop() *Bucket {
	b := r.bucket(r.refs[0])
	r.refs = r.refs[1:]
	return b
}

// runSorter sorts runs, one after the other, in memory of its own.
type runSorter []keyed

type keyed struct {
	key uint64
	ref ref
}

func (s *runSorter) sort(r *run) {
	first := r.first()
	skip := len(first)
	for _, f := range r.refs {
		skip = min(skip, commonPrefix(r.bucket(f).ClientID(), first))
	}
	all := (*s)[:0]
	for _, f := range r.refs {
		all = append(all, keyed{keyOf(r.bucket(f).ClientID(), skip), f})
	}
	slices.SortFunc(all, func(a, b keyed) int {
		if a.key != b.key {
			return cmp.Compare(a.key, b.key)
		}
		return strings.Compare(r.bucket(a.ref).ClientID(), r.bucket(b.ref).ClientID())
	})
	for i, k := range all {
		r.refs[i] = k.ref
	}
	*s = all
}

// keyOf is eight bytes of a client_id. If two keys differ, the client_ids are in the keys' order.
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
