package limiter

import (
	"container/heap"
	"slices"
	"strings"

	"gopher-equalizer/limiter/table"
)

// List returns a page of the buckets that exist, in byte order of their client_ids. more reports
// whether others follow. It makes one pass over all buckets and keeps the first Offset + Limit of
// them, so it takes little memory. One List runs at a time, so that listings can't take the CPU
// from the traffic. A second one gets ErrBusy.
//
// The page is not a snapshot: traffic goes on meanwhile. A walk with After finds a bucket that is
// there throughout exactly once.
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
		// It may have gone, or changed, since the pass.
		if seen, ok := s.table.Find(b.ClientID(), now); ok && q.selects(seen.Bucket) {
			page = append(page, snapshotOf(seen, now, wall))
		}
	}
	return page, more, nil
}

// first returns the first n buckets that the query selects, in order. more reports whether there
// are others.
func (s *Service) first(q Query, n int) (buckets []*table.Bucket, more bool) {
	kept := make(lastFirst, 0, n)
	s.table.Each(s.clock.Monotonic(), func(b *table.Bucket) {
		switch {
		case !q.selects(b):
		case len(kept) < n:
			heap.Push(&kept, b)
		default:
			more = true
			if n > 0 && b.ClientID() < kept[0].ClientID() {
				kept[0] = b
				heap.Fix(&kept, 0)
			}
		}
	})
	slices.SortFunc(kept, func(a, b *table.Bucket) int { return strings.Compare(a.ClientID(), b.ClientID()) })
	return kept, more
}

func (q *Query) selects(b *table.Bucket) bool {
	id := b.ClientID()
	return id > q.After && strings.HasPrefix(id, q.Prefix) &&
		(q.Managed == nil || *q.Managed == b.Has(table.Managed))
}

// lastFirst is a heap with the greatest client_id on top, which a smaller one displaces.
type lastFirst []*table.Bucket

func (h lastFirst) Len() int           { return len(h) }
func (h lastFirst) Less(i, j int) bool { return h[i].ClientID() > h[j].ClientID() }
func (h lastFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *lastFirst) Push(x any)        { *h = append(*h, x.(*table.Bucket)) }

func (h *lastFirst) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
