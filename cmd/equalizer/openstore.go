package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/rs/zerolog"

	"gopher-equalizer/config"
	"gopher-equalizer/limiter"
	"gopher-equalizer/store"
	"gopher-equalizer/store/bolt"
	"gopher-equalizer/store/memory"
	"gopher-equalizer/store/postgres"
)

// openStore opens the configured store, for which it waits up to connect_timeout; 0 has no end.
// late is true if it isn't there yet, and traffic is to be served meanwhile. The error is heirless
// if the store's buckets are of a version that knew of one limit only, and heirless is why nobody
// gets them. aside is bolt.Options.Aside.
func openStore(ctx context.Context, c config.Store, heirless error, aside func(func()), log zerolog.Logger) (s limiter.Store, late bool, err error) {
	switch c.Driver {
	case config.StoreMemory:
		return memory.New(), false, nil
	case config.StoreBolt:
		s, err = bolt.Open(ctx, bolt.Options{
			Path: c.Path, ConnectTimeout: c.ConnectTimeout, Timeout: c.Timeout, Heirless: heirless, Aside: aside, Logger: log,
		})
		return s, false, err
	case config.StorePostgres:
		return openPostgres(ctx, c, heirless, log)
	}
	return nil, false, fmt.Errorf("unexpected store driver %q; want %s, %s or %s", c.Driver, config.StoreBolt, config.StorePostgres, config.StoreMemory)
}

func openPostgres(ctx context.Context, c config.Store, heirless error, log zerolog.Logger) (s limiter.Store, late bool, err error) {
	o := postgresOptions(c, log)
	o.Heirless = heirless
	db, err := postgres.New(o)
	if err != nil {
		return nil, false, err
	}
	err = db.Connect(ctx)
	switch {
	case err == nil:
		return db, false, nil
	case c.RequiredAtStart, postgres.IsFinal(err), errors.Is(err, store.ErrHeld), ctx.Err() != nil:
		return nil, false, errors.Join(err, db.Close())
	}
	log.Error().Err(err).Msg("the store is away: traffic starts without it, as required_at_start is false, and its buckets are loaded when it is there")
	return db, true, nil
}

func postgresOptions(c config.Store, log zerolog.Logger) postgres.Options {
	return postgres.Options{
		Host: c.Postgres.Host, Port: c.Postgres.Port, User: c.Postgres.User, Password: string(c.Postgres.Password),
		DBName: c.Postgres.DBName, SSLMode: c.Postgres.SSLMode, Schema: c.Postgres.Schema,
		ConnectTimeout: c.ConnectTimeout, Timeout: c.Timeout, Logger: log,
	}
}

// ofStore gives the error of a store that a reload can't open the key that names the store.
func (p *process) ofStore(ctx context.Context, c config.Store, err error) error {
	if p.current.Load() == nil || ctx.Err() != nil {
		return err // The start's is told as it is.
	}
	key := "store.driver"
	switch c.Driver {
	case config.StoreBolt:
		key = "store.path"
	case config.StorePostgres:
		key = "store.postgres"
	}
	return problem(key, "%v", err)
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
