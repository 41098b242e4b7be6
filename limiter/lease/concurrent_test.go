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
	"gopher-equalizer/limiter/table"
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
	w.demand(capacity-admitted.Load(), &numbers[0])
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

// A limit leaves and comes back meanwhile, as by reloads: it is taken up again, or made anew. Each
// token is spent once, or there in the end.
func TestTakersOfALimitThatComesAndGoes(t *testing.T) {
	const capacity, takers = 2000, 3
	w := newWorld(t, 0, lease.LimitOptions{})
	var twice atomic.Int64 // how often a round had alice twice
	r, first := crowd(t, "a", 0, &watched{w.book, func(asks []lease.Ask) {
		if len(asks) > 1 {
			twice.Add(1)
		}
	}})
	w.limits = append(w.limits, first)
	o := *first.Options()
	o.Numbers = settings(capacity, "1/10h")
	first.Change(o)
	var limit atomic.Pointer[lease.Limit]
	limit.Store(w.limits[0])
	var admitted atomic.Int64
	var all sync.WaitGroup
	enough, stop := context.WithCancel(t.Context())
	defer stop()
	until := func(do func()) {
		all.Go(func() {
			for enough.Err() == nil {
				do()
				runtime.Gosched()
			}
		})
	}
	for range takers {
		until(func() {
			l := limit.Load()
			if l.Held().Take("alice", 1, 0).Outcome != table.Allowed {
				l.Want("alice", 0)
			} else if admitted.Add(1) == capacity/2 {
				stop()
			}
		})
	}
	until(func() {
		r.Use(nil)
		runtime.Gosched()
		l := r.Limit(o)
		limit.Store(l)
		r.Use([]*lease.Limit{l})
	})
	var broken error
	until(func() {
		if err := r.Round(w.Context(), false); err != nil {
			broken = err
			stop()
		}
	})
	all.Wait()
	require.NoError(t, broken)
	require.Zero(t, twice.Load())
	require.NoError(t, r.Close(t.Context()))
	w.demand(capacity-admitted.Load(), &o.Numbers)
}

// demand demands that the ledger has so many tokens of alice, and that nobody holds any.
func (w *world) demand(tokens int64, numbers *lease.Numbers) {
	w.Helper()
	key := lease.Key{Namespace: w.limits[0].Namespace(), ClientID: "alice"}
	s, ok, err := w.book.Get(w.Context(), key, numbers)
	require.NoError(w, err)
	if !ok {
		s.Tokens = float64(numbers.Settings.Capacity)
	}
	require.Zero(w, s.Leased)
	require.InDelta(w, tokens, s.Tokens, 0)
}
