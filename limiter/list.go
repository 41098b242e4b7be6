package limiter

import (
	"container/heap"
	"slices"
	"strings"
)

// List is a page of the buckets that exist, in byte order of their client_ids. more says whether
// there are others behind it. It is one pass over all buckets that keeps the first
// Offset + Limit of them, so it takes little memory, and one at a time, so that listings can't
// take the CPU from the traffic: ErrBusy otherwise.
//
// It is not a snapshot: traffic goes on meanwhile. A bucket that is there throughout is
// found exactly once by a walk with After.
func (s *Service) List(q Query) (page []Snapshot, more bool, err error) {
	if !s.listing.TryLock() {
		return nil, false, ErrBusy
	}
	defer s.listing.Unlock()

	window := min(q.Offset+q.Limit, MaxWindow)
	first, more := s.first(q, window)
	first = first[min(q.Offset, len(first)):]
	now, wall := s.clock.Monotonic(), s.clock.Wall()
	page = make([]Snapshot, 0, len(first))
	for _, b := range first {
		if seen, ok := s.table.find(b.clientID(), now); ok && q.selects(seen.bucket) { // it may have gone, or changed, since the pass
			page = append(page, seen.snapshot(now, wall))
		}
	}
	return page, more, nil
}

// first are the first n buckets that the query selects, in order; more: that wasn't all.
func (s *Service) first(q Query, n int) (buckets []*bucket, more bool) {
	kept := make(lastFirst, 0, n)
	s.table.each(s.clock.Monotonic(), func(b *bucket) {
		switch {
		case !q.selects(b):
		case len(kept) < n:
			heap.Push(&kept, b)
		default:
			more = true
			if n > 0 && b.clientID() < kept[0].clientID() {
				kept[0] = b
				heap.Fix(&kept, 0)
			}
		}
	})
	slices.SortFunc(kept, func(a, b *bucket) int { return strings.Compare(a.clientID(), b.clientID()) })
	return kept, more
}

func (q *Query) selects(b *bucket) bool {
	id := b.clientID()
	return id > q.After && strings.HasPrefix(id, q.Prefix) && (q.Managed == nil || *q.Managed == b.has(managed))
}

// lastFirst is a heap with the greatest client_id on top: the one that a smaller one displaces.
type lastFirst []*bucket

func (h lastFirst) Len() int           { return len(h) }
func (h lastFirst) Less(i, j int) bool { return h[i].clientID() > h[j].clientID() }
func (h lastFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *lastFirst) Push(x any)        { *h = append(*h, x.(*bucket)) }

func (h *lastFirst) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
