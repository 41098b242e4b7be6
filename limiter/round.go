package limiter

import (
	"context"
	"time"

	"gopher-equalizer/limiter/table"
)

// flush is one round: it writes all that is dirty now, a batch at a time. What it couldn't write is
// dirty again. If ctx ends, flush stops between two batches. It doesn't interrupt a write, which
// would be in doubt then.
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
	// Client_ids that stayed here would keep their slabs in memory.
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

// flushLast leaves nothing dirty, and then notes the stop.
func (s *Service) flushLast(ctx context.Context) error {
	if err := s.flush(ctx, 0); err != nil {
		return err
	}
	var fullAt time.Time
	now, wall := s.clock.Monotonic(), s.clock.Wall()
	//mutant:false who-has-no-row-starts-full-after-a-stop-that-follows-a-crash
	if untilFull := s.table.EmptyUntil() - now; untilFull > 0 {
		fullAt = wall.Add(time.Duration(untilFull))
	}
	return s.noteStop(ctx, fullAt)
}

// ready loads the store's buckets if that was put off, and settles an admin write in doubt. Both
// may make buckets dirty, which the round that follows writes.
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
