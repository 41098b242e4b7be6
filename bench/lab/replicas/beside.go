//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// shared is the database's work for takes at a rate.
type shared struct {
	keys     int
	takes    int
	took     time.Duration // to begin all takes
	renewals int64
	rounds   int64
	late     int64
	waits    int64 // takes that waited for the ledger
	refused  int64
	settled  time.Duration // until all was given back, after the last take
	work     work
}

// share takes at a rate from random clients at random replicas, until all is given back, so that
// all the work is counted.
func (b *bed) share(ctx context.Context, keys, rate int, d time.Duration) (out shared, err error) {
	clients := b.clients(keys)
	var before, after work
	if err := b.count(ctx, &before); err != nil {
		return out, err
	}
	counted := before
	f, err := b.join(ctx, time.Second, wait)
	if err != nil {
		return out, err
	}
	left := false
	leave := func() error {
		if left {
			return nil
		}
		left = true
		return f.leave(ctx)
	}
	defer func() { err = errors.Join(err, leave()) }()
	if before, err = b.spent(ctx); err != nil {
		return out, err
	}
	before.transactions, before.buckets = counted.transactions, counted.buckets
	f.begin(ctx, time.Second/fleetSize)
	if err := f.serve(ctx); err != nil {
		return out, err
	}
	takers := newTakers(f)
	random := rand.New(rand.NewPCG(1, uint64(keys)))
	out = shared{keys: keys}
	out.takes, out.took = pace(ctx, float64(rate), d, func(int) {
		takers.take(random.IntN(fleetSize), clients[random.IntN(keys)])
	})
	takers.wait()
	out.settled, err = f.settle(ctx)
	if err != nil {
		return out, err
	}
	if after, err = b.spent(ctx); err != nil {
		return out, err
	}
	stats := f.stats()
	out.renewals, out.rounds, out.late, out.waits, out.refused = f.renewals(), stats.Rounds, stats.LateRounds, stats.Waits, takers.refused.Load()
	if err := leave(); err != nil {
		return out, err
	}
	if err := b.count(ctx, &after); err != nil {
		return out, err
	}
	out.work = after.since(before)
	return out, nil
}

// serve waits until each replica has done a round, as clients come to none before that.
func (f fleet) serve(ctx context.Context) error {
	return f.each(func(r *replica) error {
		for r.lease.Stats().Rounds == 0 {
			if err := sleep(ctx, time.Millisecond); err != nil {
				return errors.Join(err, f.failure())
			}
		}
		return nil
	})
}

// settle waits until the replicas hold nothing any more, as nobody comes.
func (f fleet) settle(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	start := time.Now()
	rounds := f.stats().Rounds + 4*fleetSize // In the first ones everything is settled that was taken.
	for {
		if s := f.stats(); s.Leases == 0 && s.Rounds >= rounds {
			return time.Since(start), f.failure()
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return 0, fmt.Errorf("replicas still have leases of %d clients: %w", f.stats().Leases, errors.Join(err, f.failure()))
		}
	}
}
