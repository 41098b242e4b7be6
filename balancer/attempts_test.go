package balancer

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// failNext makes the next attempt, which fails. It returns the backend's name, with a "!" if the
// attempt was to be fresh, or why there was none.
func (a *Attempts) failNext() string {
	attempt, err := a.Next()
	if err != nil {
		return err.Error()
	}
	attempt.End(Result{Fault: Broke})
	if attempt.Fresh {
		return attempt.Backend.URL() + "!"
	}
	return attempt.Backend.URL()
}

func TestAttempts(t *testing.T) {
	f := func(most int, p *Pool, want ...string) {
		t.Helper()
		attempts := p.Attempts(Client{Holder: 7}, Retry{Most: most})
		var got []string
		for range want {
			got = append(got, attempts.failNext())
		}
		assert.Equal(t, want, got)
	}
	two := func() *Pool { return poolOf(RoundRobin, 1, 1) }
	noRetry, none := ErrNoRetry.Error(), ErrNoneHealthy.Error()
	f(0, two(), "a", noRetry, noRetry)
	f(1, two(), "a", "b", noRetry)
	f(2, two(), "a", "b", "b!", noRetry)
	f(3, two(), "a", "b", "b!", none, none)
	f(1, poolOf(RoundRobin, 1), "a", "a!", noRetry)
	f(3, poolOf(RoundRobin, 1), "a", "a!", none)
	f(99, poolOf(RoundRobin, 1, 1, 1, 1, 1), "a", "b", "c", "d", noRetry)
	f(1, poolOf(RoundRobin), none, none)
}

// A retry goes where there is a place, and is not made where there is none.
func TestRetryNeedsAPlace(t *testing.T) {
	p := bounded(1, 1, 1, 1, 1)
	attempts := p.Attempts(Client{}, Retry{Most: 1})
	require.Equal(t, "a", attempts.failNext())
	require.NoError(t, p.backends[1].begin(0))
	assert.Equal(t, "c", attempts.failNext(), "b is full")

	p = bounded(1, 1, 1, 1)
	attempts = p.Attempts(Client{}, Retry{Most: 1})
	require.Equal(t, "a", attempts.failNext())
	require.NoError(t, p.backends[0].begin(0))
	require.NoError(t, p.backends[1].begin(0))
	assert.Equal(t, ErrBusy.Error(), attempts.failNext())
	p.backends[0].end(0, Result{})
	assert.Equal(t, "a!", attempts.failNext(), "what was not made doesn't count")
}

func TestAttemptCountsAtItsBackend(t *testing.T) {
	p := bounded(4, 0.5, 1)
	attempts := p.Attempts(Client{Holder: 7}, Retry{Most: 1})
	counts := func() [3]int64 { s := p.Status()[0]; return [3]int64{s.InFlight, s.Requests, s.Failures} }
	first, err := attempts.Next()
	require.NoError(t, err)
	assert.Equal(t, [3]int64{1, 1, 0}, counts())
	first.End(Result{Fault: Broke})
	assert.Equal(t, [3]int64{0, 1, 1}, counts())
	again, err := attempts.Next()
	require.NoError(t, err)
	again.End(Result{})
	assert.Equal(t, [3]int64{0, 2, 1}, counts())
	assert.Zero(t, p.backends[0].places.shares.Load().words(), "the client holds nothing any more")
}

// model says which attempts a request may make while backends flip and are full at random.
type model struct {
	*Pool
	full  map[*Backend]bool
	tried []*Backend
	made  int
	fresh bool
}

// change has each backend be up or down, and full or not.
func (m *model) change(t *rapid.T) {
	for _, b := range m.backends {
		b.health.up = rapid.Bool().Draw(t, "up")
		switch full := rapid.Bool().Draw(t, "full"); {
		case full && !m.full[b]:
			require.NoError(t, b.begin(0))
			m.full[b] = true
		case !full && m.full[b]:
			b.end(0, Result{})
			m.full[b] = false
		}
	}
	m.publish()
}

// want is what the next attempt may be.
func (m *model) want(most int) (backends []*Backend, fresh bool, err error) {
	if m.made > most {
		return nil, false, ErrNoRetry
	}
	err = ErrNoneHealthy
	for _, b := range m.backends {
		if b.available() && !slices.Contains(m.tried, b) {
			err = ErrBusy
			if !m.full[b] {
				backends = append(backends, b)
			}
		}
	}
	if len(backends) > 0 || m.made == 0 || m.fresh {
		return backends, false, err
	}
	if last := m.tried[len(m.tried)-1]; !m.full[last] {
		return []*Backend{last}, true, nil
	}
	return nil, false, ErrBusy
}

func TestAttemptsAgreeWithAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		strategy := rapid.SampledFrom(strategies).Draw(t, "strategy")
		weights := rapid.SliceOfN(rapid.IntRange(1, 3), 1, 5).Draw(t, "weights")
		m := &model{Pool: poolOf(strategy, weights...), full: map[*Backend]bool{}}
		for _, b := range m.backends {
			b.places.bound(1, 1)
		}
		most := rapid.IntRange(0, MaxRetries).Draw(t, "most")
		attempts := m.Attempts(Client{}, Retry{Most: most})
		for range 2 * MaxRetries {
			m.change(t)
			backends, fresh, why := m.want(most)
			a, err := attempts.Next()
			if len(backends) == 0 {
				assert.Equal(t, why, err)
				continue
			}
			require.NoError(t, err)
			assert.Contains(t, backends, a.Backend)
			assert.Equal(t, fresh, a.Fresh)
			a.End(Result{})
			m.tried, m.made, m.fresh = append(m.tried, a.Backend), m.made+1, fresh
		}
	})
}
