package netconn

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeResolver knows one name.
type fakeResolver struct {
	mu    sync.Mutex
	addrs []string
	err   error
	asked int
	// takes is how long a lookup takes.
	takes time.Duration
}

func (r *fakeResolver) LookupNetIP(ctx context.Context, network, host string) (addrs []netip.Addr, err error) {
	select {
	case <-time.After(r.takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	for _, a := range r.addrs {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	return addrs, r.err
}

func (r *fakeResolver) set(err error, addrs ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addrs, r.err = addrs, err
}

func (r *fakeResolver) lookups() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

func newTestName(t *testing.T, r Resolver) *name {
	t.Helper()
	n, err := newName("app.test:80", r)
	require.NoError(t, err)
	return n
}

// dialed are the hosts that a dial would try, in order.
func (n *name) dialed(t *testing.T) (hosts []string) {
	t.Helper()
	addrs, err := n.addresses(t.Context())
	require.NoError(t, err)
	for _, a := range addrs {
		require.EqualValues(t, 80, a.Port())
		hosts = append(hosts, a.Addr().String())
	}
	return hosts
}

func TestNamesAddressesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestName(t, &fakeResolver{addrs: []string{"2001:db8::1", "192.0.2.2", "192.0.2.1", "::ffff:192.0.2.2"}})
		for range 2 {
			assert.Equal(t, []string{"192.0.2.1", "192.0.2.2", "2001:db8::1"}, n.dialed(t))
			assert.Equal(t, []string{"192.0.2.2", "2001:db8::1", "192.0.2.1"}, n.dialed(t))
			assert.Equal(t, []string{"2001:db8::1", "192.0.2.1", "192.0.2.2"}, n.dialed(t))
		}
	})
}

func TestNamesSkipWhatRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestName(t, &fakeResolver{addrs: []string{"192.0.2.1", "192.0.2.2"}})
		n.dialed(t)
		n.skip(netip.MustParseAddrPort("192.0.2.2:80"))
		for range 3 {
			assert.Equal(t, []string{"192.0.2.1"}, n.dialed(t))
		}
		time.Sleep(skipTime - 1)
		assert.Equal(t, []string{"192.0.2.1"}, n.dialed(t))
		time.Sleep(time.Nanosecond)
		assert.Len(t, n.dialed(t), 2)

		n.skip(netip.MustParseAddrPort("192.0.2.1:80"))
		n.skip(netip.MustParseAddrPort("192.0.2.2:80"))
		assert.Len(t, n.dialed(t), 2, "nothing else is left")
	})
}

// However many dials there are, a name is looked up once an interval, and only the first dials
// wait.
func TestNamesAreLookedUpOnceAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &fakeResolver{addrs: []string{"192.0.2.1"}, takes: time.Second}
		n := newTestName(t, r)
		var dials sync.WaitGroup
		for range 10 {
			dials.Go(func() { assert.Equal(t, []string{"192.0.2.1"}, n.dialed(t)) })
		}
		dials.Wait()
		assert.Equal(t, 1, r.lookups())

		r.set(nil, "192.0.2.2")
		time.Sleep(lookupInterval)
		before := time.Now()
		for range 10 {
			assert.Equal(t, []string{"192.0.2.1"}, n.dialed(t), "the new one isn't known yet")
		}
		assert.Equal(t, before, time.Now(), "nobody waited")
		time.Sleep(2 * time.Second)
		assert.Equal(t, []string{"192.0.2.2"}, n.dialed(t))
		assert.Equal(t, 2, r.lookups())
	})
}

// A dial that reaches no address causes an early lookup, since the backend may have moved, but only
// once a second.
func TestNamesThatMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &fakeResolver{addrs: []string{"192.0.2.1"}}
		n := newTestName(t, r)
		n.dialed(t)
		for range 10 {
			n.doubt()
		}
		synctest.Wait()
		assert.Equal(t, 1, r.lookups())
		r.set(nil, "192.0.2.2")
		time.Sleep(time.Second)
		for range 10 {
			n.doubt()
		}
		synctest.Wait()
		assert.Equal(t, []string{"192.0.2.2"}, n.dialed(t))
		assert.Equal(t, 2, r.lookups())
		time.Sleep(lookupInterval - time.Second)
		n.dialed(t)
		synctest.Wait()
		assert.Equal(t, 2, r.lookups(), "nobody doubts the new one")
	})
	port, listeners := listenAll(t, "127.0.0.1", "127.0.0.2")
	r := &fakeResolver{addrs: []string{"127.0.0.1"}}
	d := NewDialer(BackendLimits{Connect: patience}, r, nil)
	dialName(t, d, port)
	require.NoError(t, listeners[0].Close())
	r.set(nil, "127.0.0.2")
	n := d.names["app.test:"+port]
	n.mu.Lock()
	n.at = time.Now().Add(-time.Second)
	n.mu.Unlock()
	_, err := d.Dial(t.Context(), Target{Network: "tcp", Addr: "app.test:" + port})
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.Eventually(t, func() bool { return r.lookups() == 2 }, patience, time.Millisecond)
	n.mu.Lock()
	looking := n.looking
	n.mu.Unlock()
	if looking != nil {
		<-looking
	}
	assert.Equal(t, "127.0.0.2", dialName(t, d, port).remote())
}

