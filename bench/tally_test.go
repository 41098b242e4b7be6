package bench

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func answered(status int, took float64) result {
	return result{outcome: outcome{status: status}, latency: ms(took)[0]}
}

func broke(err error) result { return result{outcome: outcome{err: err}} }

func times(n int, r result) (all []result) {
	for range n {
		all = append(all, r)
	}
	return all
}

func TestTallyAddsUp(t *testing.T) {
	y := newTally("direct", "http://a/", time.Second)
	y.add([]result{answered(200, 100), broke(errors.New("reset"))}, true)
	late := answered(200, 3)
	late.late = true
	y.add([]result{answered(200, 1), answered(302, 2), late}, false)
	y.add([]result{answered(429, 0), broke(context.DeadlineExceeded), broke(errors.New("reset"))}, false)
	require.NoError(t, y.hopeless())
	assert.Equal(t, Side{
		URL: "http://a/", Requests: 8, Warmup: 2, Failures: 4, Late: 1,
		Responses: map[int]int{200: 3, 302: 1, 429: 1},
		Errors:    map[string]int{"reset": 2, "no response within 1s": 1},
		Latency:   latency(2, 3, 3), // of what succeeded after the warm-up
	}, y.done())
	assert.Equal(t, "200: 3, 302: 1, 429: 1, no response within 1s: 1, reset: 2", y.done().outcomes())
}

func TestTallyOfNothing(t *testing.T) {
	nothing := newTally("direct", "u", time.Second).done()
	assert.Equal(t, Side{URL: "u", Responses: map[int]int{}, Errors: map[string]int{}}, nothing)
	assert.Equal(t, "no request ended", nothing.outcomes())
}

func TestReasonsAreBounded(t *testing.T) {
	y := newTally("direct", "u", time.Second)
	for i := range 3 * maxReasons {
		y.add([]result{broke(fmt.Errorf("reason %d", i)), broke(errors.New("reason 0"))}, false)
	}
	assert.Len(t, y.side.Errors, maxReasons+1)
	assert.Equal(t, 2*maxReasons, y.side.Errors[otherReasons])
	assert.Equal(t, 3*maxReasons+1, y.side.Errors["reason 0"])
}

func TestHopeless(t *testing.T) {
	f := func(want string, rounds ...[]result) {
		t.Helper()
		y := newTally("through", "http://a/", time.Second)
		for i, round := range rounds {
			y.add(round, i == 0)
		}
		if want == "" {
			require.NoError(t, y.hopeless())
			return
		}
		require.EqualError(t, y.hopeless(), want)
	}
	good, bad := answered(200, 1), answered(429, 1)
	f("")
	f("", times(9, bad))
	f("through, http://a/: all 10 requests failed (429: 10)", times(10, bad))
	f("through, http://a/: all 12 requests failed (429: 12)", times(6, bad), times(6, bad))
	f("", times(50, good), append(times(49, bad), good), times(9, bad))
	f("through, http://a/: the last 10 requests all failed (of all 61: 200: 51, 429: 10)", times(51, good), times(5, bad), times(5, bad))
	f("", times(5, bad), times(1, good), times(5, bad))
}
