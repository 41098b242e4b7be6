package main

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/config"
	"gopher-equalizer/proxy"
)

// servedListeners are listeners with a record of what was done to them.
type servedListeners struct {
	*listeners
	served, retired []string
	// changed are the ports that kept listeners redirect to.
	changed []int
}

func newServedListeners(t *testing.T) *servedListeners {
	s := &servedListeners{}
	s.listeners = &listeners{
		serve: func(ln net.Listener, _ proxy.Listener) {
			s.served = append(s.served, ln.Addr().String())
			t.Cleanup(func() { _ = ln.Close() }) // It may be closed.
		},
		change: func(ln net.Listener, how proxy.Listener) { s.changed = append(s.changed, how.RedirectTo) },
		retire: func(ln net.Listener) {
			s.retired = append(s.retired, ln.Addr().String())
			require.NoError(t, ln.Close())
		},
	}
	s.open = func(_ context.Context, w wantedListener) (net.Listener, error) { return openNew(w, s.all) }
	return s
}

func wanted(addresses ...string) (all []wantedListener) {
	for _, a := range addresses {
		all = append(all, wantedListener{name: proxySocket, key: "server.listen", address: a})
	}
	return all
}

// change prepares, publishes and drains.
func (s *servedListeners) change(t *testing.T, addresses ...string) {
	t.Helper()
	c, err := s.prepare(t.Context(), wanted(addresses...))
	require.NoError(t, err)
	c.publish()
	c.drain()
}

func accepts(address string) bool {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

func TestListenersAreKeptByAddress(t *testing.T) {
	s := newServedListeners(t)
	a, b, c := freeAddress(t), freeAddress(t), freeAddress(t)
	s.change(t, a, b)
	assert.Equal(t, []string{a, b}, s.served)
	first := s.all[0]

	_, port, err := net.SplitHostPort(a)
	require.NoError(t, err)
	s.change(t, "localhost:"+port, c)
	assert.Equal(t, []string{a, b, c}, s.served, "the first is kept, though it is written in another way")
	assert.Same(t, first, s.all[0])
	assert.Equal(t, []string{b}, s.retired)
	assert.False(t, accepts(b))

	s.change(t, b)
	assert.Equal(t, []string{b, a, c}, s.retired)
	assert.True(t, accepts(b))
}

// A listener that is kept is served as is wanted now, from publish on.
func TestListenersThatChange(t *testing.T) {
	s := newServedListeners(t)
	w := wanted(freeAddress(t))
	w[0].how.RedirectTo = 1
	for port := range 3 {
		w[0].how.RedirectTo = port
		c, err := s.prepare(t.Context(), w)
		require.NoError(t, err)
		assert.Len(t, s.changed, max(0, port-1))
		c.publish()
		c.drain()
	}
	assert.Equal(t, []int{1, 2}, s.changed)
	assert.Len(t, s.served, 1)
	assert.Equal(t, 2, s.all[0].how.RedirectTo)
}

// Any free port is not another one at each reload.
func TestListenerOnAnyPortIsKept(t *testing.T) {
	s := newServedListeners(t)
	s.change(t, "127.0.0.1:0")
	s.change(t, "127.0.0.1:0")
	assert.Len(t, s.served, 1)
	assert.Empty(t, s.retired)
}

// If one can't be opened, those that were are closed again, and all that was there is as before.
func TestListenersThatCannotBeOpened(t *testing.T) {
	s := newServedListeners(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	a, b := freeAddress(t), freeAddress(t)
	s.change(t, a)
	_, err = s.prepare(t.Context(), wanted(b, taken.Addr().String()))
	assert.EqualError(t, err, "server.listen: "+taken.Addr().String()+" is in use by another process; want an address that is free")
	assert.False(t, accepts(b))
	assert.True(t, accepts(a))

	_, err = s.prepare(t.Context(), wanted("192.0.2.1:1"))
	assert.ErrorContains(t, err, "server.listen: 192.0.2.1:1: ")
	_, err = s.prepare(t.Context(), wanted("no.such.host.invalid:9"))
	require.ErrorContains(t, err, "server.listen: no.such.host.invalid:9: ")

	c, err := s.prepare(t.Context(), wanted(a, b))
	require.NoError(t, err)
	c.discard()
	assert.False(t, accepts(b))
	assert.Equal(t, []string{a}, s.served)
	assert.Empty(t, s.retired)
}

// An address overlaps that of a listener that is open until the reload is over.
func TestListenersThatOverlap(t *testing.T) {
	s := newServedListeners(t)
	local := freeAddress(t)
	_, port, err := net.SplitHostPort(local)
	require.NoError(t, err)
	for _, order := range [][]string{{local, ":" + port}, {"0.0.0.0:" + port, local}} {
		s.change(t, order[0])
		_, err = s.prepare(t.Context(), wanted(order[1]))
		require.ErrorContains(t, err, "server.listen: "+order[1]+" overlaps ")
		var problems config.Problems
		require.True(t, errors.As(err, &problems))
		assert.Equal(t, "server.listen", problems[0].Key)
		assert.True(t, accepts(local))
		s.change(t, "127.0.0.1:0") // The other port that the message speaks of.
		s.change(t, order[1])
		assert.True(t, accepts(local))
		s.change(t, "127.0.0.1:0")
	}
	for address, want := range map[string]bool{"127.0.0.1:9": true, "127.0.0.2:9": false, "127.0.0.1:8": false, ":9": true, "no.such.host.invalid:9": false} {
		assert.Equal(t, want, overlaps(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}, address), address)
	}
	assert.False(t, overlaps(&net.UnixAddr{}, ":9"))
}

// A socket that a supervisor passed stays, also behind a reload that adds another listener.
func TestPassedListenersStay(t *testing.T) {
	s := newServedListeners(t)
	s.passed = []string{proxySocket}
	a, b := freeAddress(t), freeAddress(t)
	s.change(t, a)
	s.change(t, a)
	refuses := func(key string, addresses ...string) {
		t.Helper()
		_, err := s.prepare(t.Context(), wanted(addresses...))
		assert.ErrorContains(t, err, key+": the socket on "+a+" was passed by a supervisor")
		assert.True(t, accepts(a))
		assert.Empty(t, s.retired)
	}
	refuses("server.listen", b)
	assert.False(t, accepts(b))
	s.change(t, a, b)
	refuses("server.listen", b)
	refuses("listeners", b, freeAddress(t))
	s.change(t, a)
	assert.Equal(t, []string{b}, s.retired)
}
