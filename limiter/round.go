package limiter

import (
	"context"
	"math/rand/v2"
	"time"

	"gopher-equalizer/limiter/table"
)

// reapPass is the time in which the reaper looks at every shard once, one after the other.
const reapPass = time.Minute

// earlyFlush is the part of the flush interval after which a round begins that a taker waits for.
const earlyFlush = 20

// maxRetry is the longest time between two attempts to reach a store that is down.
const maxRetry = 15 * time.Second

// Run flushes and reaps until ctx ends. It leaves the last flush to Close.
func (s *Service) Run(ctx context.Context) {
	reaped := make(chan struct{})
	go func() {
		defer close(reaped)
		s.reapLoop(ctx)
	}()
	s.flushLoop(ctx)
	<-reaped
}

func (s *Service) flushLoop(ctx context.Context) {
	timer := time.NewTimer(s.o.FlushInterval)
	defer timer.Stop()
	failures := 0
	for wake := s.wake; ; {
		select {
		case <-ctx.Done():
			return
		case <-wake:
			wake = nil // Once, or more and more of it would put the round off.
			timer.Reset(s.o.FlushInterval / earlyFlush)
			continue
		case <-timer.C:
		}
		start := s.clock.Monotonic()
		if s.flush(ctx, s.o.FlushInterval) != nil {
			failures++
			wake = nil // A store that is down has its pause.
		} else {
			failures = 0
			wake = s.wake
		}
		took := time.Duration(s.clock.Monotonic() - start)
		if took > s.o.FlushInterval {
			s.rounds.overrun.Add(1)
		}
		timer.Reset(s.untilNext(took, failures))
	}
}

// untilNext keeps rounds an interval apart, from beginning to beginning. While the store is down it
// doubles that, up to maxRetry, and takes a random half off, so that replicas don't come back to a
// database all at once.
func (s *Service) untilNext(took time.Duration, failures int) time.Duration {
	wait := max(0, s.o.FlushInterval-took)
	if failures == 0 {
		return wait
	}
	backoff := min(maxRetry, s.o.FlushInterval<<min(failures-1, 10))
	return max(wait, backoff/2+rand.N(backoff/2+1))
}

func (s *Service) reapLoop(ctx context.Context) {
	ticker := time.NewTicker(reapPass / table.Shards)
	defer ticker.Stop()
	var log overflowLog
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			log.look(s)
			s.table.Reap(i%table.Shards, s.clock.Monotonic())
		}
	}
}

// flush is one round: it writes all that is dirty now, a batch at a time. What it couldn't write is
// dirty again. A ctx that ends stops it between two batches. It doesn't break off a write, which
// would leave that in doubt.
//
// An unmanaged bucket that is full again within horizon isn't written. It stays dirty until it is
// full or spends more.
func (s *Service) flush(ctx context.Context, horizon time.Duration) error {
	if err := s.ready(ctx); err != nil {
		s.rounds.failed.Add(1)
		return err
	}
	since := s.table.Stats().DirtySince
	s.rounds.since.Store(since)
	defer s.rounds.since.Store(table.Never)
	// Client_ids that stayed here would keep the slabs that they lie in.
	defer func() { clear(s.rounds.puts[:cap(s.rounds.puts)]) }()
	dirty := s.table.TakeDirty()
	for group := dirty.Next(s.rounds.batch); len(group) > 0; {
		if err := ctx.Err(); err != nil {
			s.table.PutBack(group, since)
			s.table.PutBack(dirty.Rest(), since)
			return err
		}
		following := dirty.Prepare(s.rounds.batch)
		err := s.flushGroup(ctx, group, since, horizon)
		group = <-following
		if err != nil {
			//mutant:drop what-a-round-did-not-come-to-is-not-queued-again
			s.table.PutBack(group, since)
			//mutant:drop what-a-round-did-not-come-to-is-not-queued-again
			s.table.PutBack(dirty.Rest(), since)
			s.rounds.failed.Add(1)
			return err
		}
	}
	s.rounds.batch = min(flushBatch, 2*s.rounds.batch)
	s.rounds.lastDone.Store(s.clock.Wall().UnixMicro())
	s.rounds.done.Add(1)
	return nil
}

// ready sees to it that the store's buckets are in memory, and that no admin write is in doubt.
// Both may make buckets dirty, which the round that follows writes.
func (s *Service) ready(ctx context.Context) error {
	//mutant:true what-a-settled-write-left-is-not-for-the-last-round
	if err := s.loadIfLate(ctx); err != nil || s.doubt.Load() == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.o.StoreTimeout)
	defer cancel()
	if err := s.lockSettled(ctx); err != nil {
		return err
	}
	s.writing.unlock()
	return nil
}

// flushGroup writes one batch under the write lock, which it holds from reading the values to the
// commit.
func (s *Service) flushGroup(
	ctx context.Context, group []*table.Bucket, since int64, horizon time.Duration,
) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.o.StoreTimeout)
	defer cancel()
	if err := s.lockSettled(ctx); err != nil {
		s.table.PutBack(group, since)
		return err
	}
	defer s.writing.unlock()
	c := s.collect(group, horizon)
	//mutant:here a-limit-is-raised-before-its-row-is-stored
	if err := s.write(ctx, c.batch); err != nil {
		s.uncollect(c, group, since, err)
		if ctx.Err() != nil {
			s.rounds.batch = max(minFlushBatch, len(group)/2)
		}
		return err
	}
	//mutant:copy a-limit-is-raised-before-its-row-is-stored
	c.stored(s.table)
	return nil
}
