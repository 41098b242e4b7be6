package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/config"
	"gopher-equalizer/limiter"
	"gopher-equalizer/store"
	"gopher-equalizer/store/blob"
	"gopher-equalizer/store/bolt"
	"gopher-equalizer/store/memory"
	"gopher-equalizer/store/postgres"
)

// openBlobs opens the blobs of a configured store. Those in a file are beside buckets that are
// open; the others need no buckets.
func openBlobs(c config.Store, buckets limiter.Store, log zerolog.Logger) (store.Blobs, error) {
	switch c.Driver {
	case config.StoreBolt:
		return buckets.(*bolt.Store).Blobs(), nil
	case config.StorePostgres:
		return postgres.NewBlobs(postgresOptions(c, log))
	default:
		return memory.NewBlobs(), nil
	}
}

// lazyBlobs are the blobs of the configured store, which is opened when they are first used, since
// nothing needs it where nothing is limited. Where buckets are in the same file, that is open. Else
// a file is open only while it is used, so that it is free for others.
type lazyBlobs struct {
	config config.Store
	// aside is bolt.Options.Aside of a file.
	aside func(func())
	log   zerolog.Logger

	mu sync.Mutex
	// buckets are the limits', if they are open.
	buckets limiter.Store
	// server are those of a server; nil before the first use.
	server store.Blobs
	closed bool
}

// errBlobsClosed is the error of a use after close.
var errBlobsClosed = errors.New("the store is closed")

// errNotLimited keeps the buckets of an earlier version where nothing is limited.
var errNotLimited = errors.New("its buckets are of an earlier version, and nothing is limited that could have them")

// newLazyBlobs makes the blobs of a store; nil for one that doesn't outlive the process.
func newLazyBlobs(c config.Store, aside func(func()), log zerolog.Logger) *lazyBlobs {
	if c.Driver == config.StoreMemory {
		return nil
	}
	return &lazyBlobs{config: c, aside: aside, log: log}
}

// share keeps the blobs in the store of the buckets from now on; nil while it isn't open.
func (b *lazyBlobs) share(buckets limiter.Store) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buckets = buckets
}

// follow takes over the configuration's timeouts and password of now. It is of the same store.
func (b *lazyBlobs) follow(c config.Store) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.config = c
	usePassword(b.server, c.Postgres)
}

// usePassword has new connections of a store be made with the server's password of now, if it is on
// a server.
func usePassword(of any, server config.Postgres) {
	if s, ok := of.(interface{ UsePassword(text string) }); ok {
		s.UsePassword(string(server.Password))
	}
}

// close closes what was opened for blobs, if there are any. They can't be used any more.
func (b *lazyBlobs) close() error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.server == nil {
		return nil
	}
	return b.server.Close()
}

// Get implements balancer.Blobs. It creates no store.
func (b *lazyBlobs) Get(ctx context.Context, key string) (value []byte, at blob.Revision, err error) {
	err = b.use(ctx, false, func(blobs store.Blobs) (err error) {
		value, at, err = blobs.Get(ctx, key)
		return err
	})
	return value, at, err
}

// Put implements balancer.Blobs.
func (b *lazyBlobs) Put(ctx context.Context, key string, value []byte, at blob.Revision) (now blob.Revision, err error) {
	err = b.use(ctx, true, func(blobs store.Blobs) (err error) {
		now, err = blobs.Put(ctx, key, value, at)
		return err
	})
	return now, err
}

// Delete implements acme.Blobs.
func (b *lazyBlobs) Delete(ctx context.Context, key string) error {
	err := b.use(ctx, false, func(blobs store.Blobs) error { return blobs.Delete(ctx, key) })
	return ignoreMissing(err)
}

// List implements acme.Blobs.
func (b *lazyBlobs) List(ctx context.Context, prefix string) (infos []blob.Info, err error) {
	err = b.use(ctx, false, func(blobs store.Blobs) (err error) {
		infos, err = blobs.List(ctx, prefix)
		return err
	})
	return infos, ignoreMissing(err)
}

// Lock implements acme.Blobs.
func (b *lazyBlobs) Lock(ctx context.Context, name, owner string, ttl time.Duration) error {
	return b.use(ctx, true, func(blobs store.Blobs) error { return blobs.Lock(ctx, name, owner, ttl) })
}

// Unlock implements acme.Blobs.
func (b *lazyBlobs) Unlock(ctx context.Context, name, owner string) error {
	err := b.use(ctx, false, func(blobs store.Blobs) error { return blobs.Unlock(ctx, name, owner) })
	return ignoreMissing(err)
}

// ignoreMissing takes a file that isn't there for one with nothing in it.
func ignoreMissing(err error) error {
	if errors.Is(err, blob.ErrNotFound) {
		return nil
	}
	return err
}

// use calls f with the blobs. If the file isn't there and not to be created, it is
// blob.ErrNotFound.
func (b *lazyBlobs) use(ctx context.Context, create bool, f func(store.Blobs) error) error {
	blobs, c, err := b.open()
	switch {
	case err != nil:
		return err
	case blobs != nil:
		return f(blobs)
	}
	if _, err := os.Stat(c.Path); errors.Is(err, fs.ErrNotExist) && !create {
		return blob.ErrNotFound
	}
	file, err := bolt.Open(ctx, bolt.Options{
		Path: c.Path, ConnectTimeout: c.Timeout, Timeout: c.Timeout, Heirless: errNotLimited, Aside: b.aside, Logger: zerolog.Nop(),
	})
	if err != nil {
		return err
	}
	return errors.Join(f(file.Blobs()), file.Close())
}

// open returns the blobs that are open for longer than one use, and the store's configuration.
// blobs is nil if they are in a file that nobody has open.
func (b *lazyBlobs) open() (blobs store.Blobs, c config.Store, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch c = b.config; {
	case b.closed:
		return nil, c, errBlobsClosed
	case c.Driver != config.StoreBolt:
		if b.server == nil {
			if blobs, err = openBlobs(c, nil, b.log); err != nil {
				return nil, c, err
			}
			b.server = blobs
		}
		return b.server, c, nil
	case b.buckets == nil:
		return nil, c, nil
	}
	blobs, err = openBlobs(c, b.buckets, b.log)
	return blobs, c, err
}
