package limiter

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/table"
)

// fakeClock stands still until it is advanced.
type fakeClock struct {
	mono atomic.Int64
	skew atomic.Int64 // how far the wall clock was stepped
	// untilJump counts down the readings. A second passes before the one at which it becomes 0.
	untilJump atomic.Int64
}

var dawn = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)

func (c *fakeClock) Monotonic() int64 {
	if c.untilJump.Add(-1) == 0 {
		c.advance(time.Second)
	}
	return c.mono.Load()
}

func (c *fakeClock) Wall() time.Time {
	return dawn.Add(time.Duration(c.Monotonic() + c.skew.Load()))
}

func (c *fakeClock) advance(d time.Duration) { c.mono.Add(int64(d)) }

// fakeStore is a map with a hook, which decides about each write before it is applied. After an
// ErrInDoubt the write is applied or not, as the test wants.
type fakeStore struct {
	mu        sync.Mutex
	rows      map[string]Record
	stopped   time.Time // of the last batch
	writes    int
	onWrite   func(Batch) error
	onGet     func() error
	doubtKeep bool // a write in doubt was applied
}

func newFakeStore() *fakeStore {
	return &fakeStore{rows: map[string]Record{}, stopped: time.Unix(0, 0)}
}

// hook makes writes call onWrite first, and fail with its error. nil ends that.
func (s *fakeStore) hook(onWrite func(Batch) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onWrite = onWrite
}

func (s *fakeStore) Load(_ context.Context, yield func(Record) error) error {
	for _, r := range s.all() {
		if err := yield(r); err != nil {
			return err
		}
	}
	return nil
}

func (s *fakeStore) all() map[string]Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.rows)
}

func (s *fakeStore) Get(_ context.Context, clientID string) (Record, bool, error) {
	if s.onGet != nil {
		if err := s.onGet(); err != nil {
			return Record{}, false, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.rows[clientID]
	return r, ok, nil
}

func (s *fakeStore) Stopped(context.Context) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped, nil
}

func (s *fakeStore) Write(_ context.Context, b Batch) error {
	s.mu.Lock()
	onWrite := s.onWrite
	s.mu.Unlock()
	var err error
	if onWrite != nil {
		err = onWrite(b)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	if err == nil || s.doubtKeep {
		for _, r := range b.Puts {
			s.rows[r.ClientID] = r
		}
		for _, id := range b.Deletes {
			delete(s.rows, id)
		}
		s.stopped = b.Stopped
	}
	return err
}

func (s *fakeStore) Close() error { return nil }

// fixture is a Service with capacity 10 and refill 1/1m on a clock that stands.
type fixture struct {
	*Service
	t     *testing.T
	clock *fakeClock
	store *fakeStore
}

func (f *fixture) options() Options {
	return Options{
		Settings:      gcra.Settings{Capacity: 10, Refill: gcra.Refill{Amount: 1, Per: time.Minute}},
		MaxBuckets:    1000,
		FlushInterval: time.Second,
		StoreTimeout:  time.Minute, // of real time, which the fake clock does not stop
		Clock:         f.clock,
		Logger:        zerolog.Nop(),
	}
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{t: t, clock: &fakeClock{}, store: newFakeStore()}
	f.reopen(f.options())
	return f
}

// reopen is a crash and a restart: what was not flushed is gone.
func (f *fixture) reopen(o Options) {
	s, err := Open(context.Background(), o, f.store)
	require.NoError(f.t, err)
	f.Service = s
}

func (f *fixture) mustFlush() {
	f.t.Helper()
	require.NoError(f.t, f.flush(context.Background(), 0))
}

// admitted takes n times and counts what was allowed.
func (f *fixture) admitted(clientID string, n int) (allowed int) {
	for range n {
		if f.Take(clientID).Allowed {
			allowed++
		}
	}
	return allowed
}

func (f *fixture) tokens(clientID string) int64 {
	f.t.Helper()
	snap, err := f.Get(clientID)
	require.NoError(f.t, err)
	return snap.Tokens
}

func ptr[T any](v T) *T { return &v }

// errorOf is the error of a call that also has a result.
func errorOf[T any](_ T, err error) error { return err }

// cleanAll makes all buckets clean.
func (f *fixture) cleanAll() {
	for _, b := range f.allDirty() {
		c := f.table.Claim(b.ClientID())
		c.Clean(c.Live())
		c.Release()
	}
}

// allDirty takes the buckets that a flush would take.
func (f *fixture) allDirty() []*table.Bucket {
	return f.table.TakeDirty().Rest()
}
