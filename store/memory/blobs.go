package memory

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"gopher-equalizer/store/blob"
	"gopher-equalizer/store/internal/gate"
)

// Blobs implements store.Blobs with maps.
type Blobs struct {
	gate  *gate.Gate
	blobs map[string]stored // owned by the admitted call, like the following fields
	locks map[string]lock
	last  blob.Revision
}

type stored struct {
	value []byte
	at    blob.Revision
}

type lock struct {
	owner string
	until time.Time
}

// NewBlobs returns Blobs without values.
func NewBlobs() *Blobs {
	return &Blobs{gate: gate.New(), blobs: map[string]stored{}, locks: map[string]lock{}}
}

// do calls f once the gate admits it.
func (b *Blobs) do(ctx context.Context, f func() error) error {
	_, cancel, err := b.gate.Enter(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	defer b.gate.Leave()
	return f()
}

// Get implements store.Blobs.
func (b *Blobs) Get(ctx context.Context, key string) (value []byte, at blob.Revision, err error) {
	err = b.do(ctx, func() error {
		s, ok := b.blobs[key]
		if !ok {
			return blob.ErrNotFound
		}
		value, at = bytes.Clone(s.value), s.at
		return nil
	})
	return value, at, err
}

// Put implements store.Blobs. "Durably" means: until the process ends.
func (b *Blobs) Put(
	ctx context.Context, key string, value []byte, at blob.Revision,
) (now blob.Revision, err error) {
	if err := blob.CheckPut(key, value); err != nil {
		return 0, err
	}
	err = b.do(ctx, func() error {
		if at != blob.Any && b.blobs[key].at != at {
			return blob.ErrRevision
		}
		b.last++
		b.blobs[strings.Clone(key)] = stored{append([]byte{}, value...), b.last}
		now = b.last
		return nil
	})
	return now, err
}

// Delete implements store.Blobs.
func (b *Blobs) Delete(ctx context.Context, key string) error {
	return b.do(ctx, func() error {
		delete(b.blobs, key)
		return nil
	})
}

// List implements store.Blobs.
func (b *Blobs) List(ctx context.Context, prefix string) (infos []blob.Info, err error) {
	err = b.do(ctx, func() error {
		for _, key := range slices.Sorted(maps.Keys(b.blobs)) {
			if strings.HasPrefix(key, prefix) {
				s := b.blobs[key]
				infos = append(infos, blob.Info{Key: key, Revision: s.at, Size: len(s.value)})
			}
		}
		return nil
	})
	return infos, err
}

// Lock implements store.Blobs.
func (b *Blobs) Lock(ctx context.Context, name, owner string, ttl time.Duration) error {
	if err := checkLock(name, owner); err != nil {
		return err
	}
	return b.do(ctx, func() error {
		now := time.Now()
		if l, ok := b.locks[name]; ok && l.owner != owner && now.Before(l.until) {
			return blob.ErrLocked
		}
		b.locks[strings.Clone(name)] = lock{strings.Clone(owner), now.Add(ttl)}
		return nil
	})
}

func checkLock(name, owner string) error {
	if err := blob.CheckKey(name); err != nil {
		return err
	}
	return blob.CheckKey(owner)
}

// Unlock implements store.Blobs.
func (b *Blobs) Unlock(ctx context.Context, name, owner string) error {
	return b.do(ctx, func() error {
		if b.locks[name].owner == owner {
			delete(b.locks, name)
		}
		return nil
	})
}

// Close implements store.Blobs. It never fails.
func (b *Blobs) Close() error {
	b.gate.End()
	return nil
}
