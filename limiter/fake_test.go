package limiter

import (
	"context"
	"fmt"
	"maps"
	"slices"
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
	rows      map[string]Record // by name
	spaces    map[uint32]Namespace
	writes    int
	onWrite   func(Batch) error
	onGet     func() error
	doubtKeep bool // a write in doubt was applied
	away      error
}

func newFakeStore() *fakeStore {
	return &fakeStore{rows: map[string]Record{}, spaces: map[uint32]Namespace{}}
}

// name is the client_id in the first namespace, and has the number before it in others.
func (k Key) name() string {
	if k.Namespace == 1 {
		return k.ClientID
	}
	return fmt.Sprint(k.Namespace, ":", k.ClientID)
}

// keysOf are those of clients in the first namespace.
func keysOf(clientIDs ...string) (keys []Key) {
	for _, clientID := range clientIDs {
		keys = append(keys, Key{1, clientID})
	}
	return keys
}

// hook makes writes call onWrite first, and fail with its error. nil ends that.
func (s *fakeStore) hook(onWrite func(Batch) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onWrite = onWrite
}

func (s *fakeStore) Load(_ context.Context, namespace uint32, yield func(Record) error) error {
	if s.away != nil {
		return s.away
	}
	for _, r := range s.all() {
		if r.Namespace != namespace {
			continue
		}
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

func (s *fakeStore) Get(_ context.Context, key Key) (Record, bool, error) {
	if s.onGet != nil {
		if err := s.onGet(); err != nil {
			return Record{}, false, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.rows[key.name()]
	return r, ok, nil
}

func (s *fakeStore) Namespaces(context.Context) (all []Namespace, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(s.spaces)) {
		all = append(all, s.spaces[id])
	}
	return all, nil
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
	if s.away != nil {
		return s.away
	}
	if err == nil || s.doubtKeep {
		for _, n := range b.Namespaces {
			s.spaces[n.ID] = n
		}
		for _, r := range b.Puts {
			s.rows[r.name()] = r
		}
		for _, key := range b.Deletes {
			delete(s.rows, key.name())
		}
	}
	return err
}

func (s *fakeStore) Close() error { return nil }

// oneOptions are Options of a Service with one limit.
type oneOptions struct {
	Settings      gcra.Settings
	MaxBuckets    int64
	FlushInterval time.Duration
	Strict        bool
	StoreTimeout  time.Duration
	Volatile      bool
	LoadLater     bool
	Aside         func(job func())
	Clock         Clock
	Logger        zerolog.Logger
}

func (o oneOptions) options() Options {
	return Options{
		Limits:        []LimitOptions{{Name: "default", Settings: o.Settings, MaxBuckets: o.MaxBuckets, Strict: o.Strict}},
		FlushInterval: o.FlushInterval, StoreTimeout: o.StoreTimeout, Volatile: o.Volatile,
		LoadLater: o.LoadLater, Aside: o.Aside, Clock: o.Clock, Logger: o.Logger,
	}
}

// one is a Service with one limit, which its calls are about.
type one struct {
	*Service
	*Limit
}

func openOne(ctx context.Context, o oneOptions, s Store) (*one, error) {
	service, err := Open(ctx, o.options(), s)
	if err != nil {
		return nil, err
	}
	return &one{service, service.Limits()[0]}, nil
}

func (f *one) Defaults() gcra.Settings { return f.Limit.Defaults() }

func (f *one) Take(clientID string) Decision { return f.Limit.Take(clientID, 1) }

func (f *one) Get(clientID string) (Snapshot, error) { return f.Service.Get("default", clientID) }

func (f *one) Create(ctx context.Context, clientID string, c Change) (Written, error) {
	return f.Service.Create(ctx, "default", clientID, c)
}

func (f *one) Put(ctx context.Context, clientID string, c Change) (Written, error) {
	return f.Service.Put(ctx, "default", clientID, c)
}

func (f *one) Patch(ctx context.Context, clientID string, c Change) (Written, error) {
	return f.Service.Patch(ctx, "default", clientID, c)
}

func (f *one) Delete(ctx context.Context, clientID string) (Snapshot, error) {
	return f.Service.Delete(ctx, "default", clientID)
}

// fixture is a Service with one limit, of capacity 10 and refill 1/1m, on a clock that stands.
type fixture struct {
	*one
	t     *testing.T
	clock *fakeClock
	store *fakeStore
}

func (f *fixture) options() oneOptions {
	return oneOptions{
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
func (f *fixture) reopen(o oneOptions) {
	s, err := openOne(context.Background(), o, f.store)
	require.NoError(f.t, err)
	f.one = s
}

func (f *fixture) setStoreTimeout(d time.Duration) { f.present.Load().StoreTimeout = d }

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

// groupOf is what a flush makes of buckets that it writes at once.
func (f *fixture) groupOf(buckets []*table.Bucket) group { return group{{f.Limit, buckets}} }
