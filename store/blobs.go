package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"gopher-equalizer/store/blob"
)

// Blobs keeps over restarts what isn't a bucket: small values under keys, and locks. It has a table
// or a bbolt bucket of its own, and its own connection to a server. A call never waits for a round
// of write-behind. With bbolt, which has one file and one writer, it may wait for the commit of one
// batch.
//
// A package that needs blobs declares the few methods that it uses. Calls may come from any number
// of goroutines, and end soon after their context does. Errors wrap those of package blob, or
// report that the store isn't there. blobtest checks all that is promised here.
type Blobs interface {
	// Get returns the value under a key, and its revision. blob.ErrNotFound: there is none.
	Get(ctx context.Context, key string) (value []byte, at blob.Revision, err error)
	// Put stores a value, durably, if the key is at this revision, and returns the new one. With
	// blob.None there must be no value yet, with blob.Any there may be. blob.ErrRevision: the key
	// is at another revision. After blob.ErrInDoubt, Get returns what there is, but a Put with
	// blob.Any may still arrive.
	Put(ctx context.Context, key string, value []byte, at blob.Revision) (blob.Revision, error)
	// Delete removes what is under a key, if anything.
	Delete(ctx context.Context, key string) error
	// List returns every key with this prefix, in byte order.
	List(ctx context.Context, prefix string) ([]blob.Info, error)
	// Lock takes a lock, or extends it if this owner holds it, until ttl from now. Anybody may take
	// a lock whose time is over, so a dead owner blocks nobody for longer. Lock doesn't wait.
	// blob.ErrLocked: another owner holds it.
	Lock(ctx context.Context, name, owner string, ttl time.Duration) error
	// Unlock releases a lock, if this owner holds it.
	Unlock(ctx context.Context, name, owner string) error
	// Close ends the calls under way, and closes what was opened for blobs.
	Close() error
}

// instanceKey is where a store keeps its id.
const instanceKey = "instance"

// instances are the Blobs that InstanceID uses.
type instances interface {
	Get(ctx context.Context, key string) ([]byte, blob.Revision, error)
	Put(ctx context.Context, key string, value []byte, at blob.Revision) (blob.Revision, error)
}

// InstanceID is the store's unique id. It is made when it is first asked for.
func InstanceID(ctx context.Context, b instances) (string, error) {
	id, _, err := b.Get(ctx, instanceKey)
	if errors.Is(err, blob.ErrNotFound) {
		id = []byte(rand.Text())
		_, err = b.Put(ctx, instanceKey, id, blob.None)
	}
	if errors.Is(err, blob.ErrRevision) { // Somebody else was faster.
		id, _, err = b.Get(ctx, instanceKey)
	}
	if err != nil {
		return "", fmt.Errorf("the store's instance id: %w", err)
	}
	return string(id), nil
}
