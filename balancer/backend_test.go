package balancer

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBackendCountsWhatRunsWhatRanAndWhatBroke(t *testing.T) {
	p := poolOf(RoundRobin, 1)
	b := p.backends[0]
	counts := func() [3]int64 { s := p.Status()[0]; return [3]int64{s.InFlight, s.Requests, s.Failures} }

	assert.Equal(t, [3]int64{0, 0, 0}, counts())
	require.NoError(t, b.begin(0))
	require.NoError(t, b.begin(0))
	assert.Equal(t, [3]int64{2, 2, 0}, counts())
	b.end(0, Result{})
	assert.Equal(t, [3]int64{1, 2, 0}, counts())
	b.end(0, Result{Fault: Broke})
	assert.Equal(t, [3]int64{0, 2, 1}, counts())
}

// Whenever it is read, no more is in flight or has failed than was begun, and nothing is below 0.
func TestBackendCountersAgreeWhileTheyMove(t *testing.T) {
	p := poolOf(RoundRobin, 1)
	b := p.backends[0]
	var users sync.WaitGroup
	for range 4 {
		users.Go(func() {
			for range 2000 {
				assert.NoError(t, b.begin(0))
				b.end(0, Result{Fault: Broke})
			}
		})
	}
	for range 2000 {
		s := p.Status()[0]
		assert.GreaterOrEqual(t, s.InFlight, int64(0))
		assert.LessOrEqual(t, s.Failures, s.Requests)
	}
	users.Wait()
	assert.Equal(t, BackendStatus{URL: "a", Weight: 1, EffectiveWeight: 1, State: Ready, Configured: Override{Ready, 1}, Stored: true, Healthy: true, Requests: 8000, Failures: 8000, Measured: Measured{Faults: [4]int64{Broke: 8000}}}, p.Status()[0])
}

func TestBackendIsWhatItsSettingsSay(t *testing.T) {
	var asked []BackendSettings
	var hosts []string
	prober := &fakeProber{ask: func(_ context.Context, r ProbeRequest) (ProbeResponse, error) {
		hosts = append(hosts, r.Host)
		return ProbeResponse{Status: 200}, nil
	}}
	settings := BackendSettings{URL: "http://localhost:8081", Addr: "localhost:8081", Weight: 2, State: Ready}
	p := NewPool(Settings{
		Backends: []BackendSettings{settings},
		Health:   HealthSettings{Type: HealthHTTP, Path: "/", Timeout: time.Minute, Rise: 1, Fall: 1},
		NewProber: func(b BackendSettings) Prober {
			asked = append(asked, b)
			return prober
		},
	})
	b := p.backends[0]
	assert.Equal(t, []BackendSettings{settings}, asked)
	assert.Same(t, prober, b.Prober())
	assert.Equal(t, "http://localhost:8081", b.URL())
	assert.Equal(t, "localhost:8081", b.Addr())
	assert.Equal(t, "localhost:8081", b.Authority())
	p.Probe(t.Context())
	assert.Equal(t, []string{"localhost:8081"}, hosts)
}
