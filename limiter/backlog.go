package limiter

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
)

// backlog is what a flush has to write: the dirty buckets of all shards, in the order of their client_ids, which is the
// order that stores write fastest. It takes a pointer for each, and not a second one for a sort of all: each shard's
// are sorted while they are in the processor's cache, and merged as they are asked for. A pointer says whose bucket was dirty. That may have
// moved by the time that the flush comes to it, and the memory that it was in stays until then.
type backlog struct {
	runs  [][]*bucket // the dirty buckets of each shard, in order
	heads []head      // a heap, with the run on top that begins first
	skip  int         // bytes that all client_ids begin with
	left  int
}

// head is what a run begins with, so that most comparisons need not fetch its first bucket.
type head struct {
	key uint64
	run int
}

// takeDirty empties every shard's list, one after the other.
func (t *table) takeDirty() *backlog {
	l, sorter := &backlog{}, runSorter{}
	for i := range t.shards {
		if run := t.shards[i].takeDirty(); len(run) > 0 {
			sorter.sort(run)
			l.runs = append(l.runs, run)
			l.left += len(run)
		}
	}
	l.order()
	return l
}

// order makes the heap.
func (l *backlog) order() {
	if l.left == 0 {
		return
	}
	first := l.runs[0][0].clientID()
	l.skip = len(first)
	for _, r := range l.runs { // what lies between two begins like both
		l.skip = min(l.skip, commonPrefix(r[0].clientID(), first), commonPrefix(r[len(r)-1].clientID(), first))
	}
	for i, r := range l.runs {
		l.heads = append(l.heads, head{keyOf(r[0].clientID(), l.skip), i})
	}
	for i := len(l.heads)/2 - 1; i >= 0; i-- {
		l.down(i)
	}
}

// next are the first n of what is left, or all of it.
func (l *backlog) next(n int) []*bucket {
	group := make([]*bucket, 0, min(n, l.left))
	for len(group) < cap(group) {
		h := &l.heads[0]
		r := l.runs[h.run]
		group = append(group, r[0])
		r = r[1:]
		l.runs[h.run] = r
		if len(r) > 0 {
			h.key = keyOf(r[0].clientID(), l.skip)
		} else {
			last := len(l.heads) - 1
			l.heads[0] = l.heads[last]
			l.heads = l.heads[:last]
		}
		l.down(0)
	}
	l.left -= len(group)
	return group
}

// prepare has the next ones looked for while a batch is being written. The backlog is the other goroutine's until
// they are received.
func (l *backlog) prepare(n int) <-chan []*bucket {
	prepared := make(chan []*bucket, 1)
	go func() { prepared <- l.next(n) }()
	return prepared
}

// down puts a head where it belongs in the heap below it.
func (l *backlog) down(i int) {
	for {
		first := i
		for _, child := range [...]int{2*i + 1, 2*i + 2} {
			if child < len(l.heads) && l.less(l.heads[child], l.heads[first]) {
				first = child
			}
		}
		if first == i {
			return
		}
		l.heads[i], l.heads[first] = l.heads[first], l.heads[i]
		i = first
	}
}

func (l *backlog) less(a, b head) bool {
	if a.key != b.key {
		return a.key < b.key
	}
	return l.runs[a.run][0].clientID() < l.runs[b.run][0].clientID()
}

// runSorter sorts runs, one after the other, in room of its own.
type runSorter []keyed

type keyed struct {
	key    uint64
	bucket *bucket
}

func (s *runSorter) sort(run []*bucket) {
	skip := len(run[0].clientID())
	for _, b := range run {
		skip = min(skip, commonPrefix(b.clientID(), run[0].clientID()))
	}
	room := (*s)[:0]
	for _, b := range run {
		room = append(room, keyed{keyOf(b.clientID(), skip), b})
	}
	slices.SortFunc(room, func(a, b keyed) int {
		if a.key != b.key {
			return cmp.Compare(a.key, b.key)
		}
		return strings.Compare(a.bucket.clientID(), b.bucket.clientID())
	})
	for i, k := range room {
		run[i] = k.bucket
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
