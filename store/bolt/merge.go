package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"
)

// rows are changes in the order of their client_ids.
type rows interface {
	// next is the next change, which is good as long as the transaction is; one without a key is the end.
	next() (change, error)
}

// rowsFrom are all that is stored, from a client_id on, and deletions among them.
func (c *contents) rowsFrom(from []byte) (*merge, error) {
	var all []rows
	for _, g := range c.generations {
		all = append(g.runs(from), all...)
	}
	return newMerge(append(all, &treeRows{cursor: c.tree.Cursor(), from: from}))
}

// find is a client's row, nil if it has none.
func (c *contents) find(clientID []byte) (value []byte, err error) {
	for i := len(c.generations) - 1; i >= 0; i-- {
		for _, run := range c.generations[i].runs(clientID) {
			one, err := run.next()
			if err != nil {
				return nil, err
			}
			if bytes.Equal(one.key, clientID) {
				return one.value, nil
			}
		}
	}
	return c.tree.Get(clientID), nil
}

// treeRows are those of the tree.
type treeRows struct {
	cursor *bbolt.Cursor
	from   []byte
	begun  bool
}

func (r *treeRows) next() (change, error) {
	if r.begun {
		key, value := r.cursor.Next()
		return change{key, value}, nil
	}
	r.begun = true
	key, value := r.cursor.Seek(r.from)
	return change{key, value}, nil
}

// runs are those of a generation, from a client_id on, the newest first.
func (g generation) runs(from []byte) (all []rows) {
	for key, _ := g.Cursor().Last(); key != nil; {
		r := &run{cursor: g.Cursor(), number: key[:runNumber]}
		r.seek(from)
		all = append(all, r)
		older := g.Cursor()
		older.Seek(r.number)
		key, _ = older.Prev()
	}
	return all
}

// run is a batch.
type run struct {
	cursor *bbolt.Cursor
	number []byte
	chunk  []byte // what is left of it
	from   []byte // rows before it are passed over
}

// seek begins with the last chunk that begins before the client_id, or with the first.
func (r *run) seek(from []byte) {
	r.from = from
	target := append(bytes.Clone(r.number), from...)
	key, _ := r.cursor.Seek(target)
	var chunk []byte
	if key == nil {
		key, chunk = r.cursor.Last()
	} else if key, chunk = r.cursor.Prev(); !bytes.HasPrefix(key, r.number) {
		key, chunk = r.cursor.Seek(target)
	}
	if bytes.HasPrefix(key, r.number) {
		r.chunk = chunk
	}
}

func (r *run) next() (change, error) {
	for {
		if len(r.chunk) == 0 {
			key, chunk := r.cursor.Next()
			if !bytes.HasPrefix(key, r.number) {
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
			return one, nil
		}
	}
}

// cutRow takes a row off the front of a chunk.
func cutRow(chunk []byte) (one change, rest []byte, err error) {
	one.key, rest = cutBytes(chunk)
	if len(one.key) == 0 || rest == nil {
		return change{}, nil, fmt.Errorf("a batch that was written lately: %w: %.64x", errValue, chunk)
	}
	if one.value, rest = cutBytes(rest); rest == nil {
		return change{}, nil, fmt.Errorf("client %q: %w", one.key, errValue)
	}
	return one, rest, nil
}

// cutBytes takes bytes behind their length off the front; rest is nil if they aren't there.
func cutBytes(from []byte) (field, rest []byte) {
	length, n := binary.Uvarint(from)
	if n <= 0 || uint64(len(from)-n) < length {
		return nil, nil
	}
	end := n + int(length)
	return from[n:end:end], from[end:]
}

// merge is several rows in one order, with the newest of each client.
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

// advance takes the first row away.
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

// down puts a head where it belongs in the heap below it.
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
