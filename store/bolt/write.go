package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"gopher-equalizer/limiter"
)

// valueSize is the size that a record's value has at most, in bytes.
func valueSize(r *limiter.Record) int {
	const most = 1 + 3*binary.MaxVarintLen64 + 8 + binary.MaxVarintLen64 + 8 + binary.MaxVarintLen64
	return most + len(r.Tier)
}

// changes copies what a batch does to rows, in the order of their keys. The goroutine that writes
// it may be left behind, and the batch belongs to the caller again when Write returns.
func changes(batch limiter.Batch) []change {
	all := make([]change, 0, len(batch.Puts)+len(batch.Deletes))
	deletes := batch.Deletes
	deleteUpTo := func(key limiter.Key) {
		for len(deletes) > 0 && deletes[0].Compare(key) < 0 {
			all = append(all, change{key: appendKey(nil, deletes[0])})
			deletes = deletes[1:]
		}
	}
	room := make([]byte, 0, len(batch.Puts)*usualSize)
	for i := range batch.Puts {
		r := &batch.Puts[i]
		deleteUpTo(r.Key)
		if size := keySize(r.Key) + valueSize(r); cap(room)-len(room) < size {
			room = make([]byte, 0, len(batch.Puts)*usualSize+size)
		}
		from := len(room)
		room = appendKey(room, r.Key)
		key := room[from:len(room):len(room)]
		from = len(room)
		room = appendValue(room, r)
		all = append(all, change{key: key, value: room[from:len(room):len(room)]})
	}
	for _, key := range deletes {
		all = append(all, change{key: appendKey(nil, key)})
	}
	return all
}

// Write implements limiter.Store.
func (s *Store) Write(ctx context.Context, batch limiter.Batch) error {
	all, namespaces := changes(batch), slices.Clone(batch.Namespaces)
	err := s.use(ctx, func(ctx context.Context) error { return s.apply(ctx, all, namespaces) })
	if errors.Is(err, errLeftBehind) {
		err = fmt.Errorf("%w: %w", limiter.ErrInDoubt, err)
	}
	if err != nil {
		return s.wrap(fmt.Errorf("write: %w", err))
	}
	return nil
}

// apply writes all changes in one transaction.
func (s *Store) apply(ctx context.Context, all []change, namespaces []limiter.Namespace) error {
	return s.commit(ctx, func(tx *bbolt.Tx) error {
		c, err := contentsOf(tx)
		if err != nil {
			return err
		}
		for _, n := range namespaces {
			if err := putNamespace(c.namespaces, n); err != nil {
				return err
			}
		}
		return c.write(all, s.pace)
	})
}

// commit runs a transaction that writes, unless ctx has ended when it is to commit. An error of the
// commit itself wraps limiter.ErrInDoubt if the file may have the changes.
func (s *Store) commit(ctx context.Context, write func(*bbolt.Tx) error) error {
	committing, txid := false, 0
	err := s.db.Update(func(tx *bbolt.Tx) error {
		if err := write(tx); err != nil {
			return err
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		committing, txid = true, tx.ID()
		return nil
	})
	if err != nil && committing {
		return s.failedCommit(txid, err)
	}
	return err
}
