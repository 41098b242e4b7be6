package bench

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// measure runs with fake sides, on fake time.
func measure(ctx context.Context, s Settings, direct, through sender) (Report, error) {
	s.Target = "http://direct/"
	if through != nil {
		s.Through = "http://through/"
	}
	m := newMeasurement(s)
	m.enter("direct", s.Target, direct)
	if through != nil {
		m.enter("through", s.Through, through)
	}
	return m.run(ctx)
}

func TestOverhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := measure(t.Context(), Default(), responding(time.Millisecond), responding(3*time.Millisecond))
		require.NoError(t, err)
		all := func(url string, took float64) Side {
			return Side{
				URL: url, Requests: 1000, Warmup: 50, Responses: map[int]int{200: 1000}, Errors: map[string]int{},
				Latency: latency(took, took, took),
			}
		}
		through := all("http://through/", 3)
		assert.Equal(t, Report{
			Rate: 100, Seconds: 19.68, Rounds: 20, RoundRequests: 50,
			Direct: all("http://direct/", 1), Through: &through,
			Overhead: latency(2, 2, 2), Noise: latency(0, 0, 0),
		}, r)
	})
}

func TestTargetAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := measure(t.Context(), Default(), responding(time.Millisecond), nil)
		require.NoError(t, err)
		assert.Equal(t, 2000, r.Direct.Requests)
		assert.Equal(t, latency(1, 1, 1), r.Direct.Latency)
		assert.Nil(t, r.Through)
		assert.Nil(t, r.Overhead)
		assert.Equal(t, latency(0, 0, 0), r.Noise)
	})
}

// A machine that becomes slower all the time does so for both sides, so a difference of 2 ms stays
// 2 ms.
func TestDriftHitsBothSides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		drifting := func(base time.Duration) sender {
			return func(ctx context.Context) outcome {
				return responding(base + time.Since(start)/1000)(ctx) // 20 ms more at the end
			}
		}
		r, err := measure(t.Context(), Default(), drifting(time.Millisecond), drifting(3*time.Millisecond))
		require.NoError(t, err)
		assert.Greater(t, r.Direct.Latency.P90-r.Direct.Latency.P50, Milliseconds(5*time.Millisecond))
		assert.InDelta(t, 2, r.Overhead.P50.float(), 0.6)
		assert.InDelta(t, 2, r.Overhead.P90.float(), 0.6)
	})
}

func TestSidesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var order string
		noting := func(name string) sender {
			return func(ctx context.Context) outcome {
				mu.Lock()
				if !strings.HasSuffix(order, name) {
					order += name
				}
				mu.Unlock()
				return responding(30 * time.Millisecond)(ctx)
			}
		}
		_, err := measure(t.Context(), Settings{Rate: 20, Duration: 4 * time.Second, Timeout: time.Second}, noting("d"), noting("t"))
		require.NoError(t, err)
		assert.Equal(t, "dtdtd", order, "d t, t d, d t, t d: neither is always the first")
	})
}

// If slow responses make rounds long, the duration ends the run.
func TestTimeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := measure(t.Context(), Settings{Rate: 100, Duration: 5 * time.Second, Timeout: 10 * time.Second},
			responding(time.Second), responding(2*time.Second))
		require.NoError(t, err)
		assert.Equal(t, 2, r.Rounds, "of 5")
		assert.Empty(t, r.Stopped)
		assert.Equal(t, 7.96, r.Seconds)

		r, err = measure(t.Context(), Settings{Rate: 20, Duration: time.Second, Timeout: 10 * time.Second}, responding(3*time.Second), nil)
		require.NoError(t, err)
		assert.Equal(t, 2, r.Rounds, "the warm-up and one more in any case")
		assert.Equal(t, latency(3000, 3000, 3000), r.Direct.Latency)
		assert.Nil(t, r.Noise)
	})
}

func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3100*time.Millisecond)
		defer cancel()
		r, err := measure(ctx, Default(), responding(time.Millisecond), responding(2*time.Millisecond))
		require.NoError(t, err)
		assert.Equal(t, "interrupted", r.Stopped)
		assert.Equal(t, 3.1, r.Seconds)
		assert.Equal(t, 3, r.Rounds)
		assert.Equal(t, latency(1, 1, 1), r.Overhead)
	})
}

func TestGivesUpWhatFailsAlways(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := func(context.Context) outcome { return outcome{err: errors.New("refused")} }
		r, err := measure(t.Context(), Default(), responding(time.Millisecond), refused)
		require.EqualError(t, err, "through, http://through/: all 50 requests failed (refused: 50)")
		assert.Equal(t, err.Error(), r.Stopped)
		assert.Equal(t, 50, r.Direct.Requests)
		assert.Equal(t, 50, r.Through.Failures)
		assert.Nil(t, r.Overhead)

		var left atomic.Int64
		left.Store(120)
		limited := func(context.Context) outcome {
			if left.Add(-1) < 0 {
				return outcome{status: 429}
			}
			return outcome{status: 200}
		}
		r, err = measure(t.Context(), Default(), limited, nil)
		require.EqualError(t, err, "direct, http://direct/: the last 50 requests all failed (of all 200: 200: 120, 429: 80)")
		assert.NotNil(t, r.Direct.Latency, "what succeeded is reported")
	})
}

func TestRunChecksItsSettings(t *testing.T) {
	_, err := Run(t.Context(), Default())
	require.ErrorContains(t, err, "target is missing")
}