// The last addresses serve while the resolver is away, and new ones soon after it is back.
func TestNamesOutliveTheirResolver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &fakeResolver{addrs: []string{"192.0.2.1"}}
		n := newTestName(t, r)
		var mu sync.Mutex // A lookup may end while the next one begins.
		var told []error
		n.onLookup = func(host string, err error) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, err)
		}
		n.dialed(t)
		for _, outage := range []error{errors.New("the resolver is away"), nil} {
			r.set(outage)
			for range 100 {
				time.Sleep(lookupInterval)
				assert.Equal(t, []string{"192.0.2.1"}, n.dialed(t))
			}
		}
		r.set(nil, "192.0.2.9")
		time.Sleep(lookupInterval)
		n.dialed(t)
		synctest.Wait()
		assert.Equal(t, []string{"192.0.2.9"}, n.dialed(t))
		require.Len(t, told, 2, "once, however long it lasts")
		assert.Error(t, told[0])
		assert.NoError(t, told[1])
	})
}

// A dial to a name without an address fails with the reason. Not every dial looks it up again.
func TestNamesThatAreNotKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &fakeResolver{err: &net.DNSError{Err: "no such host", Name: "app.test", IsNotFound: true}}
		n := newTestName(t, r)
		for range 10 {
			_, err := n.addresses(t.Context())
			assert.EqualError(t, err, "lookup app.test: no such host")
		}
		assert.Equal(t, 1, r.lookups())
		r.set(nil, "192.0.2.1")
		time.Sleep(time.Second)
		assert.Equal(t, []string{"192.0.2.1"}, n.dialed(t))
	})
}

// A dial doesn't wait past its own time for a resolver that hangs. The lookup ends by itself.
func TestNamesWhoseResolverHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestName(t, &fakeResolver{takes: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := n.addresses(ctx)
		assert.ErrorIs(t, err, ErrTimeout)
		assert.EqualError(t, err, "lookup app.test: timed out")
		time.Sleep(lookupTimeout)
	})
}

func TestAddressesAreNotLookedUp(t *testing.T) {
	r := &fakeResolver{}
	for addr, want := range map[string]string{"192.0.2.1:81": "192.0.2.1:81", "[fe80::1%eth0]:81": "[fe80::1%eth0]:81"} {
		n, err := newName(addr, r)
		require.NoError(t, err)
		addrs, err := n.addresses(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, addrs[0].String())
	}
	assert.Zero(t, r.lookups())
	for _, addr := range []string{"a", "a:b", "a:65536", "a:-1"} {
		_, err := newName(addr, r)
		assert.Error(t, err, addr)
	}
}

// listenAll listens on one port of several loopback addresses. Others refuse connects.
func listenAll(t *testing.T, hosts ...string) (port string, listeners []net.Listener) {
	t.Helper()
	for {
		listeners = nil
		first, err := net.Listen("tcp", hosts[0]+":0")
		require.NoError(t, err)
		listeners = append(listeners, first)
		_, port, _ = net.SplitHostPort(first.Addr().String())
		for _, h := range hosts[1:] {
			ln, err := net.Listen("tcp", h+":"+port)
			if err != nil {
				break
			}
			listeners = append(listeners, ln)
		}
		if len(listeners) == len(hosts) {
			break
		}
		for _, ln := range listeners {
			ln.Close()
		}
	}
	t.Cleanup(func() {
		for _, ln := range listeners {
			ln.Close()
		}
	})
	return port, listeners
}

func dialName(t *testing.T, d *Dialer, port string) *Backend {
	t.Helper()
	b, err := d.Dial(context.Background(), Target{Network: "tcp", Addr: "app.test:" + port})
	require.NoError(t, err)
	t.Cleanup(func() { b.Close() })
	return b
}

func (b *Backend) remote() string {
	host, _, _ := net.SplitHostPort(b.RemoteAddr().String())
	return host
}

