package limiter

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// flushBatch is how many buckets one transaction writes: enough to make its cost small by
// the row, and few enough that an admin write, which waits for one, does not wait long. It is halved, down to
// minFlushBatch, when a store is too slow for so many in its timeout, and doubled after a flush that came through.
const flushBatch, minFlushBatch = 10_000, 100

// reapPass is the time in which the reaper looks at every shard once, one after the other.
const reapPass = time.Minute

// closeRetry is the time between the first two attempts of the last flush; each is twice the one before it.
const closeRetry, maxCloseRetry = 100 * time.Millisecond, 2 * time.Second

// earlyFlush is the share of the flush interval after which a flush begins that a taker waits for.
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
			wake = nil // once, or ever more of it would put the flush off
			timer.Reset(s.o.FlushInterval / earlyFlush)
			continue
		case <-timer.C:
		}
		start := s.clock.Monotonic()
		if s.flush(ctx, s.o.FlushInterval) != nil {
			failures++
			wake = nil // a store that is down has its pause
		} else {
			failures = 0
			wake = s.wake
		}
		took := nanoseconds(s.clock.Monotonic() - start)
		if took > s.o.FlushInterval {
			s.overruns.Add(1)
		}
		timer.Reset(s.untilNext(took, failures))
	}
}

// untilNext keeps flushes an interval apart from beginning to beginning. While the store is
// down it doubles that, up to maxRetry, and takes a random half off, so that
// replicas don't come back to a database all at once.
func (s *Service) untilNext(took time.Duration, failures int) time.Duration {
	wait := max(0, s.o.FlushInterval-took)
	if failures == 0 {
		return wait
	}
	backoff := min(maxRetry, s.o.FlushInterval<<min(failures-1, 10))
	return max(wait, backoff/2+rand.N(backoff/2+1))
}

func (s *Service) reapLoop(ctx context.Context) {
	ticker := time.NewTicker(reapPass / shardCount)
	defer ticker.Stop()
	var news overflowNews
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			news.tell(s)
			s.table.reap(&s.table.shards[i%shardCount], s.clock.Monotonic())
		}
	}
}

// flush writes all that is dirty now, a batch at a time. What it could not write is dirty
// again. A ctx that ends stops it between two batches: a write that is under way is
// not broken off, which would leave it in doubt.
//
// An unmanaged bucket that is full again within horizon is not written, but stays dirty until it is full
// or spends more.
func (s *Service) flush(ctx context.Context, horizon time.Duration) error {
	if err := s.ready(ctx); err != nil {
		s.flushErrors.Add(1)
		return err
	}
	_, since := s.table.dirtyStats()
	s.flushingSince.Store(since)
	defer s.flushingSince.Store(never)
	defer func() { clear(s.puts[:cap(s.puts)]) }() // or their client_ids would keep the versions that they lie in
	dirty := s.table.takeDirty()
	for group := dirty.next(s.batch); len(group) > 0; {
		if err := ctx.Err(); err != nil {
			s.table.putBack(group, since)
			s.table.putBack(dirty.next(dirty.left), since)
			return err
		}
		following := dirty.prepare(s.batch)
		err := s.flushGroup(ctx, group, since, horizon)
		group = <-following
		if err != nil {
			s.table.putBack(group, since)
			s.table.putBack(dirty.next(dirty.left), since)
			s.flushErrors.Add(1)
			return err
		}
	}
	s.batch = min(flushBatch, 2*s.batch)
	s.lastFlush.Store(s.clock.Wall().UnixMicro())
	s.flushes.Add(1)
	return nil
}

// ready has the store's buckets in memory, and no admin write in doubt. What comes of that may be dirty, so it is
// for the flush that follows.
func (s *Service) ready(ctx context.Context) error {
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

// flushGroup writes one batch under the write lock, which is held from the reading of the
// values to the commit.
func (s *Service) flushGroup(ctx context.Context, group []*bucket, since int64, horizon time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.o.StoreTimeout)
	defer cancel()
	if err := s.lockSettled(ctx); err != nil {
		s.table.putBack(group, since)
		return err
	}
	defer s.writing.unlock()
	c := s.collect(group, horizon)
	if err := s.write(ctx, c.batch); err != nil {
		s.uncollect(c, group, since, err)
		if ctx.Err() != nil {
			s.batch = max(minFlushBatch, len(group)/2)
		}
		return err
	}
	c.stored(s.table)
	return nil
}

// write sends a batch to the store and notes how it answered. The caller holds the write lock.
func (s *Service) write(ctx context.Context, batch Batch) error {
	if len(batch.Puts)+len(batch.Deletes) == 0 {
		return nil
	}
	return s.writeAlways(ctx, batch)
}

// writeAlways is write of a batch that says something even if it is empty.
func (s *Service) writeAlways(ctx context.Context, batch Batch) error {
	err := s.store.Write(ctx, batch)
	s.storeAnswered(err)
	return err
}

// Close ends admin writes, which answer ErrClosed from then on, and stores what is dirty, and that
// this was an orderly stop.
// Run must have returned, and takers must be done. The error says how many buckets
// were not flushed, and why.
func (s *Service) Close(ctx context.Context) error {
	if err := s.writing.lock(ctx); err != nil {
		return s.notFlushed(err)
	}
	s.closed = true
	s.writing.unlock()
	for retry := closeRetry; ; retry = min(2*retry, maxCloseRetry) {
		err := s.flushLast(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return s.notFlushed(err)
		case <-time.After(retry):
		}
	}
}

// flushLast leaves nothing dirty, and then notes the stop.
func (s *Service) flushLast(ctx context.Context) error {
	if err := s.flush(ctx, 0); err != nil {
		return err
	}
	stopped := longAgo()
	now, wall := s.clock.Monotonic(), s.clock.Wall()
	if untilFull := s.table.emptyUntil.Load() - now; untilFull > 0 {
		stopped = storedTime(wall.Add(nanoseconds(untilFull)))
	}
	return s.note(ctx, Batch{Stopped: stopped})
}

// note writes a batch without buckets.
func (s *Service) note(ctx context.Context, batch Batch) error {
	ctx, cancel := context.WithTimeout(ctx, s.o.StoreTimeout)
	defer cancel()
	if err := s.lockSettled(ctx); err != nil {
		return err
	}
	defer s.writing.unlock()
	return s.writeAlways(ctx, batch)
}

func (s *Service) notFlushed(why error) error {
	switch dirty, _ := s.table.dirtyStats(); dirty {
	case 0:
		return fmt.Errorf("all buckets are flushed, but not the note that this is a stop and no crash: %w", why)
	case 1:
		return fmt.Errorf("1 bucket not flushed: %w", why)
	default:
		return fmt.Errorf("%d buckets not flushed: %w", dirty, why)
	}
}
