package main

import (
	"context"

	"github.com/rs/zerolog"

	"gopher-equalizer/config"
	"gopher-equalizer/limiter"
	"gopher-equalizer/store"
	"gopher-equalizer/store/bolt"
	"gopher-equalizer/store/memory"
	"gopher-equalizer/store/postgres"
)

// openBlobs opens the blobs beside the buckets of a store that is open.
func openBlobs(c config.Store, buckets limiter.Store, log zerolog.Logger) (store.Blobs, error) {
	switch s := buckets.(type) {
	case *bolt.Store:
		return s.Blobs(), nil
	case *postgres.Store:
		return postgres.NewBlobs(postgresOptions(c, log))
	default:
		return memory.NewBlobs(), nil
	}
}

// nameStore gives the store an id, if it has none, and logs it. Nothing depends on the id yet, so
// the start goes on if the store can't take it.
func nameStore(ctx context.Context, c config.Store, buckets limiter.Store, log zerolog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	id, err := instanceID(ctx, c, buckets, log)
	if err != nil {
		log.Warn().Err(err).Msg("the store has no id")
		return
	}
	log.Debug().Str("instance", id).Msg("the store is open")
}

func instanceID(ctx context.Context, c config.Store, buckets limiter.Store, log zerolog.Logger) (string, error) {
	blobs, err := openBlobs(c, buckets, log)
	if err != nil {
		return "", err
	}
	defer func() { _ = blobs.Close() }() // Nothing is under way.
	return store.InstanceID(ctx, blobs)
}
