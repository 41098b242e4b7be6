package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"gopher-equalizer/limiter"
)

// maxValue is the size of the largest value, in bytes.
const maxValue = 1 + 3*binary.MaxVarintLen64 + 8 + binary.MaxVarintLen64 + 8

// changes copies a batch, in the order of the client_ids. The goroutine that writes it may be left
// behind, and the batch belongs to the caller again when Write returns.
func changes(batch limiter.Batch) []change {
	all := make([]change, 0, len(batch.Puts)+len(batch.Deletes))
	deletes := batch.Deletes
	deleteUpTo := func(clientID string) {
		for len(deletes) > 0 && deletes[0] < clientID {
			all = append(all, change{key: []byte(deletes[0])})
			deletes = deletes[1:]
		}
	}
	room := make([]byte, 0, len(batch.Puts)*usualSize)
	for i := range batch.Puts {
		r := &batch.Puts[i]
		deleteUpTo(r.ClientID)
		if cap(room)-len(room) < len(r.ClientID)+maxValue {
			room = make([]byte, 0, len(batch.Puts)*usualSize+len(r.ClientID)+maxValue)
		}
		room = append(room, r.ClientID...)
		key := room[len(room)-len(r.ClientID) : len(room) : len(room)]
		from := len(room)
		room = appendValue(room, r)
		all = append(all, change{key: key, value: room[from:len(room):len(room)]})
	}
	for _, clientID := range deletes {
		all = append(all, change{key: []byte(clientID)})
	}
	return all
}

// Write implements limiter.Store.
func (s *Store) Write(ctx context.Context, batch limiter.Batch) error {
	all, stopped := changes(batch), batch.Stopped
	err := s.use(ctx, func(ctx context.Context) error { return s.apply(ctx, all, stopped) })
	if errors.Is(err, errLeftBehind) {
		err = fmt.Errorf("%w: %w", limiter.ErrInDoubt, err)
	}
	if err != nil {
		return s.wrap(fmt.Errorf("write: %w", err))
	}
	return nil
}

// apply writes all changes in one transaction.
func (s *Store) apply(ctx context.Context, all []change, stopped time.Time) error {
	return s.commit(ctx, func(tx *bbolt.Tx) error {
		c, err := contentsOf(tx)
		if err != nil {
			return err
		}
		if err := c.write(all, s.pace); err != nil {
			return err
		}
		return noteStopped(tx, stopped)
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
