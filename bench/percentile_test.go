package bench

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// ms are that many milliseconds each.
func ms(values ...float64) []time.Duration {
	var all []time.Duration
	for _, v := range values {
		all = append(all, time.Duration(v*float64(time.Millisecond)))
	}
	return all
}

func latency(p50, p90, p99 float64) *Latency {
	v := ms(p50, p90, p99)
	return &Latency{Milliseconds(v[0]), Milliseconds(v[1]), Milliseconds(v[2])}
}

func TestLatencyOf(t *testing.T) {
	f := func(measured []time.Duration, want *Latency) {
		t.Helper()
		before := slices.Clone(measured)
		assert.Equal(t, want, latencyOf(measured))
		assert.Equal(t, before, measured, "it is the caller's")
	}
	var hundred []time.Duration
	for i := 100; i > 0; i-- {
		hundred = append(hundred, time.Duration(i)*time.Millisecond)
	}
	f(nil, nil)
	f(ms(7), latency(7, 7, 7))
	f(ms(2, 1), latency(1, 2, 2))
	f(ms(3, 1, 2), latency(2, 3, 3))
	f(hundred, latency(50, 90, 99))
	f(append(hundred, ms(1000)...), latency(51, 91, 100))
}

// The nearest rank by its definition, counted out.
func TestPercentileIsTheLeastThatEnoughAreNotAbove(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 50), func(i int) time.Duration { return time.Duration(i) }), 1, 300).Draw(t, "values")
		p := rapid.IntRange(1, 100).Draw(t, "p")
		slices.Sort(values)
		covered := func(at time.Duration) (n int) {
			for _, v := range values {
				if v <= at {
					n++
				}
			}
			return n * 100
		}
		got := percentile(values, p)
		require.Contains(t, values, got)
		require.GreaterOrEqual(t, covered(got), p*len(values))
		require.Less(t, covered(got-1), p*len(values))
	})
}

func TestMinus(t *testing.T) {
	assert.Equal(t, latency(1, -2, 3), latency(2, 1, 9).minus(latency(1, 3, 6)))
	assert.Nil(t, latency(1, 1, 1).minus(nil))
	assert.Nil(t, (*Latency)(nil).minus(latency(1, 1, 1)))
}

func TestNoise(t *testing.T) {
	f := func(want *Latency, rounds ...[]time.Duration) {
		t.Helper()
		assert.Equal(t, want, noise(rounds))
	}
	f(nil)
	f(nil, ms(1, 2))
	f(nil, ms(1, 2), nil)
	f(latency(0, 0, 0), ms(1, 2), ms(2, 1))
	f(latency(1, 3, 3), ms(1, 2), ms(2, 5))
	f(latency(1, 3, 3), ms(2, 5), ms(1, 2))
	f(latency(4, 4, 4), ms(1), ms(5), ms(1), ms(5))
}

func TestMillisecondsAreWrittenToTheMicrosecond(t *testing.T) {
	f := func(d time.Duration, want string) {
		t.Helper()
		got, err := json.Marshal(Milliseconds(d))
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
	}
	f(0, "0")
	f(1234567*time.Nanosecond, "1.235")
	f(-80*time.Microsecond, "-0.08")
	f(5*time.Second, "5000")
}
