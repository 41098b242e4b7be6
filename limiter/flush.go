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

// reapInterval is the time between two shards; a whole pass takes shardCount of them.
const reapInterval = time.Second

// closeRetry is the time between the first two attempts of the last flush; each is twice the one before it.
const closeRetry, maxCloseRetry = 100 * time.Millisecond, 2 * time.Second

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
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		start := s.clock.Monotonic()
		if s.flush(ctx, s.o.FlushInterval) != nil {
			failures++
		} else {
			failures = 0
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
	ticker := time.NewTicker(reapInterval)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
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
	if err := s.loadIfLate(ctx); err != nil {
		s.flushErrors.Add(1)
		return err
	}
	_, since := s.table.dirtyStats()
	s.flushingSince.Store(since)
	defer s.flushingSince.Store(never)
	group := s.table.takeDirty()
	for first := true; len(group) > 0 || first && s.doubt.Load() != nil; first = false {
		if err := ctx.Err(); err != nil {
			s.table.putBack(group, since)
			return err
		}
		n := min(s.batch, len(group))
		if err := s.flushGroup(ctx, group[:n], since, horizon); err != nil {
			s.table.putBack(group[n:], since)
			s.flushErrors.Add(1)
			return err
		}
		group = group[n:]
	}
	s.batch = min(flushBatch, 2*s.batch)
	s.lastFlush.Store(s.clock.Wall().UnixMicro())
	s.flushes.Add(1)
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
	batch, unstored := s.collect(group, horizon)
	if err := s.write(ctx, batch); err != nil {
		s.uncollect(group, since)
		if ctx.Err() != nil {
			s.batch = max(minFlushBatch, len(group)/2)
		}
		return err
	}
	for _, b := range unstored {
		b.clear(stored)
	}
	return nil
}

// collect reads the values of marked buckets. The mark goes first: a take that comes in
// between is either in the value, or marks the bucket again.
//
// An unmanaged bucket that is full holds nothing, and one that is full within horizon is full before
// a restart could ask: it is not written, and its row, if it may have one, is deleted. unstored are
// those that have none once the batch is written.
func (s *Service) collect(group []*bucket, horizon time.Duration) (batch Batch, unstored []*bucket) {
	now := s.clock.Monotonic()
	wall := s.clock.Wall() // read after now: what lies between isn't credited twice
	batch.Puts = make([]Record, 0, len(group))
	for _, b := range group {
		b.clear(dirty)
		tat := b.arrival.Load()
		switch {
		case tat == dead: // whoever killed it saw to the row
		case b.managed || tat > now+int64(horizon):
			b.set(stored)
			batch.Puts = append(batch.Puts, b.record(tat, now, wall))
		default:
			if b.has(stored) {
				batch.Deletes = append(batch.Deletes, b.clientID)
				unstored = append(unstored, b)
			}
			if tat > now {
				s.table.redirty(b, now)
			}
		}
	}
	return batch, unstored
}

// uncollect makes the buckets of a batch that was not written dirty again. Whether they
// have a row is unknown, so they keep the mark that they may.
func (s *Service) uncollect(group []*bucket, since int64) {
	for _, b := range group {
		if b.arrival.Load() != dead {
			s.table.redirty(b, since)
		}
	}
}

// write sends a batch to the store and notes how it answered. The caller holds the write lock.
func (s *Service) write(ctx context.Context, batch Batch) error {
	if len(batch.Puts)+len(batch.Deletes) == 0 {
		return nil
	}
	err := s.store.Write(ctx, batch)
	s.storeAnswered(err)
	return err
}

// Close ends admin writes, which answer ErrClosed from then on, and stores what is dirty.
// Run must have returned, and takers must be done. The error says how many buckets
// were not flushed, and why.
func (s *Service) Close(ctx context.Context) error {
	if err := s.writing.lock(ctx); err != nil {
		return s.notFlushed(err)
	}
	s.closed = true
	s.writing.unlock()
	for retry := closeRetry; ; retry = min(2*retry, maxCloseRetry) {
		err := s.flush(ctx, 0)
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

func (s *Service) notFlushed(why error) error {
	dirty, _ := s.table.dirtyStats()
	if dirty == 1 {
		return fmt.Errorf("1 bucket not flushed: %w", why)
	}
	return fmt.Errorf("%d buckets not flushed: %w", dirty, why)
}
