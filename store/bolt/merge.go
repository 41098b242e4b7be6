package bolt

import (
	"bytes"
	"slices"

	"go.etcd.io/bbolt"
)

// rows are changes in the order of their client_ids.
type rows interface {
	// next is the next change. It is valid as long as the transaction is. A change without a key
	// marks the end.
	next() (change, error)
}

// rowsFrom are all rows from a client_id on, including deletions.
func (c *contents) rowsFrom(from []byte) (*merge, error) {
	return newMerge(c.newestFirst(from))
}

func (c *contents) newestFirst(from []byte) (all []rows) {
	for _, g := range slices.Backward(c.generations) {
		all = append(all, g.runs(from)...)
	}
	return append(all, newRun(c.base.Bucket, nil, from))
}

// find is a client's row; nil if it has none.
func (c *contents) find(clientID []byte) (value []byte, err error) {
	for _, r := range c.newestFirst(clientID) {
		one, err := r.next()
		if err != nil || bytes.Equal(one.key, clientID) {
			return one.value, err
		}
	}
	return nil, nil
}

// runs are the runs of a generation, from a client_id on, the newest first.
func (g generation) runs(from []byte) (all []rows) {
	if g.old() {
		return []rows{&oldRows{cursor: g.Cursor(), from: from}}
	}
	for key, _ := g.Cursor().Last(); key != nil; {
		number := key[:runNumber]
		all = append(all, newRun(g.Bucket, number, from))
		older := g.Cursor()
		older.Seek(number)
		key, _ = older.Prev()
	}
	return all
}

// oldRows are the rows of a bucket in which each row has its own key.
type oldRows struct {
	cursor *bbolt.Cursor
	from   []byte
	begun  bool
}

func (r *oldRows) next() (change, error) {
	if r.begun {
		key, value := r.cursor.Next()
		return change{key, value}, nil
	}
	r.begun = true
	key, value := r.cursor.Seek(r.from)
	return change{key, value}, nil
}

// run is the rows of the chunks whose keys begin with a prefix, from a client_id on.
type run struct {
	cursor *bbolt.Cursor
	prefix []byte
	chunk  []byte // the rest of it
	from   []byte
}

func newRun(b *bbolt.Bucket, prefix, from []byte) *run {
	r := &run{cursor: b.Cursor(), prefix: prefix, from: from}
	_, r.chunk = seekChunk(r.cursor, prefix, from)
	return r
}

func (r *run) next() (change, error) {
	for {
		if len(r.chunk) == 0 {
			key, chunk := r.cursor.Next()
			if key == nil || !bytes.HasPrefix(key, r.prefix) {
				return change{}, nil
			}
			r.chunk = chunk
		}
		one, rest, err := cutRow(r.chunk)
		if err != nil {
			return change{}, err
		}
		r.chunk = rest
		if bytes.Compare(one.key, r.from) >= 0 {
			r.from = nil
			return one, nil
		}
	}
}

// merge puts several sequences of rows into one order, with the newest row of each client.
type merge struct {
	heads []head // a heap
}

// head is what rows begin with.
type head struct {
	change
	age  int // newer ones first
	rows rows
}

// newMerge takes the newest first.
func newMerge(all []rows) (*merge, error) {
	m := &merge{heads: make([]head, 0, len(all))}
	for age, r := range all {
		one, err := r.next()
		if err != nil {
			return nil, err
		}
		if one.key != nil {
			m.heads = append(m.heads, head{one, age, r})
		}
	}
	for i := len(m.heads)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
	return m, nil
}

func (m *merge) next() (change, error) {
	if len(m.heads) == 0 {
		return change{}, nil
	}
	newest := m.heads[0].change
	for len(m.heads) > 0 && bytes.Equal(m.heads[0].key, newest.key) {
		if err := m.advance(); err != nil {
			return change{}, err
		}
	}
	return newest, nil
}

// advance removes the first row.
func (m *merge) advance() error {
	one, err := m.heads[0].rows.next()
	if err != nil {
		return err
	}
	if one.key != nil {
		m.heads[0].change = one
	} else {
		last := len(m.heads) - 1
		m.heads[0] = m.heads[last]
		m.heads = m.heads[:last]
	}
	m.down(0)
	return nil
}

// down moves a head to its place in the heap below it.
func (m *merge) down(i int) {
	for {
		first := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(m.heads); child++ {
			if m.less(child, first) {
				first = child
			}
		}
		if first == i {
			return
		}
		m.heads[i], m.heads[first] = m.heads[first], m.heads[i]
		i = first
	}
}

func (m *merge) less(i, j int) bool {
	if c := bytes.Compare(m.heads[i].key, m.heads[j].key); c != 0 {
		return c < 0
	}
	return m.heads[i].age < m.heads[j].age
}
