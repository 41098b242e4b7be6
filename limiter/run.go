package limiter

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/limiter/table"
)

// reapPass is the time in which the reaper looks at every shard once.
const reapPass = time.Minute

// earlyFlush is the part of the flush interval after which a round begins that a taker waits for.
const earlyFlush = 20

// maxRetry is the longest time between two attempts to reach a store that is down.
const maxRetry = 15 * time.Second

// Run flushes and reaps until ctx ends. It leaves the last flush to Close.
func (s *Service) Run(ctx context.Context) {
	var others sync.WaitGroup
	others.Go(func() { s.reapLoop(ctx) })
	others.Go(func() { s.renewLoop(ctx) })
	if replica := s.options().Replica; replica != nil {
		others.Go(func() { replica.Run(ctx) })
	}
	s.flushLoop(ctx)
	others.Wait()
}

// renewPause is the time between two parts of a table that follow a reload's numbers, so that
// takers don't wait for a processor.
const renewPause = time.Millisecond

// renewLoop has the buckets that nobody takes from follow the numbers of a reload.
func (s *Service) renewLoop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.renew:
		}
		for _, l := range s.present.Load().all() {
			l.table.Renew(func() {
				select {
				case <-ctx.Done():
				case <-time.After(renewPause):
				}
			})
		}
	}
}

func (s *Service) flushLoop(ctx context.Context) {
	timer := time.NewTimer(s.options().FlushInterval)
	defer timer.Stop()
	failures := 0
	for wake := s.wake; ; {
		select {
		case <-ctx.Done():
			return
		case <-wake:
			wake = nil // Once, or further wake-ups would put the round off.
			timer.Reset(s.options().FlushInterval / earlyFlush)
			continue
		case <-s.retimed:
			if failures == 0 { // Else the pause is for the store's sake.
				wake = s.wake
				timer.Reset(s.options().FlushInterval)
			}
			continue
		case <-timer.C:
		}
		start := s.clock.Monotonic()
		if s.round(ctx) != nil {
			failures++
			wake = nil // A store that is down keeps its pause.
		} else {
			failures = 0
			wake = s.wake
		}
		took := time.Duration(s.clock.Monotonic() - start)
		if took > s.options().FlushInterval {
			s.rounds.overrun.Add(1)
		}
		timer.Reset(s.untilNext(took, failures))
	}
}

// round flushes, and then sweeps.
func (s *Service) round(ctx context.Context) (err error) {
	s.options().Aside(func() {
		if err = s.flush(ctx, s.options().FlushInterval); err == nil {
			s.sweep(ctx)
		}
	})
	return err
}

// untilNext keeps rounds an interval apart, from beginning to beginning. While the store is down it
// doubles that, up to maxRetry, and subtracts up to half at random, so that replicas don't come
// back to a database all at once.
func (s *Service) untilNext(took time.Duration, failures int) time.Duration {
	wait := max(0, s.options().FlushInterval-took)
	if failures == 0 {
		return wait
	}
	backoff := min(maxRetry, s.options().FlushInterval<<min(failures-1, 10))
	return max(wait, backoff/2+rand.N(backoff/2+1))
}

func (s *Service) reapLoop(ctx context.Context) {
	ticker := time.NewTicker(reapPass / table.Shards)
	defer ticker.Stop()
	logs := map[*Limit]*overflowLog{}
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		present := s.present.Load()
		limits := slices.Concat(present.all(), present.shared)
		maps.DeleteFunc(logs, func(l *Limit, _ *overflowLog) bool { return !slices.Contains(limits, l) })
		for _, l := range limits {
			if logs[l] == nil {
				logs[l] = &overflowLog{}
			}
			logs[l].look(l)
			// That of a shared limit is empty: what the replica holds goes with rounds.
			l.table.Reap(i%table.Shards, s.clock.Monotonic())
		}
	}
}

// closeRetry is the time between the first two attempts of the last round. Each is twice the one
// before it.
const closeRetry, maxCloseRetry = 100 * time.Millisecond, 2 * time.Second

// Close ends admin writes, which return ErrClosed from then on. Then it stores what is dirty, and
// notes that this was an orderly stop. Run must have returned, and takers must be done. The error
// has how many buckets were not flushed, and why.
func (s *Service) Close(ctx context.Context) error {
	if err := s.writing.lock(ctx); err != nil {
		return s.notFlushed(err)
	}
	s.closed = true
	s.writing.unlock()
	for retry := closeRetry; ; retry = min(2*retry, maxCloseRetry) {
		err := s.flushLast(ctx)
		if err == nil {
			return s.part(ctx)
		}
		select {
		case <-ctx.Done():
			return s.notFlushed(err)
		case <-time.After(retry):
		}
	}
}

func (s *Service) notFlushed(why error) error {
	switch dirty := s.Stats().Dirty; dirty {
	case 0:
		return fmt.Errorf("all buckets are flushed, but not the note that this is a stop and no crash: %w", why)
	case 1:
		return fmt.Errorf("1 bucket not flushed: %w", why)
	default:
		return fmt.Errorf("%d buckets not flushed: %w", dirty, why)
	}
}

// overflowLog logs that clients share overflow buckets of a limit. It is the reaper's.
type overflowLog struct {
	logged bool
	takes  int64 // when it was last looked
}

// look logs once that max_buckets are reached and clients share buckets, and once that there is
// room again: a tenth of it, since a table at its brim would fill the log.
func (o *overflowLog) look(l *Limit) {
	stats, most := l.buckets().Stats(), l.options().MaxBuckets
	without := "share some"
	if l.lease != nil {
		without = "are refused"
	}
	began := stats.OverflowTakes > o.takes
	o.takes = stats.OverflowTakes
	say := func(e *zerolog.Event) *zerolog.Event {
		return e.Str("limit", l.Name()).Int64("max_buckets", most).Int64("overflow_takes", o.takes)
	}
	switch {
	case !o.logged && began:
		o.logged = true
		say(l.service.logger.Warn()).Msg("max_buckets are reached: clients without a bucket " + without +
			" from now on; raise it if they are no flood")
	case o.logged && !began && stats.Buckets < most-most/10:
		o.logged = false
		say(l.service.logger.Info()).Int64("buckets", stats.Buckets).
			Msg("there is room for new buckets again")
	}
}
