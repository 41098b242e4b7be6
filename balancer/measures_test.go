package balancer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What attempts come to is counted at their backend, and a retry at the one before.
func TestAttemptsAreMeasured(t *testing.T) {
	p := poolOf(RoundRobin, 1, 1)
	attempts := p.Attempts(Client{}, Retry{Most: 1})
	first, err := attempts.Next()
	require.NoError(t, err)
	first.End(Result{Fault: Late, Latency: time.Second})
	second, err := attempts.Next()
	require.NoError(t, err)
	second.End(Result{Status: 204, Latency: time.Millisecond})
	m := first.Backend.measured()
	assert.EqualValues(t, 1, m.Retries)
	assert.EqualValues(t, 1, m.Faults[Late])
	assert.Zero(t, m.Latency.Count(), "there was no response")
	m = second.Backend.measured()
	assert.Zero(t, m.Retries)
	assert.EqualValues(t, 1, m.Responses[2])
	assert.Equal(t, time.Millisecond, m.Latency.Sum)
}
