package bolt

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// errLeftBehind is wrapped if a call's context ended before its job did. The job goes on.
var errLeftBehind = errors.New("the disk has not responded")

// run does the job in a goroutine, after the job before it. It returns when the job is done, when
// ctx ends, or when the store is closed, whichever is first.
func (s *Store) run(ctx context.Context, job func(ctx context.Context) error) error {
	ctx, cancel, err := s.gate.Enter(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	done := make(chan error, 1)
	go func() {
		defer s.gate.Leave()
		s.o.Aside(func() { done <- s.guarded(func() error { return job(ctx) }) })
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done: // it ended at the same moment, so its result is known
		return err
	default:
		return fmt.Errorf("%w: %w", errLeftBehind, context.Cause(ctx))
	}
}

// guarded does a job and turns a panic into an error. bbolt trusts its file. It panics if the file
// makes no sense. It reads the file through a memory map, so a bad sector or a truncated file is a
// fault. Either may leave bbolt's locks held, so the database isn't used again.
func (s *Store) guarded(job func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			s.final = s.stumbled(p)
			err = s.final
		}
	}()
	if s.final != nil {
		return s.final
	}
	return job()
}

// use runs a job that needs the file open.
func (s *Store) use(ctx context.Context, job func(ctx context.Context) error) error {
	return s.run(ctx, func(ctx context.Context) error {
		if s.db == nil {
			if err := s.reopen(); err != nil {
				return err
			}
		}
		return job(ctx)
	})
}
