package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"gopher-equalizer/config"
	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/store/postgres"
)

// limiting is the limiter with its store. Both are there once anything was limited, and stay until
// the process ends.
type limiting struct {
	store  limiter.Store
	limits *limiter.Service
	// ledger and replica are there if the store is shared. isOwnKept reports whether store keeps
	// the buckets of limits that each replica has for itself then.
	ledger    *postgres.Ledger
	replica   *lease.Replica
	isOwnKept bool
}

// limitsChange is what the limits are to be. It is published or discarded.
type limitsChange struct {
	p *process
	// is is what there will be; nil if nothing is limited, and nothing was.
	is *limiting
	// opened reports whether it is new. If it isn't, reload is how its limits change.
	opened bool
	reload *limiter.Reload
}

// prepareLimits makes the limits that are new. If anything is limited for the first time, it opens
// the store and loads the buckets.
func (p *process) prepareLimits(ctx context.Context, c config.Config) (*limitsChange, error) {
	options, err := limiterOptions(c, p.governor.Aside, p.log.Logger)
	if err != nil {
		return nil, err
	}
	before := p.limiting.Load()
	switch {
	case before == nil && len(c.Limits) == 0:
		if p.current.Load() == nil {
			p.log.Info().Msg("nothing is limited: there is no [limits] section and no limit flag, so no buckets are stored")
		}
		return &limitsChange{p: p}, nil
	case before == nil:
		return p.openLimits(ctx, c, options)
	case before.replica != nil && !before.isOwnKept && hasReplicaScope(c):
		return nil, problem("limits", `the first one with scope = "replica" needs a place to keep its buckets; want a restart`)
	}
	reload, err := before.limits.Prepare(ctx, options)
	if err != nil {
		return nil, ofLimit(c, err)
	}
	return &limitsChange{p: p, is: before, reload: reload}, nil
}

// ofLimit gives an error of the limiter the key of the limit that it names.
func ofLimit(c config.Config, err error) error {
	for name := range c.Limits {
		if text, ok := strings.CutPrefix(err.Error(), fmt.Sprintf("limit %q: ", name)); ok {
			return problem("limits."+name, "%s", text)
		}
	}
	return err
}

// openLimits opens the store and loads the buckets.
func (p *process) openLimits(ctx context.Context, c config.Config, options limiter.Options) (*limitsChange, error) {
	_, heirless := options.Heir()
	if c.Store.Standby && p.current.Load() == nil {
		c.Store.ConnectTimeout = 0
	}
	l, late, err := p.openBuckets(ctx, c, heirless)
	if err != nil {
		return nil, p.ofStore(ctx, c.Store, err)
	}
	options.LoadLater, options.Replica, options.JoinTimeout = late, l.replica, c.Store.ConnectTimeout
	if c.Store.ConnectTimeout == 0 {
		options.JoinTimeout = math.MaxInt64
	}
	options.Volatile = options.Volatile || l.replica != nil && !l.isOwnKept
	l.limits, err = limiter.Open(ctx, options, l.store)
	if err != nil {
		return nil, errors.Join(err, l.close())
	}
	if !late {
		nameStore(ctx, c.Store, l.store, p.log.Logger)
	}
	return &limitsChange{p: p, is: l, opened: true}, nil
}

// openBuckets opens what has the buckets.
func (p *process) openBuckets(ctx context.Context, c config.Config, heirless error) (l *limiting, late bool, err error) {
	if c.Store.Shared {
		return openShared(ctx, c, p.governor.Aside, p.log.Logger)
	}
	buckets, late, err := openStore(ctx, c.Store, heirless, p.governor.Aside, p.log.Logger)
	return &limiting{store: buckets}, late, err
}

// limit is the one of a name as it will be.
func (c *limitsChange) limit(name string) *limiter.Limit {
	if c.reload != nil {
		return c.reload.Limit(name)
	}
	return c.is.limits.Limit(name)
}

// publish puts the change in force. If nothing was limited before, flushes begin.
func (c *limitsChange) publish() {
	if c.reload != nil {
		c.reload.Apply()
	}
	if c.opened {
		c.p.limiting.Store(c.is)
		c.p.flusher.run(c.is.limits.Run)
	}
}

// discard undoes what was prepared. It closes a store that was opened: nothing was spent, so there
// is nothing to store. But if a limit is strict, the next start would otherwise take this for a
// crash.
func (c *limitsChange) discard(ctx context.Context) {
	if c.reload != nil {
		c.reload.Discard()
	}
	if !c.opened {
		return
	}
	if c.is.limits.IsStrict() {
		if err := c.is.limits.Close(ctx); err != nil {
			c.p.log.Warn().Err(err).Msg("the next start will count what is reserved as spent")
		}
	}
	c.p.warn("closing the store", c.is.close())
}

// close closes the store.
func (l *limiting) close() error {
	err := l.store.Close()
	if l.ledger != nil {
		err = errors.Join(err, l.ledger.Close())
	}
	return err
}
