package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"
)

// Rows are stored in chunks, one row after the other, in the order of their client_ids:
//
//	uvarint  length of the client_id
//	bytes    client_id
//	uvarint  length of the value; 0: the row is deleted
//	bytes    value
//
// bbolt's cost is per key, so there are few keys. The key of a chunk ends with a client_id. All
// rows of the chunk are at or after that client_id, and all rows of earlier chunks are before it.

// usualSize is the size of most keys with their values, in bytes.
const usualSize = 64

// change is one put. Without a value it is one delete.
type change struct{ key, value []byte }

func appendRow(chunk []byte, one change) []byte {
	chunk = append(binary.AppendUvarint(chunk, uint64(len(one.key))), one.key...)
	return append(binary.AppendUvarint(chunk, uint64(len(one.value))), one.value...)
}

// cutRow removes a row from the front of a chunk.
func cutRow(chunk []byte) (one change, rest []byte, err error) {
	one.key, rest = cutBytes(chunk)
	if len(one.key) == 0 || rest == nil {
		return change{}, nil, fmt.Errorf("a row without a client_id: %w: %.64x", errValue, chunk)
	}
	if one.value, rest = cutBytes(rest); rest == nil {
		return change{}, nil, fmt.Errorf("client %q: %w", one.key, errValue)
	}
	return one, rest, nil
}

// cutBytes removes a length, and that many bytes, from the front. rest is nil if they aren't there.
func cutBytes(from []byte) (field, rest []byte) {
	length, n := binary.Uvarint(from)
	if n <= 0 || uint64(len(from)-n) < length {
		return nil, nil
	}
	end := n + int(length)
	return from[n:end:end], from[end:]
}

// appendMerged appends a chunk with changes made to it, without the deleted rows.
func appendMerged(dst, chunk []byte, changes []change) ([]byte, error) {
	same := chunk // from the first row that isn't copied yet
	for rest := chunk; len(rest) > 0 && len(changes) > 0; {
		row, behind, err := cutRow(rest)
		if err != nil {
			return nil, err
		}
		order := bytes.Compare(row.key, changes[0].key)
		if order < 0 {
			rest = behind
			continue
		}
		dst = appendPut(append(dst, same[:len(same)-len(rest)]...), changes[0])
		changes = changes[1:]
		if order == 0 {
			rest = behind
		}
		same = rest
	}
	dst = append(dst, same...)
	for _, one := range changes {
		dst = appendPut(dst, one)
	}
	return dst, nil
}

func appendPut(dst []byte, one change) []byte {
	if len(one.value) == 0 {
		return dst
	}
	return appendRow(dst, one)
}

// split cuts a chunk that is larger than size into pieces of about the same size.
func split(chunk []byte, size int) (pieces [][]byte, err error) {
	n := max(1, (len(chunk)+size-1)/size)
	each := (len(chunk) + n - 1) / n
	for len(chunk) > each {
		rest := chunk
		for len(chunk)-len(rest) < each {
			if _, rest, err = cutRow(rest); err != nil {
				return nil, err
			}
		}
		pieces = append(pieces, chunk[:len(chunk)-len(rest)])
		chunk = rest
	}
	if len(chunk) > 0 {
		pieces = append(pieces, chunk)
	}
	return pieces, nil
}

// seekChunk is the chunk that a client_id belongs to, among those whose keys have a prefix. For a
// client_id before all of them it is the first one. The key is nil if there is none.
func seekChunk(cursor *bbolt.Cursor, prefix, clientID []byte) (key, chunk []byte) {
	target := slices.Concat(prefix, clientID)
	if key, chunk = cursor.Seek(target); bytes.Equal(key, target) {
		return key, chunk
	}
	if key == nil {
		key, chunk = cursor.Last()
	} else {
		key, chunk = cursor.Prev()
	}
	if key == nil || !bytes.HasPrefix(key, prefix) {
		key, chunk = cursor.Seek(target)
	}
	if key == nil || !bytes.HasPrefix(key, prefix) {
		return nil, nil
	}
	return key, chunk
}
