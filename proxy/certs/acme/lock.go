package acme

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"gopher-equalizer/store/blob"
)

const (
	// lockTTL is for how long a process that died keeps others from a domain.
	lockTTL = 30 * time.Second
	// lockPoll is the time between two attempts to take a lock that another process has.
	lockPoll = time.Second
	// extensions is how often a lock is extended within its TTL.
	extensions = 3
)

// errStopped is the error of a lock that is asked for during a stop.
var errStopped = errors.New("the process is stopping")

// locks are those that this process holds.
type locks struct {
	ttl, poll time.Duration

	mu   sync.Mutex
	held map[string]*held
	// stopped reports whether no more locks are taken.
	stopped bool
	// extending are the goroutines that extend locks.
	extending sync.WaitGroup
}

// held is a lock that is extended until it is released.
type held struct {
	// owner is another one for each lock that is taken. So two goroutines exclude each other, too.
	owner string
	end   context.CancelFunc
	// over is closed when it isn't extended any more.
	over chan struct{}
}

// Lock implements certmagic.Storage.
func (s *storage) Lock(ctx context.Context, name string) error {
	poll := time.NewTicker(s.locks.poll)
	defer poll.Stop()
	for {
		if ok, err := s.TryLock(ctx, name); ok || err != nil {
			return err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// TryLock implements certmagic.TryLocker.
func (s *storage) TryLock(ctx context.Context, name string) (bool, error) {
	owner := rand.Text()
	err := s.take(ctx, name, owner)
	switch {
	case errors.Is(err, blob.ErrLocked):
		return false, nil
	case errors.Is(err, blob.ErrInDoubt):
		_ = s.release(name, owner) // If it can't be released, it ends by itself.
		return false, err
	case err != nil:
		return false, err
	}
	if !s.locks.hold(s, name, owner) {
		_ = s.release(name, owner)
		return false, errStopped
	}
	return true, nil
}

func (s *storage) take(ctx context.Context, name, owner string) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	return s.blobs.Lock(ctx, prefix+name, owner, s.locks.ttl)
}

// release is a call of its own, which also happens when what the lock was for is canceled.
func (s *storage) release(name, owner string) error {
	ctx, cancel := s.within(context.Background())
	defer cancel()
	return s.blobs.Unlock(ctx, prefix+name, owner)
}

// hold extends a lock from now on. It returns false if no more locks are to be held.
func (l *locks) hold(s *storage, name, owner string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return false
	}
	ctx, end := context.WithCancel(context.Background())
	h := &held{owner: owner, end: end, over: make(chan struct{})}
	if l.held == nil {
		l.held = map[string]*held{}
	}
	l.held[name] = h
	l.extending.Go(func() {
		defer close(h.over)
		s.extend(ctx, name, owner)
	})
	return true
}

// extend extends a lock until ctx ends. A lock that can't be extended in time is lost, which may
// have two processes obtain a certificate where one would do.
func (s *storage) extend(ctx context.Context, name, owner string) {
	ticks := time.NewTicker(s.locks.ttl / extensions)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			_ = s.take(ctx, name, owner) // The next one may succeed.
		}
	}
}

// Unlock implements certmagic.Storage.
func (s *storage) Unlock(_ context.Context, name string) error {
	s.locks.mu.Lock()
	h := s.locks.held[name]
	delete(s.locks.held, name)
	s.locks.mu.Unlock()
	if h == nil {
		return fmt.Errorf("the lock %q isn't held", name)
	}
	h.end()
	<-h.over // Else a last extension could come after the release.
	return s.release(name, h.owner)
}

// stop releases all locks, and has no more be taken.
func (s *storage) stop() {
	s.locks.mu.Lock()
	s.locks.stopped = true
	var names []string
	for name := range s.locks.held {
		names = append(names, name)
	}
	s.locks.mu.Unlock()
	for _, name := range names {
		_ = s.Unlock(context.Background(), name) // Whoever held it may have been faster.
	}
	s.locks.extending.Wait()
}
