package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
	"gopher-equalizer/store"
)

// manyRecords is enough for a load in several parts.
const manyRecords = 25_000

func aLoadGivesEachRecordOnce(t *testing.T, place Place) {
	s := Open(t, place)
	records := Records(manyRecords)
	Write(t, s, puts(records...))
	requireContents(t, s, records)
	s = Reopen(t, place, s)
	requireContents(t, s, records)
}

func aLoadStopsAtTheErrorOfYield(t *testing.T, place Place) {
	s := Open(t, place)
	Write(t, s, puts(Records(manyRecords)...))
	enough := errors.New("enough")
	seen := 0
	err := s.Load(t.Context(), first, func(limiter.Record) error {
		if seen++; seen == 5 {
			return enough
		}
		return nil
	})
	require.Same(t, enough, err, "the error as it is")
	require.Equal(t, 5, seen)
	require.Len(t, Load(t, s), manyRecords, "the store works on")
}

func aLoadStopsWhenItsContextEnds(t *testing.T, place Place) {
	s := Open(t, place)
	Write(t, s, puts(Records(manyRecords)...))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := s.Load(ctx, first, func(limiter.Record) error {
		cancel()
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, Load(t, s), manyRecords, "the store works on")
}

// calls makes each call of a store that takes a context.
func calls(ctx context.Context, s limiter.Store, batch limiter.Batch) map[string]error {
	_, _, getErr := s.Get(ctx, Keys("alice")[0])
	_, namespacesErr := s.Namespaces(ctx)
	return map[string]error{
		"Get":        getErr,
		"Namespaces": namespacesErr,
		"Load":       s.Load(ctx, first, func(limiter.Record) error { return nil }),
		"Write":      s.Write(ctx, batch),
	}
}

func aCallWhoseContextIsOverDoesNothing(t *testing.T, place Place) {
	s := Open(t, place)
	Write(t, s, puts(Record("alice", 1)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range calls(ctx, s, puts(Record("bob", 1))) {
		require.ErrorIs(t, err, context.Canceled, name)
		require.NotErrorIs(t, err, limiter.ErrInDoubt, name)
	}
	requireContents(t, s, []limiter.Record{Record("alice", 1)})
}

func aClosedStoreRefuses(t *testing.T, place Place) {
	s := Open(t, place)
	require.NoError(t, s.Close())
	for name, err := range calls(t.Context(), s, puts(Record("alice", 1))) {
		require.ErrorIs(t, err, store.ErrClosed, name)
		require.NotErrorIs(t, err, limiter.ErrInDoubt, name)
	}
	require.NoError(t, s.Close(), "a second time")
}

// A call ends within slack after its context. The slack is for a busy machine, not for the store.
const (
	deadline = 300 * time.Millisecond
	slack    = 3 * time.Second
)

// stalled calls f with a context that soon ends, while the place doesn't respond.
func stalled(t *testing.T, place Place, s limiter.Store, f func(ctx context.Context) error) error {
	t.Helper()
	release := place.Stall(t, s)
	defer release()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	start := time.Now()
	err := f(ctx)
	require.Less(t, time.Since(start), deadline+slack)
	return err
}

func whatHangsEndsWithItsContext(t *testing.T, place Place) {
	if place.Stall == nil {
		return
	}
	s := Open(t, place)
	Write(t, s, puts(Record("alice", 1)))
	read := func(ctx context.Context) error {
		_, _, err := s.Get(ctx, Keys("alice")[0])
		return err
	}
	namespaces := func(ctx context.Context) error {
		_, err := s.Namespaces(ctx)
		return err
	}
	load := func(ctx context.Context) error { return s.Load(ctx, first, func(limiter.Record) error { return nil }) }
	for _, call := range []func(context.Context) error{read, namespaces, load} {
		require.ErrorIs(t, stalled(t, place, s, call), context.DeadlineExceeded)
		requireContents(t, s, []limiter.Record{Record("alice", 1)})
	}
}

func aBrokenOffWriteIsWholeOrNothing(t *testing.T, place Place) {
	if place.Stall == nil {
		return
	}
	s := Open(t, place)
	Write(t, s, puts(Record("alice", 1)))
	batch := puts(Records(manyRecords)...)
	batch.Deletes = Keys("zoe")
	err := stalled(t, place, s, func(ctx context.Context) error { return s.Write(ctx, batch) })
	require.ErrorIs(t, err, context.DeadlineExceeded)

	found, applied := Get(t, s, batch.Puts[0].ClientID) // settles it
	want := []limiter.Record{Record("alice", 1)}
	if applied {
		require.ErrorIs(t, err, limiter.ErrInDoubt)
		require.Equal(t, batch.Puts[0], found)
		want = append(want, batch.Puts...)
	}
	requireContents(t, s, want)
	requireContents(t, Reopen(t, place, s), want)
}

func closeEndsACallUnderWay(t *testing.T, place Place) {
	if place.Stall == nil {
		return
	}
	s := Open(t, place)
	Write(t, s, puts(Record("alice", 1)))
	release := place.Stall(t, s)
	ended := make(chan error, 1)
	go func() {
		_, _, err := s.Get(t.Context(), Keys("alice")[0])
		ended <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	_, _, err := s.Get(ctx, Keys("alice")[0])
	require.ErrorIs(t, err, context.DeadlineExceeded, "it waits for its turn, so the first is under way")

	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err := <-ended:
		require.ErrorIs(t, err, store.ErrClosed)
	case <-time.After(patience):
		t.Error("the call goes on after Close")
	}
	release()
	<-closed // an error is allowed: the call that hung may not have ended in time
}

func aSecondOpenerIsRefused(t *testing.T, place Place) {
	if !place.Durable {
		return
	}
	first := Open(t, place)
	Write(t, first, puts(Record("alice", 1)))
	err := refused(t, place)
	self := store.Self()
	require.ErrorContains(t, err, fmt.Sprintf("process %d on %s", self.PID, self.Host))

	requireContents(t, first, []limiter.Record{Record("alice", 1)})
	requireContents(t, Reopen(t, place, first), []limiter.Record{Record("alice", 1)})
}

// refused is the error of a second opener. It has ever more time, in case the machine is slow.
func refused(t *testing.T, place Place) error {
	t.Helper()
	for patiently := deadline; ; patiently *= 4 {
		ctx, cancel := context.WithTimeout(t.Context(), patiently)
		defer cancel()
		s, err := place.Open(ctx)
		require.Error(t, err)
		require.Nil(t, s)
		if errors.Is(err, store.ErrHeld) {
			return err
		}
		require.Less(t, patiently, patience, "%v", err)
	}
}
