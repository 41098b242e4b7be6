package limiter

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"gopher-equalizer/limiter/table"
)

// DeleteManaged deletes all managed buckets that a limit has when it is called, and returns how
// many. These are also buckets that are only stored: those of a limit that there is no more, and
// those that the limit had under another key. ErrNoLimit: Options and the store don't know the
// limit. Other errors are those of Delete. n then counts what was deleted before, and another call
// goes on.
//
// Each batch is deleted in the store first and then in memory. Other writes come between batches.
// Each call to the store has a deadline, so ctx needs none.
func (s *Service) DeleteManaged(ctx context.Context, limit string) (n int, err error) {
	l := s.Limit(limit)
	if l != nil && l.lease != nil {
		return s.clearShared(ctx, l)
	}
	live, stored, err := s.managedKeys(ctx, limit, l)
	if err != nil {
		return 0, err
	}
	if n, err = s.deleteManaged(ctx, l, live); err != nil {
		return n, err
	}
	more, err := s.deleteManaged(ctx, nil, stored)
	return n + more, err
}

// managedKeys are the keys of a limit's managed buckets: of those in memory, and of those that are
// only stored. l is nil if there is no such limit any more.
func (s *Service) managedKeys(ctx context.Context, limit string, l *Limit) (live, stored []Key, err error) {
	locking, cancel := context.WithTimeout(ctx, s.options().StoreTimeout)
	defer cancel()
	if err := s.lockForAdmin(locking, l); err != nil {
		return nil, nil, err
	}
	defer s.writing.unlock()
	known := l != nil
	if known {
		live = l.managedKeys()
	}
	for _, n := range s.left {
		if n.LimitName != limit {
			continue
		}
		known = true
		if stored, err = s.appendStored(ctx, stored, n.ID); err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrStore, err)
		}
	}
	if !known {
		_, err := s.limit(limit)
		return nil, nil, err
	}
	slices.SortFunc(stored, Key.Compare)
	return live, stored, nil
}

func (l *Limit) managedKeys() (keys []Key) {
	l.table.Each(l.clock.Monotonic(), func(b *table.Bucket) {
		if b.Has(table.Managed) {
			keys = append(keys, l.key(b.ClientID()))
		}
	})
	slices.SortFunc(keys, Key.Compare)
	return keys
}

// appendStored appends the keys of the managed rows of a namespace.
func (s *Service) appendStored(ctx context.Context, keys []Key, namespace uint32) ([]Key, error) {
	var n atomic.Int64
	ctx, stop := whileItMoves(ctx, s.options().StoreTimeout, &n)
	defer stop()
	err := s.store.Load(ctx, namespace, func(r Record) error {
		n.Add(1)
		if r.Managed {
			keys = append(keys, r.Key)
		}
		return nil
	})
	s.noteStore(err)
	return keys, err
}

// deleteManaged deletes buckets, a batch at a time, and returns how many.
func (s *Service) deleteManaged(ctx context.Context, l *Limit, keys []Key) (n int, err error) {
	for batch := range slices.Chunk(keys, flushBatch) {
		deleted, err := s.deleteBatch(ctx, l, batch)
		if n += deleted; err != nil {
			return n, err
		}
	}
	return n, nil
}

// deleteBatch deletes those buckets that are still managed.
func (s *Service) deleteBatch(ctx context.Context, l *Limit, keys []Key) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.options().StoreTimeout)
	defer cancel()
	if err := s.lockForAdmin(ctx, l); err != nil {
		return 0, err
	}
	defer s.writing.unlock()
	if l != nil {
		now := s.clock.Monotonic()
		keys = slices.DeleteFunc(keys, func(k Key) bool {
			seen, ok := l.table.Find(k.ClientID, now)
			return !ok || !seen.Bucket.Has(table.Managed)
		})
	}
	if len(keys) == 0 {
		return 0, nil
	}
	if err := s.deleteRows(ctx, l, keys); err != nil {
		return 0, err
	}
	return len(keys), nil
}
