package bolt

import (
	"bytes"
	"slices"

	"go.etcd.io/bbolt"
)

// base is a bucket with the rows of all clients, except recent ones. A chunk's key is a client_id.
type base struct{ *bbolt.Bucket }

// apply makes changes, which are in the order of the client_ids. It splits a chunk that becomes
// larger than size, and joins one that becomes much smaller to the next one.
func (b base) apply(all []change, size int) error {
	var room []byte
	for len(all) > 0 {
		s, err := b.spanOf(all, size, room[:0])
		if err != nil {
			return err
		}
		if err := b.replace(s, size); err != nil {
			return err
		}
		all = all[s.changes:]
		room = s.rows
	}
	return nil
}

// span is a stretch of adjacent chunks with changes made to them.
type span struct {
	keys    [][]byte // of the chunks as they were
	first   []byte   // the key of the first chunk that replaces them
	rows    []byte
	changes int // how many were made
}

// spanOf makes the first of the changes: all that belong to the chunk of the first one, and those
// of the following chunks while the result is too small.
func (b base) spanOf(all []change, size int, room []byte) (s span, err error) {
	cursor := b.Cursor()
	key, chunk := seekChunk(cursor, nil, all[0].key)
	s = span{first: all[0].key, rows: room}
	if key != nil && bytes.Compare(key, s.first) < 0 {
		s.first = key
	}
	for {
		var next, nextChunk []byte
		if key != nil {
			s.keys = append(s.keys, key)
			next, nextChunk = cursor.Next()
		}
		n := len(all)
		if next != nil {
			n, _ = slices.BinarySearchFunc(all, next, func(one change, key []byte) int { return bytes.Compare(one.key, key) })
		}
		if s.rows, err = appendMerged(s.rows, chunk, all[:n]); err != nil {
			return span{}, err
		}
		s.changes += n
		if next == nil || len(s.rows) >= size/4 {
			return s, nil
		}
		all, key, chunk = all[n:], next, nextChunk
	}
}

// replace puts the rows of a span in place of its chunks.
func (b base) replace(s span, size int) error {
	for _, key := range s.keys {
		if len(s.rows) > 0 && bytes.Equal(key, s.first) {
			continue
		}
		if err := b.Delete(key); err != nil {
			return err
		}
	}
	pieces, err := split(s.rows, size)
	if err != nil {
		return err
	}
	for i, piece := range pieces {
		key := s.first
		if i > 0 {
			row, _, err := cutRow(piece)
			if err != nil {
				return err
			}
			key = row.key
		}
		if err := b.Put(key, bytes.Clone(piece)); err != nil {
			return err
		}
	}
	return nil
}
