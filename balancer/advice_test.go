package balancer

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseAdvice(t *testing.T) {
	f := func(text string, want Advice, shown string) {
		t.Helper()
		got, err := ParseAdvice(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
		assert.Equal(t, shown, got.String(), text)
	}
	f("", Advice{}, "")
	f("ready", Advice{}, "")
	f("100%", Advice{}, "")
	f("99%", Advice{Less: 1}, "99%")
	f("1%", Advice{Less: 99}, "1%")
	f("0%", Advice{Drain: true}, "drain")
	f("Drain", Advice{Drain: true}, "drain")
	for _, text := range []string{"50", "101%", "-1%", "x%", "%", "maint", "50 %", "1e1%"} {
		got, err := ParseAdvice(text)
		assert.Zero(t, got)
		assert.EqualError(t, err, `unexpected "`+text+`"; want ready, drain, or 0% to 100%`)
	}
}

// advisedPool is a pool whose backends say what the map has of them.
type advisedPool struct {
	*Pool
	mu   sync.Mutex
	says map[string]string
}

func newAdvisedPool(t *testing.T, backends ...BackendSettings) *advisedPool {
	p := &advisedPool{says: map[string]string{}}
	p.Pool = NewPool(Settings{
		Backends: backends,
		Health: HealthSettings{
			Type: HealthHTTP, Path: "/", Interval: time.Second, Timeout: time.Second, Rise: 1, Fall: 1, AdviceField: "X-Weight",
		},
		Ejection: EjectionSettings{PanicPercent: 50},
		NewProber: func(b BackendSettings) Prober {
			return &fakeProber{ask: func(context.Context, ProbeRequest) (ProbeResponse, error) {
				p.mu.Lock()
				defer p.mu.Unlock()
				return ProbeResponse{Status: 200, Field: p.says[b.URL]}, nil
			}}
		},
	})
	p.Probe(t.Context())
	return p
}

// hears has a backend say something, and probes all.
func (p *advisedPool) hears(t *testing.T, url, says string) {
	p.mu.Lock()
	p.says[url] = says
	p.mu.Unlock()
	p.Probe(t.Context())
}

// picks are how many of n requests each backend gets.
func (p *advisedPool) picks(t *testing.T, n int) map[string]int {
	got := map[string]int{}
	for range n {
		b, err := p.pickOnce(Client{}, tried{})
		require.NoError(t, err)
		got[b.URL()]++
		b.end(0, Result{Status: 200})
	}
	return got
}

func TestAdviceLowersTheShare(t *testing.T) {
	p := newAdvisedPool(t, ready("a"), ready("b"))
	assert.Equal(t, map[string]int{"a": 30, "b": 30}, p.picks(t, 60))
	p.hears(t, "a", "50%")
	assert.Equal(t, map[string]int{"a": 20, "b": 40}, p.picks(t, 60))
	s, err := p.BackendStatus("a")
	require.NoError(t, err)
	assert.Equal(t, "50%", s.Advice.String())
	assert.Equal(t, 0.5, s.EffectiveWeight)
	assert.Equal(t, 1, s.Weight, "the operator's stays")

	p.hears(t, "a", "200%") // It means nothing, so nothing is advised.
	assert.Equal(t, map[string]int{"a": 30, "b": 30}, p.picks(t, 60))
	s, err = p.BackendStatus("a")
	require.NoError(t, err)
	assert.Regexp(t, `^200 with X-Weight: unexpected "200%"; want ready, drain, or 0% to 100%, in \d+\.\dms$`, s.LastProbe)
	assert.True(t, s.Healthy)
}

func TestAdviceToDrain(t *testing.T) {
	backup := ready("c")
	backup.Backup = true
	p := newAdvisedPool(t, ready("a"), ready("b"), backup)
	p.hears(t, "a", "drain")
	assert.Equal(t, map[string]int{"b": 10}, p.picks(t, 10))
	p.hears(t, "b", "0%")
	assert.Equal(t, map[string]int{"c": 10}, p.picks(t, 10), "backups come before those who ask for none")
	p.hears(t, "c", "drain")
	assert.Equal(t, map[string]int{"a": 5, "b": 5}, p.picks(t, 10), "somebody must")
	p.hears(t, "a", "ready")
	assert.Equal(t, map[string]int{"a": 10}, p.picks(t, 10))

	// What is drained leaves no hole in the share of those who are left.
	p.hears(t, "b", "")
	p.hears(t, "a", "drain")
	assert.False(t, p.judging.panics)
	assert.Equal(t, map[string]int{"b": 10}, p.picks(t, 10))
}

// Advice lasts as long as probes fail, and is forgotten in maintenance and with another setting.
func TestAdviceLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newAdvisedPool(t, ready("a"), ready("b"))
		p.hears(t, "a", "drain")
		_, err := p.Override("a", Override{State: Maint})
		require.NoError(t, err)
		s, err := p.Override("a", Override{State: Ready})
		require.NoError(t, err)
		assert.Empty(t, s.Advice.String())
	})
}

// Parts keep the weights exact where nobody advises less, and within a hundredth where somebody
// does.
func TestParts(t *testing.T) {
	all := weighted(5, 3, 1)
	assert.Equal(t, []int{5, 3, 1}, parts(all))
	all[1].advice = Advice{Less: 50}
	assert.Equal(t, []int{100, 30, 20}, parts(all))
	all[2].advice = Advice{Less: 99}
	assert.Equal(t, []int{100, 30, 1}, parts(all), "nobody's share is nothing")
	all = weighted(100, 1)
	all[0].advice = Advice{Less: 40}
	assert.Equal(t, []int{60, 1}, parts(all))
}
