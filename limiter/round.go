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
	// A start that has failed, and has nothing to write, is to leave the store as it was.
	if s.isHiding() && (horizon > 0 || s.Stats().Dirty > 0) {
		if err := s.hide(ctx); err != nil {
			s.rounds.failed.Add(1)
			return err
		}
	}
	since := s.dirtySince()
	s.rounds.since.Store(since)
	defer s.rounds.since.Store(table.Never)
	// Client_ids that stayed here would keep their slabs in memory.
	defer func() { clear(s.rounds.puts[:cap(s.rounds.puts)]) }()
	renewed := s.renewed()
	dirty := takeDirty(s.inOrder())
	for g := dirty.next(s.rounds.batch); len(g) > 0; {
		if err := ctx.Err(); err != nil {
			g.putBack(since)
			dirty.putBack(since)
			return err
		}
		following := dirty.prepare(s.rounds.batch)
		err := s.flushGroup(ctx, g, since, horizon)
		g = <-following
		if err != nil {
			//mutant:drop what-a-round-did-not-come-to-is-not-queued-again
			g.putBack(since)
			//mutant:drop what-a-round-did-not-come-to-is-not-queued-again
			dirty.putBack(since)
			s.rounds.failed.Add(1)
			return err
		}
	}
	if err := s.noteReload(ctx, renewed); err != nil {
		s.rounds.failed.Add(1)
		return err
	}
	s.rounds.batch = min(flushBatch, 2*s.rounds.batch)
	s.rounds.lastDone.Store(s.clock.Wall().UnixMicro())
	s.rounds.done.Add(1)
	return nil
}

// flushLast leaves nothing dirty, and then notes the stop.
func (s *Service) flushLast(ctx context.Context) error {
	for _, l := range s.present.Load().all() {
		l.table.Renew(nil)
	}
	if err := s.flush(ctx, 0); err != nil {
		return err
	}
	return s.noteStop(ctx)
}

// noteStop notes that this is an orderly stop, and from when on clients without a record have a
// full bucket, where that isn't so yet.
func (s *Service) noteStop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.options().StoreTimeout)
	defer cancel()
	if err := s.lockSettled(ctx); err != nil {
		return err
	}
	defer s.writing.unlock()
	var stopped []Namespace
	for _, l := range s.inOrder() {
		stopped = append(stopped, l.stopped())
	}
	return s.note(ctx, append(stopped, s.left...))
}

// dirtySince is when the oldest spending that isn't stored became dirty; table.Never: there is
// none.
func (s *Service) dirtySince() int64 {
	since := int64(table.Never)
	for _, l := range s.present.Load().all() {
		since = min(since, l.table.Stats().DirtySince)
	}
	return since
}

// ready loads the store's buckets if that was put off, and settles an admin write in doubt. Both
// may make buckets dirty, which the round that follows writes.
func (s *Service) ready(ctx context.Context) error {
	//mutant:true what-a-settled-write-left-is-not-for-the-last-round
	if err := s.loadIfLate(ctx); err != nil || s.doubt.Load() == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options().StoreTimeout)
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
	ctx context.Context, g group, since int64, horizon time.Duration,
) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options().StoreTimeout)
	defer cancel()
	if err := s.lockSettled(ctx); err != nil {
		g.putBack(since)
		return err
	}
	defer s.writing.unlock()
	c := s.collect(g, horizon)
	//mutant:here a-limit-is-raised-before-its-row-is-stored
	if err := s.write(ctx, c.batch); err != nil {
		c.unlimit(err)
		//mutant:drop what-failed-is-not-dirty-again
		g.redirty(since)
		if ctx.Err() != nil {
			s.rounds.batch = max(minFlushBatch, g.len()/2)
		}
		return err
	}
	//mutant:copy a-limit-is-raised-before-its-row-is-stored
	c.stored()
	return nil
}