// Dials take the addresses in turn. After a refusal a dial goes on to the next address, and later
// dials leave the first one out.
func TestDialsRotateAndPassRefusalsBy(t *testing.T) {
	port, listeners := listenAll(t, "127.0.0.1", "127.0.0.2", "127.0.0.3")
	r := &fakeResolver{addrs: []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"}}
	d := NewDialer(BackendLimits{Connect: patience}, r, nil)
	counts := map[string]int{}
	for range 9 {
		counts[dialName(t, d, port).remote()]++
	}
	assert.Equal(t, map[string]int{"127.0.0.1": 3, "127.0.0.2": 3, "127.0.0.3": 3}, counts)

	require.NoError(t, listeners[1].Close())
	counts = map[string]int{}
	for range 8 {
		counts[dialName(t, d, port).remote()]++
	}
	assert.Zero(t, counts["127.0.0.2"])
	assert.Greater(t, counts["127.0.0.1"], 2)
	assert.Greater(t, counts["127.0.0.3"], 2)
	assert.Equal(t, 1, r.lookups())

	listeners[0].Close()
	listeners[2].Close()
	_, err := d.Dial(t.Context(), Target{Network: "tcp", Addr: "app.test:" + port})
	assert.ErrorContains(t, err, "127.0.0.1:"+port+": connect: connection refused")
	assert.ErrorContains(t, err, "; ")
}

// When a name's addresses change, the connections to those that are gone are closed: the idle ones
// at once, those in use after their exchange.
func TestConnectionsToGoneAddressesEnd(t *testing.T) {
	port, listeners := listenAll(t, "127.0.0.1", "127.0.0.2")
	r := &fakeResolver{addrs: []string{"127.0.0.1"}}
	d := NewDialer(BackendLimits{Connect: patience}, r, nil)
	idle, used := dialName(t, d, port), dialName(t, d, port)
	theirs := accept(t, listeners[0])
	accept(t, listeners[0])
	r.set(nil, "127.0.0.1", "127.0.0.2")
	n := d.names["app.test:"+port]
	require.True(t, idle.Keep())
	lookUpNow(t, n)
	assert.True(t, idle.Take(), "its address is still there")
	require.True(t, idle.Keep())

	r.set(nil, "127.0.0.2")
	lookUpNow(t, n)
	_, err := theirs.Read(make([]byte, 1))
	assert.Error(t, err, "closed by us")
	assert.False(t, idle.Take())
	assert.False(t, used.Keep())
	fresh := dialName(t, d, port)
	assert.Equal(t, "127.0.0.2", fresh.remote())
	assert.True(t, fresh.Keep())

	used.Close()
	n.mu.Lock()
	defer n.mu.Unlock()
	assert.Len(t, n.conns, 1, "the others are forgotten")
}

// lookUpNow is a lookup that is due.
func lookUpNow(t *testing.T, n *name) {
	t.Helper()
	n.mu.Lock()
	n.at = time.Time{}
	n.mu.Unlock()
	_, err := n.addresses(t.Context())
	require.NoError(t, err)
	n.mu.Lock()
	looking := n.looking
	n.mu.Unlock()
	if looking != nil {
		<-looking
	}
}

func accept(t *testing.T, ln net.Listener) net.Conn {
	t.Helper()
	c, err := ln.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
	return c
}

// A connection is kept for its age, less a fifth at most.
func TestConnectionsAge(t *testing.T) {
	_, listeners := listenAll(t, "127.0.0.1")
	ln := listeners[0]
	const age = 100 * time.Second
	d := NewDialer(BackendLimits{Connect: patience, Age: age}, nil, nil)
	var ages []time.Duration
	for range 20 {
		b, err := d.Dial(t.Context(), tcp(ln))
		require.NoError(t, err)
		defer b.Close()
		ages = append(ages, age-time.Duration(b.young*float64(age/5)))
		require.True(t, b.Keep())
		require.True(t, b.Take())

		b.born = b.registry.now.Load() - int64(age)
		assert.False(t, b.Keep(), "it is too old to be kept")
		b.phase.Store(connKept)
		assert.False(t, b.Take(), "or to be taken")
	}
	assert.GreaterOrEqual(t, slices.Min(ages), age*4/5)
	assert.LessOrEqual(t, slices.Max(ages), age)
	assert.Greater(t, slices.Max(ages)-slices.Min(ages), age/50, "they don't end together")

	b, err := NewDialer(BackendLimits{Connect: patience}, nil, nil).Dial(t.Context(), tcp(ln))
	require.NoError(t, err)
	defer b.Close()
	assert.True(t, b.Keep())
	assert.True(t, b.Take())
}

// A connection is kept for as long as the backend said, less a margin.
func TestConnectionsAreGivenUpBeforeTheirBackends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := func(said, kept time.Duration) {
			t.Helper()
			b := &Backend{dialer: NewDialer(BackendLimits{}, nil, nil)}
			b.registry = newRegistry()
			b.KeptFor(said)
			for range 2 {
				require.True(t, b.Keep())
				time.Sleep(kept - 1)
				require.True(t, b.Take())
			}
			require.True(t, b.Keep())
			time.Sleep(kept)
			assert.False(t, b.Take())
		}
		f(time.Minute, 59*time.Second)
		f(2*time.Second, time.Second)
		f(time.Second, time.Second/2)
		f(0, 1)
	})
}
