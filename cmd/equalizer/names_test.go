package main

import (
	"maps"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"

	"gopher-equalizer/balancer"
	"gopher-equalizer/config"
	"gopher-equalizer/proxy/names"
)

// A pool's names are looked up where it asks for that. Addresses and sockets aren't names.
func TestHostsOf(t *testing.T) {
	c := config.Pool{Resolver: "10.0.0.1:53", Backends: []config.Backend{
		{URL: "http://App.test"}, {URL: "https://b.test:8443"}, {URL: "http://10.0.0.2:80"}, {URL: "http://[2001:db8::1]:80"}, {URL: "unix:///run/a.test:80"},
	}}
	assert.Empty(t, hostsOf(c))
	c.ResolveInterval = time.Second
	assert.Equal(t, map[string]names.Host{
		"http://App.test":     {Name: "app.test", Server: "10.0.0.1:53"},
		"https://b.test:8443": {Name: "b.test", Server: "10.0.0.1:53"},
	}, hostsOf(c))
}

// What isn't a name, and what isn't known, stays as it is.
func TestExpand(t *testing.T) {
	known := names.New(zerolog.Nop())
	localhost := names.Host{Name: "127.0.0.1"} // Looked up, it is itself.
	known.Look(t.Context(), localhost)
	listed := []balancer.BackendSettings{
		{URL: "http://10.0.0.2", Addr: "10.0.0.2:80", Weight: 1},
		{URL: "http://app:81", Addr: "app:81", Weight: 2, Backup: true, TLSIdentity: "x"},
		{URL: "http://unknown", Addr: "unknown:80", Weight: 3},
	}
	got := expand(listed, map[string]names.Host{"http://app:81": localhost, "http://unknown": {Name: "unknown"}}, known)
	assert.Equal(t, []balancer.BackendSettings{
		listed[0],
		{URL: "http://app:81", Address: "127.0.0.1", Addr: "127.0.0.1:81", Named: "app:81", Weight: 2, Backup: true, TLSIdentity: "x"},
		listed[2],
	}, got)
	assert.Equal(t, listed, expand(listed, nil, known))
}

// A pool's names are due once an interval, less up to a fifth. Those of a pool that is new are due
// at once, and those of one without an interval never.
func TestDueNames(t *testing.T) {
	const text = "[pools.a]\nbackends = [\"http://127.0.0.1:1\"]\nresolve_interval = \"10s\"\n[pools.b]\nbackends = [\"http://127.0.0.1:2\"]\n" +
		"[pools.c]\nbackends = [\"http://127.0.0.1:3\"]\nresolve_interval = \"1h\"\n[[routes]]\npools = [{ pool = \"a\", weight = 1 }, { pool = \"b\", weight = 1 }]\nfallback_pool = \"c\"\n"
	p := listing(t, text)
	due := map[string]time.Time{}
	names := func(now time.Time) (all []string) {
		for _, of := range p.dueNames(due, now) {
			all = append(all, of.name)
		}
		return all
	}
	began := time.Now()
	assert.Equal(t, []string{"a", "c"}, names(began))
	assert.Empty(t, names(began))
	assert.Empty(t, names(began.Add(8*time.Second-1)))
	now, rhythm := began, map[time.Duration]bool{}
	for range 20 {
		took := due["a"].Sub(now)
		assert.LessOrEqual(t, 8*time.Second, took)
		assert.LessOrEqual(t, took, 10*time.Second)
		rhythm[took] = true
		assert.Empty(t, names(due["a"].Add(-1)))
		now = due["a"]
		assert.Equal(t, []string{"a"}, names(now))
	}
	assert.Greater(t, len(rhythm), 1, "proxies aren't in step")
	assert.Equal(t, []string{"a", "c"}, names(began.Add(time.Hour)))

	after := *p.current.Load()
	after.pools = maps.Clone(after.pools)
	after.pools["d"] = listing(t, "[pools.d]\nbackends = [\"http://127.0.0.1:1\"]\nresolve_interval = \"1h\"\n").poolsInForce()["d"]
	delete(after.pools, "a")
	p.current.Store(&after)
	assert.Equal(t, []string{"d"}, names(began.Add(time.Hour)))
}
