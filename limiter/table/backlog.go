package table

// Backlog has the dirty buckets of all shards for a flush, in the order of their client_ids, which
// stores write fastest. It is never sorted as a whole. The run of each shard is sorted while it is
// in the processor's cache, and the runs are merged as the flush asks for them. A bucket may have
// moved or died when the flush comes to it. Its former slab stays alive until then, so its
// client_id can be read.
type Backlog struct {
	runs  []run
	heads []runHead // a heap; on top is the run that begins first
	skip  int       // bytes that all client_ids begin with
	left  int
}

// runHead is the key of a run's first bucket. Most comparisons don't fetch the bucket itself.
type runHead struct {
	key uint64
	run int
}

// TakeDirty empties every shard's dirty list, one after the other. The buckets stay dirty.
func (t *Table) TakeDirty() *Backlog {
	l, sorter := &Backlog{}, runSorter{}
	for i := range t.shards {
		if r := t.shards[i].takeDirty(); len(r.refs) > 0 {
			sorter.sort(&r)
			l.runs = append(l.runs, r)
			l.left += len(r.refs)
		}
	}
	l.order()
	return l
}

// order makes the heap.
func (l *Backlog) order() {
	if l.left == 0 {
		return
	}
	first := l.runs[0].first()
	l.skip = len(first)
	for i := range l.runs { // All client_ids between two begin with what the two have in common.
		r := &l.runs[i]
		l.skip = min(l.skip, commonPrefix(r.first(), first), commonPrefix(r.last(), first))
	}
	for i := range l.runs {
		l.heads = append(l.heads, runHead{keyOf(l.runs[i].first(), l.skip), i})
	}
	for i := len(l.heads)/2 - 1; i >= 0; i-- {
		l.down(i)
	}
}

// Next takes the first n buckets of what is left, or all of it.
func (l *Backlog) Next(n int) []*Bucket {
	group := make([]*Bucket, 0, min(n, l.left))
	for len(group) < cap(group) {
		h := &l.heads[0]
		r := &l.runs[h.run]
		group = append(group, r.pop())
		if len(r.refs) > 0 {
			h.key = keyOf(r.first(), l.skip)
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

// Rest takes all that is left.
func (l *Backlog) Rest() []*Bucket { return l.Next(l.left) }

// Prepare is Next in the background, while a batch is being written. The caller must not touch the
// Backlog until it has received the buckets.
func (l *Backlog) Prepare(n int) <-chan []*Bucket {
	prepared := make(chan []*Bucket, 1)
	go func() { prepared <- l.Next(n) }()
	return prepared
}

// down puts a head where it belongs in the heap below it.
func (l *Backlog) down(i int) {
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

func (l *Backlog) less(a, b runHead) bool {
	if a.key != b.key {
		return a.key < b.key
	}
	return l.runs[a.run].first() < l.runs[b.run].first()
}
