package main

import (
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/config"
)

// fake is a listener that only has an address.
type fake struct {
	net.Listener
	addr *net.TCPAddr
}

func (f fake) Addr() net.Addr { return f.addr }

func passed(t *testing.T, name, address string) socket {
	t.Helper()
	addr, err := net.ResolveTCPAddr("tcp", address)
	require.NoError(t, err)
	return socket{fake{addr: addr}, name}
}

func TestInheritedSocketsAreToldApart(t *testing.T) {
	f := func(want, name, address, listen, admin string) {
		t.Helper()
		c := config.Default()
		c.Server.Listen, c.Admin.Listen = listen, admin
		assert.Equal(t, want, passed(t, name, address).isFor(c))
	}
	const admin = "127.0.0.1:8080"
	// The name counts, wherever the socket listens.
	f("proxy", "proxy", "127.0.0.1:1", ":8000", admin)
	f("admin", "admin", "127.0.0.1:8000", "127.0.0.1:8000", admin)
	// Otherwise the address counts, however it is written.
	f("proxy", "equalizer.socket", "[::]:8000", ":8000", admin)
	f("proxy", "", "0.0.0.0:8000", ":8000", admin)
	f("proxy", "", "[::]:8000", "0.0.0.0:8000", admin)
	f("proxy", "", "[::1]:8000", "[::1]:8000", admin)
	f("admin", "", "[::ffff:127.0.0.1]:8080", ":8000", admin)
	f("admin", "", "127.0.0.1:8080", ":8000", "localhost:8080")
	// A socket with neither is for no listener.
	f("", "equalizer.socket", "127.0.0.1:8000", ":8000", admin)
	f("", "", "127.0.0.1:9", ":8000", admin)
	f("", "", "127.0.0.2:8080", ":8000", admin)
	f("", "", "127.0.0.1:9", "no.such.host.invalid:9", admin)
}

func TestInheritedSocketsThatFitNothing(t *testing.T) {
	c := config.Default()
	_, err := sockets{passed(t, "web", "127.0.0.1:9")}.assign(c)
	assert.EqualError(t, err, "inherited socket 127.0.0.1:9 (web) is neither named proxy or admin nor on server.listen, :8000, or admin.listen, 127.0.0.1:8080")
	_, err = sockets{passed(t, "proxy", "127.0.0.1:9"), passed(t, "", "0.0.0.0:8000")}.assign(c)
	assert.EqualError(t, err, "inherited sockets 127.0.0.1:9 (proxy) and 0.0.0.0:8000 are both for the listener proxy; want one")

	listen, err := sockets{passed(t, "admin", "127.0.0.1:9")}.assign(c)
	require.NoError(t, err)
	assert.Equal(t, []string{adminSocket}, listen.passed)
	assert.True(t, listen.inherited())
	ln, err := listen.on(t.Context(), adminSocket, c.Admin.Listen)
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1:9", ln.Addr().String())
	ln, err = listen.on(t.Context(), proxySocket, "127.0.0.1:0")
	require.NoError(t, err, "what isn't passed is opened")
	require.NoError(t, ln.Close())
}

func TestInheritSockets(t *testing.T) {
	f := func(pid, n string) (sockets, error) {
		return inheritSockets(func(name string) string { return map[string]string{"LISTEN_PID": pid, "LISTEN_FDS": n}[name] }, 42)
	}
	for _, pid := range []string{"", "43", "x"} {
		got, err := f(pid, "1")
		require.NoError(t, err)
		assert.Empty(t, got, "those are another process's")
	}
	got, err := f("42", "0")
	require.NoError(t, err)
	assert.Empty(t, got)
	for _, n := range []string{"", "x", "-1", "65"} {
		_, err := f("42", n)
		assert.ErrorContains(t, err, "LISTEN_FDS is", n)
	}
	listen, err := sockets(nil).assign(config.Default())
	require.NoError(t, err)
	assert.False(t, listen.inherited())
}
