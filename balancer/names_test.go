package balancer

import (
	"testing"
	"testing/synctest"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// at is one address of a name.
func at(url, address string) BackendSettings {
	b := ready(url)
	b.Address, b.Addr, b.Named = address, address+":80", "app:80"
	return b
}

func TestAddressesOfANameAreBackends(t *testing.T) {
	b := at("http://app", "10.0.0.1")
	assert.Equal(t, "http://app@10.0.0.1", b.Name())
	assert.Equal(t, []string{"app", "app:80"}, b.Authorities(), "the Host is the name's")
	plain := ready("http://app")
	assert.Equal(t, "http://app", plain.Name())

	w := newWorld(b, at("http://app", "10.0.0.2"), ready("b"))
	w.Probe(t.Context())
	assert.True(t, w.Has(w.settings.Backends))
	assert.False(t, w.Has(w.settings.Backends[:2]))
	assert.False(t, w.Has([]BackendSettings{b, at("http://app", "10.0.0.3"), ready("b")}))
	got := map[string]int{}
	for range 30 {
		picked, err := w.pickOnce(Client{}, tried{})
		require.NoError(t, err)
		got[picked.Name()]++
	}
	assert.Equal(t, map[string]int{"http://app@10.0.0.1": 10, "http://app@10.0.0.2": 10, "b": 10}, got)
	var ids []string
	for _, s := range w.Status() {
		ids = append(ids, s.ID())
	}
	assert.Equal(t, []string{"default/http://app@10.0.0.1", "default/http://app@10.0.0.2", "default/b"}, ids)

	s, err := w.BackendStatus("http://app")
	require.NoError(t, err)
	assert.Equal(t, "default/http://app", s.ID())
	assert.EqualValues(t, 20, s.Requests)
	assert.EqualValues(t, 20, s.InFlight)
	assert.Equal(t, "2 of 2 addresses are healthy", s.LastProbe)
}

// What an operator says is the URL's: it holds for all of its addresses, also for those that come
// later, and goes when the last one goes.
func TestOverridesAreTheURLs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.settings.Overrides = NewOverrides(zerolog.Nop())
		w.settings.Backends = []BackendSettings{at("http://app", "10.0.0.1"), at("http://app", "10.0.0.2")}
		w.Pool = NewPool(w.settings)
		w.Probe(t.Context())
		s, err := w.Override("http://app", Override{State: Drain, Weight: 7})
		require.NoError(t, err)
		assert.Equal(t, "default/http://app", s.ID())
		assert.Equal(t, Drain, s.State)
		for _, s := range w.Status() {
			assert.Equal(t, Override{Drain, 7}, s.Override, s.ID())
		}
		assert.False(t, w.Healthy())
		_, err = w.Override("http://app@10.0.0.1", Override{State: Ready})
		require.ErrorIs(t, err, ErrNoBackend)

		s1 := w.settings
		s1.Backends = []BackendSettings{at("http://app", "10.0.0.3"), at("http://app", "10.0.0.2")}
		kept := w.find("http://app@10.0.0.2")
		c := w.Prepare(s1)
		c.Probe(t.Context())
		assert.Empty(t, w.Leaving(c.settings.Backends))
		c.Apply()
		assert.Same(t, kept, w.find("http://app@10.0.0.2"))
		assert.Equal(t, Override{Drain, 7}, w.find("http://app@10.0.0.3").override)
		s1.Backends[0].Weight, s1.Backends[1].Weight = 3, 3
		c = w.Prepare(s1)
		assert.Equal(t, []Overridden{{"default/http://app", "weight", "3", "7"}}, w.Overridden(c.settings.Backends), "once")
		c.Discard()
		s1.Backends = []BackendSettings{ready("b")}
		c = w.Prepare(s1)
		assert.Equal(t, []Leaving{{"default/http://app", Override{Drain, 7}, false, false}}, w.Leaving(c.settings.Backends), "once")
		c.Discard()
	})
}
