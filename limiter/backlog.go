package limiter

// backlog is what a flush has to write: the dirty buckets of all shards, in the order of their client_ids, which is the
// order that stores write fastest. There is no sort of all, nor the room for one: each shard's are sorted while they are in the processor's cache,
// and merged as they are asked for. What is here says whose bucket was dirty. That may have moved by the time that the flush comes to it, and the
// memory that it was in stays until then.
type backlog struct {
	runs  []run
	heads []head // a heap, with the run on top that begins first
	skip  int    // bytes that all client_ids begin with
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
		if r := t.shards[i].takeDirty(); len(r.places) > 0 {
			sorter.sort(&r)
			l.runs = append(l.runs, r)
			l.left += len(r.places)
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
	first := l.runs[0].first()
	l.skip = len(first)
	for i := range l.runs { // what lies between two begins like both
		l.skip = min(l.skip, commonPrefix(l.runs[i].first(), first), commonPrefix(l.runs[i].last(), first))
	}
	for i := range l.runs {
		l.heads = append(l.heads, head{keyOf(l.runs[i].first(), l.skip), i})
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
		r := &l.runs[h.run]
		group = append(group, r.next())
		if len(r.places) > 0 {
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
	return l.runs[a.run].first() < l.runs[b.run].first()
}
