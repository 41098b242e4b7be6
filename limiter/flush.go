package limiter

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// flushBatch is how many buckets one transaction writes: enough to make its cost small by
// the row, and few enough that an admin write, which waits for one, does not wait long.
const flushBatch = 10_000

// reapInterval is the time between two shards; a whole pass takes shardCount of them.
const reapInterval = time.Second

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
		if s.flush(ctx) != nil {
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
func (s *Service) flush(ctx context.Context) error {
	if err := s.loadIfLate(ctx); err != nil {
		s.flushErrors.Add(1)
		return err
	}
	_, since := s.table.dirtyStats()
	group := s.table.takeDirty()
	for first := true; len(group) > 0 || first && s.doubt.Load() != nil; first = false {
		if err := ctx.Err(); err != nil {
			s.table.putBack(group, since)
			return err
		}
		n := min(flushBatch, len(group))
		if err := s.flushGroup(ctx, group[:n], since); err != nil {
			s.table.putBack(group[n:], since)
			s.flushErrors.Add(1)
			return err
		}
		group = group[n:]
	}
	s.lastFlush.Store(s.clock.Wall().UnixMicro())
	s.flushes.Add(1)
	return nil
}

// flushGroup writes one batch under the write lock, which is held from the reading of the
// values to the commit.
func (s *Service) flushGroup(ctx context.Context, group []*bucket, since int64) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.o.StoreTimeout)
	defer cancel()
	if err := s.lockSettled(ctx); err != nil {
		s.table.putBack(group, since)
		return err
	}
	defer s.writing.unlock()
	batch := s.collect(group)
	err := s.write(ctx, batch)
	if err != nil {
		s.uncollect(group, since)
	}
	return err
}

// collect reads the values of marked buckets. The mark goes first: a take that comes in
// between is either in the value, or marks the bucket again.
//
// An unmanaged bucket that is full holds nothing: it is not written, and its row, if it
// may have one, is deleted.
func (s *Service) collect(group []*bucket) Batch {
	now := s.clock.Monotonic()
	at := storedTime(s.clock.Wall()) // read after now: what lies between isn't credited twice
	batch := Batch{Puts: make([]Record, 0, len(group))}
	for _, b := range group {
		b.clear(dirty)
		tat := b.arrival.Load()
		switch {
		case tat == dead: // whoever killed it saw to the row
		case b.exists(tat, now):
			b.set(stored)
			batch.Puts = append(batch.Puts, b.record(b.rate.credit(tat, now), at))
		case b.has(stored):
			b.clear(stored)
			batch.Deletes = append(batch.Deletes, b.clientID)
		}
	}
	return batch
}

// uncollect makes the buckets of a batch that was not written dirty again. Whether they
// have a row is unknown, so they are marked stored: the worst is one deletion too many.
func (s *Service) uncollect(group []*bucket, since int64) {
	for _, b := range group {
		if b.arrival.Load() != dead {
			b.set(stored)
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
	for failures := 0; ; failures++ {
		err := s.flush(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return s.notFlushed(errors.Join(err, context.Cause(ctx)))
		case <-time.After(s.untilNext(0, failures+1)):
		}
	}
}

func (s *Service) notFlushed(why error) error {
	dirty, _ := s.table.dirtyStats()
	return fmt.Errorf("%d buckets not flushed: %w", dirty, why)
}
