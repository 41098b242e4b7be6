package table

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
)

// run is the dirty buckets of one shard. It is in the order of their client_ids once it is sorted.
// Each bucket takes 4 bytes: its distance from an anchor. Each page has one anchor, or a few if it
// is large. The anchors keep the slabs from being collected, and are all that the garbage collector
// looks at.
type run struct {
	anchors []*Bucket
	refs    []ref
}

// ref is an anchor's index, above the number of slots from the anchor to the bucket. There is
// memory for far fewer pages than 2^24 in a shard.
type ref uint32

const slotBits, slotMask = 8, 1<<8 - 1

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

// slots is how many slots to comes after from, in the same slab.
func slots(from, to *Bucket) uint32 { return distance(from, to) / bucketSize }

func (r *run) at(f ref) *Bucket {
	return at[Bucket](r.anchors[f>>slotBits], uint32(f&slotMask)*bucketSize)
}

// first is the client_id that the run begins with.
func (r *run) first() string { return r.at(r.refs[0]).ClientID() }

func (r *run) last() string { return r.at(r.refs[len(r.refs)-1]).ClientID() }

// pop takes the first bucket away.
func (r *run) pop() *Bucket {
	b := r.at(r.refs[0])
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
		skip = min(skip, commonPrefix(r.at(f).ClientID(), first))
	}
	all := (*s)[:0]
	for _, f := range r.refs {
		all = append(all, keyed{keyOf(r.at(f).ClientID(), skip), f})
	}
	slices.SortFunc(all, func(a, b keyed) int {
		if a.key != b.key {
			return cmp.Compare(a.key, b.key)
		}
		return strings.Compare(r.at(a.ref).ClientID(), r.at(b.ref).ClientID())
	})
	for i, k := range all {
		r.refs[i] = k.ref
	}
	*s = all
}

// keyOf is eight bytes of a client_id. Where two keys differ, the client_ids are in their order.
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
