package bench

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// responding is a sender that takes this long, and gets a 200.
func responding(latency time.Duration) sender {
	return func(ctx context.Context) outcome {
		if !sleep(ctx, latency) {
			return outcome{err: ctx.Err()}
		}
		return outcome{status: 200}
	}
}

func TestRoundKeepsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var mu sync.Mutex
		var sent []time.Duration
		p := newPacer(100, time.Second)
		results := p.round(t.Context(), 5, func(ctx context.Context) outcome {
			mu.Lock()
			sent = append(sent, time.Since(start))
			mu.Unlock()
			return responding(95 * time.Millisecond)(ctx)
		})
		assert.Equal(t, ms(0, 10, 20, 30, 40), sent, "whether or not those before are answered")
		assert.Equal(t, 135*time.Millisecond, time.Since(start), "it waits for the last response")
		require.Len(t, results, 5)
		for _, r := range results {
			assert.Equal(t, result{outcome: outcome{status: 200}, latency: 95 * time.Millisecond}, r)
		}
	})
}

// Every request that was due during a stall sees it, not only the one that was under way.
func TestAStallIsNotOmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		resumes := time.Now().Add(500 * time.Millisecond)
		p := newPacer(100, time.Second)
		results := p.round(t.Context(), 100, func(ctx context.Context) outcome {
			return responding(max(time.Until(resumes), time.Millisecond))(ctx)
		})
		require.Len(t, results, 100)
		for i, r := range results {
			want := max(time.Millisecond, 500*time.Millisecond-time.Duration(i)*10*time.Millisecond)
			assert.Equal(t, want, r.latency, i)
		}
	})
}

// The same holds if no more requests may be under way: waiting for a slot counts against the
// target.
func TestAWaitForASlotCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		resumes := time.Now().Add(500 * time.Millisecond)
		p := newPacer(100, time.Second)
		p.slots = make(chan struct{}, 3)
		results := p.round(t.Context(), 100, func(ctx context.Context) outcome {
			return responding(max(0, time.Until(resumes)))(ctx)
		})
		require.Len(t, results, 100)
		for i, r := range results {
			assert.Equal(t, max(0, 500*time.Millisecond-time.Duration(i)*10*time.Millisecond), r.latency, i)
			assert.False(t, r.late, "the target was, and not this machine")
		}
	})
}

func TestAHangingTargetEndsWithTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := newPacer(1000, time.Second)
		p.slots = make(chan struct{}, 10)
		results := p.round(t.Context(), 500, responding(time.Hour))
		assert.Less(t, time.Since(start), 500*time.Millisecond+time.Second+time.Millisecond)
		require.Len(t, results, 500)
		for _, r := range results {
			assert.ErrorIs(t, r.err, context.DeadlineExceeded)
			assert.False(t, r.cut, "a timeout is a failure")
		}
	})
}

func TestARoundEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 55*time.Millisecond)
		defer cancel()
		start := time.Now()
		p := newPacer(100, time.Minute)
		results := p.round(ctx, 1000, responding(25*time.Millisecond))
		assert.Equal(t, 55*time.Millisecond, time.Since(start), "at once")
		assert.Len(t, results, 4, "sent at 0, 10, 20 and 30 ms; what was under way isn't counted")

		p.slots = make(chan struct{}, 1)
		ctx, cancel = context.WithTimeout(t.Context(), 55*time.Millisecond)
		defer cancel()
		assert.Empty(t, p.round(ctx, 1000, responding(time.Hour)), "the same while it waits for a slot")
		assert.Empty(t, p.slots)
	})
}

func TestALateStartIsNotTheTargets(t *testing.T) {
	p := newPacer(100, time.Second)
	before := time.Now()
	from, ok := p.admit(t.Context(), before.Add(-time.Second))
	assert.True(t, ok)
	assert.False(t, from.Before(before))

	p.behind = true
	from, ok = p.admit(t.Context(), before.Add(-time.Second))
	assert.True(t, ok)
	assert.Equal(t, before.Add(-time.Second), from, "but after a wait for slots it is")
}

func TestOutcomeOK(t *testing.T) {
	f := func(o outcome, want bool) {
		t.Helper()
		assert.Equal(t, want, o.ok())
	}
	f(outcome{status: 200}, true)
	f(outcome{status: 302}, true)
	f(outcome{status: 399}, true)
	f(outcome{status: 400}, false)
	f(outcome{status: 503}, false)
	f(outcome{status: 200, err: errors.New("cut")}, false)
}
