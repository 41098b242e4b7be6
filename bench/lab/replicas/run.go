//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"

	"gopher-equalizer/bench/machine"
)

// results are what was measured.
type results struct {
	buckets  int
	steady   []steady
	shared   []shared
	redis    string // its version; "" if it isn't there
	scripted []scripted
}

// part is how much of what the server can do is asked of it.
const part = 0.7

// runAll measures everything, and writes the report.
func runAll(ctx context.Context, s settings, say func(string, ...any)) error {
	facts := machine.Facts()
	say("filling: %d buckets", s.buckets)
	b, err := openBed(ctx, s.buckets)
	if err != nil {
		return err
	}
	defer b.close()
	out := results{buckets: s.buckets}
	if err := b.renewals(ctx, s, &out, say); err != nil {
		return err
	}
	if err := b.beside(ctx, s, &out, say); err != nil {
		return err
	}
	return write(s, out, facts, say)
}

// renewals measures R, what becomes of rounds at a part of it, and R again.
func (b *bed) renewals(ctx context.Context, s settings, out *results, say func(string, ...any)) error {
	for _, of := range s.intervals {
		say("an interval of %v: renewing as fast as it goes, for %v", of.time, s.flood)
		before, err := b.flood(ctx, b.clients(of.active), s.flood)
		if err != nil {
			return fmt.Errorf("as fast as it goes: %w", err)
		}
		n := min(b.buckets, int(part*before.rate*of.time.Seconds()/fleetSize))
		say("R = %.0f renewals a second: %d clients at each replica, %s", before.rate, n, of.begun())
		one, err := b.steady(ctx, of, b.clients(n))
		if err != nil {
			return fmt.Errorf("an interval of %v: %w", of.time, err)
		}
		one.before = before
		if one.after, err = b.flood(ctx, b.clients(of.active), s.flood); err != nil {
			return fmt.Errorf("as fast as it goes: %w", err)
		}
		say("%d late rounds of %d; R = %.0f renewals a second", one.late, len(one.rounds), one.after.rate)
		out.steady = append(out.steady, one)
	}
	return nil
}

// beside measures takes at a rate, by leases and by a script of Redis.
func (b *bed) beside(ctx context.Context, s settings, out *results, say func(string, ...any)) error {
	for _, keys := range s.keys {
		say("%d takes a second from %d clients: PostgreSQL", s.rate, keys)
		one, err := b.share(ctx, keys, s.rate, s.time)
		if err != nil {
			return fmt.Errorf("%d clients: %w", keys, err)
		}
		out.shared = append(out.shared, one)
	}
	redis, err := startRedis(ctx)
	if errors.Is(err, exec.ErrNotFound) {
		say("no redis-server here: going on without")
		return nil
	}
	if err != nil {
		return err
	}
	defer redis.close()
	out.redis = redis.version
	for _, keys := range s.keys {
		say("%d takes a second from %d clients: Redis", s.rate, keys)
		one, err := redis.take(ctx, b.clients(keys), s.rate, s.time)
		if err != nil {
			return fmt.Errorf("asking Redis for %d clients: %w", keys, err)
		}
		out.scripted = append(out.scripted, one)
	}
	return nil
}
