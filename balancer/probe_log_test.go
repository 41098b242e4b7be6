package balancer

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheLastProbesAreKept(t *testing.T) {
	var l probeLog
	assert.Zero(t, l.last())
	assert.Empty(t, l.all())
	for n := 1; n <= 3*MaxProbeResults/2; n++ {
		l.add(ProbeResult{Found: fmt.Sprint(n), OK: n%2 == 0, Took: time.Duration(n) * time.Millisecond})
		assert.Equal(t, fmt.Sprint(n), l.last().Found)
		all := l.all()
		require.Len(t, all, min(n, MaxProbeResults))
		for i, r := range all {
			assert.Equal(t, fmt.Sprint(n-i), r.Found)
		}
	}
	c := l.counted()
	assert.EqualValues(t, 24, c.Succeeded)
	assert.EqualValues(t, 24, c.Failed)
	assert.EqualValues(t, 48, c.Durations.Count())
	assert.Equal(t, 48*49/2*time.Millisecond, c.Durations.Sum)
}

func TestProbeResultsOfABackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"), ready("b"))
		w.set("a", errRefused)
		w.Probe(t.Context())
		w.set("a", nil)
		w.run(t)
		pass(patient.Interval)
		results, err := w.ProbeResults("a")
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(results), 2)
		first := results[len(results)-1]
		assert.Equal(t, errRefused.Error(), first.Found)
		assert.False(t, first.OK)
		assert.True(t, results[0].OK)
		assert.Equal(t, "connected in 0.0ms", results[0].Found)
		assert.Equal(t, time.UTC, results[0].At.Location())
		for i := range results[1:] {
			assert.True(t, results[i].At.After(results[i+1].At), "the last one comes first")
		}
		s, err := w.BackendStatus("a")
		require.NoError(t, err)
		assert.EqualValues(t, len(results)-1, s.Probes.Succeeded)
		assert.EqualValues(t, 1, s.Probes.Failed)
		_, err = w.ProbeResults("c")
		assert.ErrorIs(t, err, ErrNoBackend)
	})
}
