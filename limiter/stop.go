package limiter

import (
	"context"
	"fmt"
	"time"
)

// closeRetry is the time between the first two attempts of the last round. Each is twice the one
// before it.
const closeRetry, maxCloseRetry = 100 * time.Millisecond, 2 * time.Second

// Close ends admin writes, which return ErrClosed from then on, and stores what is dirty, and that
// this was an orderly stop. Run must have returned, and takers must be done. The error says how
// many buckets were not flushed, and why.
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
	//mutant:false who-has-no-row-starts-full-after-a-stop-that-follows-a-crash
	if untilFull := s.table.EmptyUntil() - now; untilFull > 0 {
		stopped = storedTime(wall.Add(time.Duration(untilFull)))
	}
	return s.note(ctx, Batch{Stopped: stopped})
}

func (s *Service) notFlushed(why error) error {
	switch dirty := s.table.Stats().Dirty; dirty {
	case 0:
		return fmt.Errorf("all buckets are flushed, but not the note that this is a stop and no crash: %w", why)
	case 1:
		return fmt.Errorf("1 bucket not flushed: %w", why)
	default:
		return fmt.Errorf("%d buckets not flushed: %w", dirty, why)
	}
}
