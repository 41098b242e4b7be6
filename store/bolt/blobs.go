package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"gopher-equalizer/limiter"
	"gopher-equalizer/store/blob"
)

// The buckets of blobs and of their locks. The first write creates them. A blob's value begins with
// its revision, in 8 bytes, big endian. Revisions are the bucket's sequence. A lock's value has the
// time at which it ends, in Unix nanoseconds, and its duration, each in 8 bytes, big endian, and
// then its owner.
const (
	blobsName = "blobs"
	locksName = "locks"
)

const revisionSize, lockTimes = 8, 16

// Blobs implements store.Blobs in the file of a Store. Calls get the file in the order in which
// they came, so each waits for the commit of one batch at most.
type Blobs struct{ s *Store }

// Blobs are in the store's file. They are closed with the store.
func (s *Store) Blobs() *Blobs { return &Blobs{s} }

// Close implements store.Blobs. It does nothing: the file is the store's.
func (b *Blobs) Close() error { return nil }

// Get implements store.Blobs.
func (b *Blobs) Get(ctx context.Context, key string) ([]byte, blob.Revision, error) {
	got, err := view(ctx, b, blobsName, func(blobs *bbolt.Bucket) ([]byte, error) {
		return bytes.Clone(blobs.Get([]byte(key))), nil
	})
	if err != nil {
		return nil, 0, err
	}
	if len(got) < revisionSize {
		return nil, 0, blob.ErrNotFound
	}
	return got[revisionSize:], revisionOf(got), nil
}

func revisionOf(stored []byte) blob.Revision {
	return blob.Revision(binary.BigEndian.Uint64(stored))
}

// Put implements store.Blobs.
func (b *Blobs) Put(
	ctx context.Context, key string, value []byte, at blob.Revision,
) (blob.Revision, error) {
	if err := blob.CheckPut(key, value); err != nil {
		return 0, err
	}
	value = bytes.Clone(value) // The caller may be gone before the disk is done.
	return update(ctx, b, blobsName, func(blobs *bbolt.Bucket) (blob.Revision, error) {
		is := blob.None
		if stored := blobs.Get([]byte(key)); len(stored) >= revisionSize {
			is = revisionOf(stored)
		}
		if at != blob.Any && at != is {
			return 0, blob.ErrRevision
		}
		next, err := blobs.NextSequence()
		if err != nil {
			return 0, err
		}
		return blob.Revision(next), blobs.Put([]byte(key), append(binary.BigEndian.AppendUint64(nil, next), value...))
	})
}

// Delete implements store.Blobs.
func (b *Blobs) Delete(ctx context.Context, key string) error {
	_, err := update(ctx, b, blobsName, func(blobs *bbolt.Bucket) (struct{}, error) {
		return struct{}{}, blobs.Delete([]byte(key))
	})
	return err
}

// List implements store.Blobs.
func (b *Blobs) List(ctx context.Context, prefix string) ([]blob.Info, error) {
	return view(ctx, b, blobsName, func(blobs *bbolt.Bucket) (infos []blob.Info, err error) {
		c := blobs.Cursor()
		for k, v := c.Seek([]byte(prefix)); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, v = c.Next() {
			if len(v) < revisionSize {
				return nil, fmt.Errorf("%w: blob %q has no revision", errDamaged, k)
			}
			infos = append(infos, blob.Info{Key: string(k), Revision: revisionOf(v), Size: len(v) - revisionSize})
		}
		return infos, nil
	})
}

// Lock implements store.Blobs.
func (b *Blobs) Lock(ctx context.Context, name, owner string, ttl time.Duration) error {
	if err := errors.Join(blob.CheckKey(name), blob.CheckKey(owner)); err != nil {
		return err
	}
	_, err := update(ctx, b, locksName, func(locks *bbolt.Bucket) (struct{}, error) {
		now := time.Now()
		if held := locks.Get([]byte(name)); isHeld(held, now) && string(held[lockTimes:]) != owner {
			return struct{}{}, blob.ErrLocked
		}
		lock := binary.BigEndian.AppendUint64(nil, uint64(now.Add(ttl).UnixNano()))
		lock = binary.BigEndian.AppendUint64(lock, uint64(ttl))
		return struct{}{}, locks.Put([]byte(name), append(lock, owner...))
	})
	return err
}

// isHeld reports whether a lock hasn't expired. A lock that ends later than it possibly could has
// expired too: the clock stepped back.
func isHeld(lock []byte, now time.Time) bool {
	if len(lock) < lockTimes {
		return false
	}
	left := int64(binary.BigEndian.Uint64(lock)) - now.UnixNano()
	return left > 0 && left <= int64(binary.BigEndian.Uint64(lock[8:]))
}

// Unlock implements store.Blobs.
func (b *Blobs) Unlock(ctx context.Context, name, owner string) error {
	_, err := update(ctx, b, locksName, func(locks *bbolt.Bucket) (struct{}, error) {
		if held := locks.Get([]byte(name)); len(held) >= lockTimes && string(held[lockTimes:]) == owner {
			return struct{}{}, locks.Delete([]byte(name))
		}
		return struct{}{}, nil
	})
	return err
}

// view reads from a bucket, which may not be there yet. A caller whose context ends leaves the job
// behind, so the result comes through a channel.
func view[R any](
	ctx context.Context, b *Blobs, bucket string, read func(*bbolt.Bucket) (R, error),
) (result R, err error) {
	results := make(chan R, 1)
	err = b.s.use(ctx, func(context.Context) error {
		return b.s.db.View(func(tx *bbolt.Tx) error {
			in := tx.Bucket([]byte(bucket))
			if in == nil {
				return nil
			}
			r, err := read(in)
			results <- r
			return err
		})
	})
	return received(b, results, err)
}

// update writes to a bucket, in one transaction.
func update[R any](
	ctx context.Context, b *Blobs, bucket string, write func(*bbolt.Bucket) (R, error),
) (result R, err error) {
	results := make(chan R, 1)
	err = b.s.use(ctx, func(ctx context.Context) error {
		return b.s.commit(ctx, func(tx *bbolt.Tx) error {
			in, err := tx.CreateBucketIfNotExists([]byte(bucket))
			if err != nil {
				return err
			}
			r, err := write(in)
			results <- r
			return err
		})
	})
	if errors.Is(err, errLeftBehind) || errors.Is(err, limiter.ErrInDoubt) {
		err = fmt.Errorf("%w: %w", blob.ErrInDoubt, err)
	}
	return received(b, results, err)
}

// received is the result of a job that is done.
func received[R any](b *Blobs, results <-chan R, err error) (result R, _ error) {
	if err != nil {
		return result, b.s.wrap(err)
	}
	select {
	case result = <-results:
	default: // There is no such bucket yet.
	}
	return result, nil
}
