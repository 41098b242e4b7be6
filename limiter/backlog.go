package limiter

import "gopher-equalizer/limiter/table"

// backlog is what a round has to write, of one limit after the other, in the order of the keys.
type backlog []limitBacklog

type limitBacklog struct {
	limit *Limit
	dirty *table.Backlog
}

// group is what is written at once.
type group []part

// part is what a group has of one limit.
type part struct {
	limit   *Limit
	buckets []*table.Bucket
}

// takeDirty empties the dirty lists of all limits. The buckets stay dirty.
func takeDirty(limits []*Limit) *backlog {
	var all backlog
	for _, l := range limits {
		all = append(all, limitBacklog{l, l.table.TakeDirty()})
	}
	return &all
}

// next takes the first n buckets of what is left, or all of it.
func (b *backlog) next(n int) (g group) {
	for n > 0 && len(*b) > 0 {
		first := (*b)[0]
		buckets := first.dirty.Next(n)
		if len(buckets) < n {
			*b = (*b)[1:]
		}
		if len(buckets) > 0 {
			g = append(g, part{first.limit, buckets})
			n -= len(buckets)
		}
	}
	return g
}

// prepare is next in the background, while a batch is being written. The caller must not touch the
// backlog until it has received the group.
func (b *backlog) prepare(n int) <-chan group {
	prepared := make(chan group, 1)
	go func() { prepared <- b.next(n) }()
	return prepared
}

// putBack queues again all that is left.
func (b *backlog) putBack(since int64) {
	for _, left := range *b {
		left.limit.table.PutBack(left.dirty.Rest(), since)
	}
}

func (g group) len() (n int) {
	for _, p := range g {
		n += len(p.buckets)
	}
	return n
}

// putBack queues again what is still dirty.
func (g group) putBack(since int64) {
	for _, p := range g {
		p.limit.table.PutBack(p.buckets, since)
	}
}

// redirty makes all dirty again, which were not stored. Whether they have a row is unknown, so they
// stay marked Stored.
func (g group) redirty(since int64) {
	for _, p := range g {
		for _, b := range p.buckets {
			p.limit.table.Redirty(b.ClientID(), since)
		}
	}
}
