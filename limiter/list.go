package limiter

import (
	"container/heap"
	"context"
	"slices"
	"strings"

	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/limiter/table"
)

// List returns a page of the buckets that exist, in the order of their Places. more reports whether
// others follow. It makes one pass over all buckets and keeps the first Offset + Limit of them, so
// it takes little memory. One List runs at a time, so that listings can't take the CPU from the
// traffic. A second one gets ErrBusy. ErrNoLimit: there is no limit of the name Query.In.
//
// The page is not a snapshot: traffic goes on meanwhile. A walk with After finds a bucket that is
// there throughout exactly once.
func (s *Service) List(q Query) (page []Snapshot, more bool, err error) {
	limits := s.Limits()
	if q.In != "" {
		l, err := s.limit(q.In)
		if err != nil {
			return nil, false, err
		}
		limits = []*Limit{l}
	}
	if !s.listing.TryLock() {
		return nil, false, ErrBusy
	}
	defer s.listing.Unlock()

	window := min(q.Offset+q.Limit, MaxWindow)
	var first []listed
	s.options().Aside(func() { first, more, err = s.first(limits, q, window) })
	if err != nil {
		return nil, false, err
	}
	first = first[min(q.Offset, len(first)):]
	now, wall := s.clock.Monotonic(), s.clock.Wall()
	page = make([]Snapshot, 0, len(first))
	for _, b := range first {
		if b.shared != nil {
			page = append(page, b.limit.sharedSnapshot(b.clientID(), b.shared.state))
			continue
		}
		// It may have gone, or changed, since the pass.
		if seen, ok := b.limit.table.Find(b.clientID(), now); ok && q.selects(listed{limit: b.limit, own: seen.Bucket}) {
			page = append(page, b.limit.snapshotOf(seen, now, wall))
		}
	}
	return page, more, nil
}

// first returns the first n buckets that the query selects, in order. more reports whether there
// are others.
func (s *Service) first(limits []*Limit, q Query, n int) (buckets []listed, more bool, err error) {
	kept := make(lastFirst, 0, n)
	add := func(b listed) {
		switch {
		case !q.selects(b):
		case len(kept) < n:
			heap.Push(&kept, b)
		default:
			more = true
			if n > 0 && b.place().Compare(kept[0].place()) < 0 {
				kept[0] = b
				heap.Fix(&kept, 0)
			}
		}
	}
	for _, l := range limits {
		if l.lease == nil {
			l.table.Each(s.clock.Monotonic(), func(bucket *table.Bucket) { add(listed{limit: l, own: bucket}) })
			continue
		}
		err := s.eachShared(context.Background(), l, func(clientID string, state *lease.State) {
			add(listed{limit: l, shared: &sharedBucket{clientID, state}})
		})
		if err != nil {
			return nil, false, err
		}
	}
	slices.SortFunc(kept, func(a, b listed) int { return a.place().Compare(b.place()) })
	return kept, more, nil
}

func (q *Query) selects(b listed) bool {
	at := b.place()
	return at.Compare(q.After) > 0 && strings.HasPrefix(at.ClientID, q.Prefix) &&
		(q.Managed == nil || *q.Managed == b.isManaged())
}

// listed is a bucket with its limit: one of this process's own, or one of the ledger.
type listed struct {
	limit  *Limit
	own    *table.Bucket
	shared *sharedBucket
}

type sharedBucket struct {
	clientID string
	state    *lease.State
}

func (b listed) clientID() string {
	if b.shared != nil {
		return b.shared.clientID
	}
	return b.own.ClientID()
}

func (b listed) isManaged() bool {
	if b.shared != nil {
		return b.shared.state.Managed
	}
	return b.own.Has(table.Managed)
}

func (b listed) place() Place { return Place{b.clientID(), b.limit.Name()} }

// lastFirst is a heap with the last place on top, which an earlier one displaces.
type lastFirst []listed

func (h lastFirst) Len() int           { return len(h) }
func (h lastFirst) Less(i, j int) bool { return h[i].place().Compare(h[j].place()) > 0 }
func (h lastFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *lastFirst) Push(x any)        { *h = append(*h, x.(listed)) }

func (h *lastFirst) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

// Query selects a page of a listing.
type Query struct {
	// In leaves the buckets of this limit; "" leaves those of all.
	In string
	// After starts the page behind this place; the zero one is before the first.
	After Place
	// Offset buckets are skipped first. Offset + Limit is at most MaxWindow.
	Offset, Limit int
	// Prefix selects the buckets whose client_id begins with it; "" selects all.
	Prefix string
	// Managed selects the managed buckets, or the others; nil selects both.
	Managed *bool
}

// Place is where a bucket is in a listing: they are in the order of their client_ids, and those of
// one client in the order of their limits.
type Place struct{ ClientID, Limit string }

// Compare is the order of places.
func (p Place) Compare(other Place) int {
	if c := strings.Compare(p.ClientID, other.ClientID); c != 0 {
		return c
	}
	return strings.Compare(p.Limit, other.Limit)
}

// Place is where the bucket is in a listing.
func (s *Snapshot) Place() Place { return Place{s.ClientID, s.Limit} }

// MaxWindow bounds Query.Offset + Query.Limit, and so the memory that a listing takes.
const MaxWindow = 10_000
