package proxy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/identity"
)

// named are backends that respond with their names.
func named(t *testing.T, s balancer.Strategy, names ...string) *fakePool {
	t.Helper()
	settings := balancer.Settings{
		Strategy: s, Tickets: balancer.NewTickets(), NewProber: NewBackends(connectionSettings()).New, MaxConnections: 100,
		Health: balancer.HealthSettings{Type: balancer.HealthTCP, Interval: time.Minute, Timeout: patience, Rise: 1, Fall: 1},
	}
	for _, name := range names {
		b, _ := answering(t, replies(name))
		settings.Backends = append(settings.Backends, balancer.BackendSettings{
			URL: "http://" + b.addr, Addr: b.addr, Weight: 1, State: balancer.Ready,
		})
	}
	return probed(t, settings)
}

// A client gets a cookie once, and comes back with it. What isn't a ticket is as none.
func TestStickyCookie(t *testing.T) {
	pool := named(t, balancer.Sticky, "a", "b", "c")
	p := startRoutes(t, settings(), []*fakePool{pool}, spec{Route: Route{Destination: Destination{Pool: pool, Cookie: "at"}}})
	c := p.dial()
	seen := map[string]string{}
	for range 3 {
		a := c.do(get("a", "/", "Cookie: at=AAAAAAAAAAAAAAAAAAAAAA; x=1"))
		cookie := a.Header.Get("Set-Cookie")
		require.Regexp(t, `^at=[\w-]{22}; Path=/; HttpOnly; SameSite=Lax$`, cookie)
		seen[a.body], _, _ = strings.Cut(cookie, ";")
	}
	require.Len(t, seen, 3)
	for range 3 {
		for name, cookie := range seen {
			a := c.do(get("a", "/", "Cookie: x=1; "+cookie))
			assert.Equal(t, name, a.body)
			assert.Empty(t, a.Header.Values("Set-Cookie"), "it has it already")
		}
	}
}

// A client goes where the hash of its name says, and its name is what the pool is configured for.
func TestHashBy(t *testing.T) {
	pool := named(t, balancer.Hash, "a", "b", "c")
	by, err := identity.ParseKey("header:X-User", false)
	require.NoError(t, err)
	p := startRoutes(t, settings(), []*fakePool{pool}, spec{Route: Route{Destination: Destination{Pool: pool, HashBy: &by}}})
	c := p.dial()
	at := map[string]string{}
	for i := range 60 {
		user := fmt.Sprint("user", i%20)
		a := c.do(get("a", "/", "X-User: "+user))
		if at[user] == "" {
			at[user] = a.body
		}
		assert.Equal(t, at[user], a.body, user)
	}
	backends := map[string]bool{}
	for _, b := range at {
		backends[b] = true
	}
	assert.Len(t, backends, 3)
}

// Clients are shared out to pools by weight, and stay; while nobody in theirs is healthy, they go
// to the first of the others.
func TestSplit(t *testing.T) {
	a, b, off := named(t, balancer.RoundRobin, "a"), named(t, balancer.RoundRobin, "b"), named(t, balancer.RoundRobin, "off")
	fallback := named(t, balancer.RoundRobin, "fallback")
	by, err := identity.ParseKey("header:X-User", false)
	require.NoError(t, err)
	split := &Split{By: by, Parts: []Part{{Destination{Pool: off}, 0}, {Destination{Pool: a}, 3}, {Destination{Pool: b}, 1}}}
	p := startRoutes(t, settings(), []*fakePool{a, b, off, fallback}, spec{Route: Route{
		Destination: Destination{Pool: a}, Split: split, Fallback: &Destination{Pool: fallback},
	}})
	c := p.dial()
	count := func() map[string]int {
		counts := map[string]int{}
		for i := range 200 {
			counts[c.do(get("a", "/", fmt.Sprint("X-User: user", i))).body]++
		}
		return counts
	}
	before := count()
	assert.Len(t, before, 2)
	assert.InDelta(t, 150, before["a"], 35) // Six standard deviations.
	assert.Equal(t, before, count())
	b.none.Store(true)
	assert.Equal(t, map[string]int{"a": 200}, count())
	a.none.Store(true)
	assert.Equal(t, map[string]int{"fallback": 200}, count())
	b.none.Store(false)
	assert.Equal(t, map[string]int{"b": 200}, count())
}

// Where the weights change and their sum doesn't, only those clients move that have to.
func TestSplitMovesFewClients(t *testing.T) {
	of := func(a, b int) *Split {
		return &Split{Parts: []Part{{Destination{Cookie: "a"}, a}, {Destination{Cookie: "b"}, b}}}
	}
	moved, n := 0, 10_000
	for i := range n {
		key := balancer.KeyOf(fmt.Sprint(i))
		if before, after := of(90, 10).of(key), of(80, 20).of(key); before.Cookie != after.Cookie {
			assert.Equal(t, "b", after.Cookie)
			moved++
		}
	}
	assert.InDelta(t, n/10, moved, 180) // Six standard deviations.
}
