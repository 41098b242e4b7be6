package lease_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/lease"
)

// Takers spend while rounds grant and take back, and while numbers change. Each token is spent
// once, or there in the end.
func TestTakersAndRoundsAtOnce(t *testing.T) {
	const capacity, replicas, takers = 2000, 3, 3
	numbers := []lease.Numbers{settings(capacity, "1/10h"), settings(capacity, "1/20h")}
	w := newWorld(t, replicas, lease.LimitOptions{Numbers: numbers[0], OnLoss: lease.Refuse})
	var taking, settling sync.WaitGroup
	var admitted atomic.Int64
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	errs := make([]error, replicas)
	for i := range replicas {
		due := make(chan struct{})
		for range takers {
			taking.Go(func() { w.takeUntil(ctx, i, due, &admitted, capacity*3/4) })
		}
		settling.Go(func() { errs[i] = w.settleUntil(i, due, done, cancel, numbers) })
	}
	taking.Wait()
	close(done)
	settling.Wait()
	for i, r := range w.replicas {
		require.NoError(t, errs[i])
		require.NoError(t, r.Close(t.Context()))
	}
	key := lease.Key{Namespace: w.limits[0].Namespace(), ClientID: "alice"}
	s, ok, err := w.book.Get(t.Context(), key, &numbers[0])
	require.NoError(t, err)
	if !ok {
		s.Tokens = capacity
	}
	require.Zero(t, s.Leased)
	require.InDelta(t, capacity, s.Tokens+float64(admitted.Load()), 0)
}

// takeUntil takes tokens until all takers have so many. There is a round whenever there are none,
// and while others take.
func (w *world) takeUntil(ctx context.Context, replica int, due chan<- struct{}, admitted *atomic.Int64, enough int64) {
	for n := int64(0); n < enough && ctx.Err() == nil; {
		took := w.take(replica)
		if took {
			n = admitted.Add(1)
		}
		if took && n%8 > 0 {
			continue
		}
		select {
		case due <- struct{}{}:
		default:
			runtime.Gosched()
		}
	}
}

// settleUntil settles rounds of a replica, and changes its numbers now and then.
func (w *world) settleUntil(replica int, due, done <-chan struct{}, broken func(), numbers []lease.Numbers) error {
	l := w.limits[replica]
	for i := 0; ; i++ {
		select {
		case <-done:
			return nil
		case <-due:
		}
		if i%10 == 9 {
			o := *l.Options()
			o.Numbers = numbers[i/10%len(numbers)]
			l.Change(o)
		}
		if err := w.replicas[replica].Round(w.Context(), false); err != nil {
			broken()
			return err
		}
	}
}

// An operator changes the numbers of a client meanwhile, so that its bucket is replaced wherever
// tokens are held. No token is spent twice.
func TestTakersAndAnOperatorAtOnce(t *testing.T) {
	const capacity, replicas, takers = 3000, 3, 3
	w := newWorld(t, replicas, lease.LimitOptions{Numbers: settings(capacity, "1/10h"), OnLoss: lease.Refuse})
	var taking, others sync.WaitGroup
	var admitted atomic.Int64
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	errs := make([]error, replicas+1)
	for i := range replicas {
		due := make(chan struct{})
		for range takers {
			taking.Go(func() { w.takeUntil(ctx, i, due, &admitted, capacity/2) })
		}
		others.Go(func() { errs[i] = w.settleUntil(i, due, done, cancel, []lease.Numbers{settings(capacity, "1/10h")}) })
	}
	others.Go(func() { errs[replicas] = w.rewriteUntil(done, capacity) })
	taking.Wait()
	close(done)
	others.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	for i := range replicas {
		admitted.Add(int64(w.takeAll(i)))
	}
	require.LessOrEqual(t, admitted.Load(), int64(capacity))
}

// rewriteUntil gives the client other refills, which are as slow, and leaves it what it has.
func (w *world) rewriteUntil(done <-chan struct{}, capacity int64) error {
	l := w.limits[0]
	key := lease.Key{Namespace: l.Namespace(), ClientID: "alice"}
	for i := time.Duration(1); ; i++ {
		select {
		case <-done:
			return nil
		default:
		}
		err := w.book.Change(w.Context(), key, &l.Options().Numbers, func(present *lease.State) (*lease.State, error) {
			if present == nil {
				return nil, nil
			}
			to := *present
			to.Managed = true
			to.Settings = gcra.Settings{Capacity: capacity, Refill: gcra.Refill{Amount: 1, Per: 10*time.Hour + i%7}}
			return &to, nil
		})
		if err != nil {
			return err
		}
	}
}
