//go:build linux

package main

import (
	"context"
	"errors"
	"time"
)

// flood is how many renewals a second the server does while replicas renew as fast as they can.
type flood struct {
	rate     float64 // R
	renewals int64
	work     work
}

// floodInterval is long, so that replicas have a TTL that outlasts any round.
const floodInterval = 20 * time.Second

// flood has replicas renew the same clients, round by round, and take from each between two rounds.
// It measures after a warm-up: updates cost the server more once its pages have no free space left
// but that of former versions.
func (b *bed) flood(ctx context.Context, clients []string, d time.Duration) (out flood, err error) {
	f, err := b.join(ctx, floodInterval, 0)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, f.leave(ctx)) }()
	start := time.Now()
	if err := f.renew(ctx, clients, func() bool { return time.Since(start) > 2*d }); err != nil {
		return out, err
	}
	before, err := b.spent(ctx)
	if err != nil {
		return out, err
	}
	renewed := f.renewals()
	if err := f.renew(ctx, clients, func() bool { return time.Since(before.at) > d }); err != nil {
		return out, err
	}
	out.renewals = f.renewals() - renewed
	after, err := b.spent(ctx)
	if err != nil {
		return out, err
	}
	out.work = after.since(before)
	out.rate = float64(out.renewals) / out.work.took.Seconds()
	return out, nil
}

// renew has all replicas do rounds until each has done one after which isDone reports true.
func (f fleet) renew(ctx context.Context, clients []string, isDone func() bool) error {
	return f.each(func(r *replica) error {
		for {
			for _, client := range clients {
				r.limit.Take(client, 1)
			}
			if err := r.lease.Round(ctx, false); err != nil || isDone() {
				return err
			}
		}
	})
}

// steady is what replicas do at a part of what the server can.
type steady struct {
	interval
	before, after flood
	clients       int
	due           float64 // renewals a second that are due
	renewals      int64
	takes         int
	refused       int64
	early         int64 // late rounds of the warm-up, in which all clients come
	late          int64 // rounds
	failed        int64 // rounds, since the replicas joined
	rounds        []time.Duration
	work          work
}

// apart is how long after each other replicas begin.
func (i interval) apart() time.Duration {
	if i.together {
		return 0
	}
	return i.time / fleetSize
}

// steady has replicas take once an interval from each client, and measures after a warm-up.
func (b *bed) steady(ctx context.Context, of interval, clients []string) (out steady, err error) {
	out = steady{interval: of, clients: len(clients), due: float64(len(clients)*fleetSize) / of.time.Seconds()}
	f, err := b.join(ctx, of.time, wait)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, f.leave(ctx)) }()
	f.begin(ctx, of.apart())
	takers := newTakers(f)
	take := func(i int) { takers.take(i%fleetSize, clients[i/fleetSize%len(clients)]) }
	pace(ctx, out.due, time.Duration(of.warmUp)*of.time, take)
	takers.wait()
	takers.refused.Store(0)
	f.forget()
	out.early = f.stats().LateRounds
	before, err := b.spent(ctx)
	if err != nil {
		return out, err
	}
	renewed := f.renewals()
	out.takes, _ = pace(ctx, out.due, time.Duration(of.intervals)*of.time, take)
	out.renewals = f.renewals() - renewed
	after, err := b.spent(ctx)
	if err != nil {
		return out, err
	}
	takers.wait()
	stats := f.stats()
	out.late, out.failed, out.refused = stats.LateRounds-out.early, stats.FailedRounds, takers.refused.Load()
	out.rounds = f.rounds(len(clients) / 2)
	out.work = after.since(before)
	return out, context.Cause(ctx)
}
