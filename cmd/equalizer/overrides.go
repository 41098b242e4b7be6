package main

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/balancer"
	"gopher-equalizer/config"
	"gopher-equalizer/limiter"
)

// overrides are what operators said of backends, with the store that they are in.
type overrides struct {
	*balancer.Overrides
	// aside is bolt.Options.Aside of their file.
	aside func(func())
	log   zerolog.Logger
	// config is the store's, and blobs are what is in it; nil where nothing outlives the process.
	config config.Store
	blobs  *lazyBlobs
}

// newOverrides makes overrides that aren't in a store yet.
func newOverrides(aside func(func()), log zerolog.Logger) *overrides {
	return &overrides{Overrides: balancer.NewOverrides(log), aside: aside, log: log}
}

// use keeps overrides in the configured store from now on. buckets are the limits' in it, if they
// are open. It returns the former store's blobs, which the caller closes; nil if the store is the
// same. It is called by the start, and by one reload at a time.
func (o *overrides) use(c config.Store, buckets limiter.Store) (former *lazyBlobs) {
	before := o.blobs
	if before != nil && isSameStore(o.config, c) {
		before.follow(c)
	} else {
		o.blobs = newLazyBlobs(c, o.aside, o.log)
	}
	o.config = c
	if o.blobs == nil {
		o.Use(nil, c.Timeout, 0)
	} else {
		o.blobs.share(buckets)
		o.Use(o.blobs, c.Timeout, rereadOf(c))
	}
	if before == o.blobs {
		return nil
	}
	return before
}

// rereadOf is how often the overrides are read anew: as often as buckets are renewed, if other
// replicas may change them.
func rereadOf(c config.Store) time.Duration {
	if !c.Shared {
		return 0
	}
	return c.LeaseInterval
}

// loadOverrides has the overrides count that the store has. If it is away, they do so once it is
// back.
func (p *process) loadOverrides(ctx context.Context) {
	if err := p.overrides.Load(ctx); err != nil && ctx.Err() == nil {
		p.log.Warn().Err(err).Msg("backends are without the overrides in the store until they are loaded")
	}
}

// isSameStore reports whether two configurations are of one store. Its password may be another
// one.
func isSameStore(a, b config.Store) bool {
	a.Postgres.Password, a.Postgres.PasswordFile = b.Postgres.Password, b.Postgres.PasswordFile
	return a.Driver == b.Driver && a.Path == b.Path && a.Postgres == b.Postgres
}

// close stores what isn't stored yet, once Run has ended, and lets go of the store.
func (o *overrides) close(ctx context.Context) error {
	return errors.Join(o.Flush(ctx), o.blobs.close())
}

// storePatience is how long the response to an override waits for the store.
const storePatience = 250 * time.Millisecond

// backends are those of a configuration's pools, as the admin API changes them.
type backends struct {
	pools     pools
	overrides *overrides
}

// Override has what an operator says of the backend with an id win over the configuration, at once.
// Its status tells if it is stored, which is waited for a moment. The error is
// balancer.ErrNoBackend, or about a value.
func (b backends) Override(ctx context.Context, id string, o balancer.Override) (balancer.BackendStatus, error) {
	return b.change(ctx, id, func(p *pool, url string) (balancer.BackendStatus, error) { return p.Override(url, o) })
}

// ClearOverride has what the configuration says of a backend count again. The error is
// balancer.ErrNoBackend.
func (b backends) ClearOverride(ctx context.Context, id string) (balancer.BackendStatus, error) {
	return b.change(ctx, id, func(p *pool, url string) (balancer.BackendStatus, error) { return p.ClearOverride(url) })
}

func (b backends) change(ctx context.Context, id string, f func(p *pool, url string) (balancer.BackendStatus, error)) (balancer.BackendStatus, error) {
	p, url, err := b.pools.find(id)
	if err != nil {
		return balancer.BackendStatus{}, err
	}
	status, err := f(p, url)
	if err != nil || status.Stored {
		return status, err
	}
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	b.overrides.Await(ctx) // It counts all the same, and is stored later.
	return p.BackendStatus(url)
}
