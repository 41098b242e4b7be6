package proxy

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A listener that is retired has what waits for it served, and frees its address. What came over it
// goes on, and so do other listeners.
func TestRetire(t *testing.T) {
	b, _ := answering(t, ok)
	p := proxyTo(t, b.addr)
	ln := listen(t)
	served := make(chan error, 1)
	go func() { served <- p.Serve(ln, Listener{}) }()
	first, second := &proxied{t: t, addr: p.addr}, &proxied{t: t, addr: ln.Addr().String()}
	c := second.dial()
	assert.Equal(t, "ok", c.do(get("x", "/")).body)

	unserved := second.dial()
	p.Retire(ln)
	require.NoError(t, <-served)
	second.refusesConnections()
	assert.Equal(t, "ok", unserved.do(get("x", "/")).body)
	assert.Equal(t, "ok", c.do(get("x", "/")).body)
	assert.Equal(t, "ok", first.dial().do(get("x", "/")).body)

	again, err := net.Listen("tcp", second.addr)
	require.NoError(t, err)
	p.Retire(again)
	require.NoError(t, p.Serve(again, Listener{}), "it was retired before")
	second.refusesConnections()
}

// A listener that is retired while there is no room for more connections leaves the rest to whoever
// comes next.
func TestRetireWithoutRoom(t *testing.T) {
	s := settings()
	s.Clients.Connections = 1
	b := holdingBackend(t)
	p := startProxy(t, s, poolOf(t, connectionSettings(), b.addr), nil)
	clients := b.occupy(p, 1, get("x", "/"))
	ln := listen(t)
	served := make(chan error, 1)
	go func() { served <- p.Serve(ln, Listener{}) }()
	waits := (&proxied{t: t, addr: ln.Addr().String()}).dial()
	require.Eventually(t, func() bool { return p.Stats().AcceptPauses == 1 }, patience, time.Millisecond)
	p.Retire(ln)
	require.NoError(t, <-served)
	b.letGo(clients)
	_ = waits.Close()
}

// A reload may change a listener before Serve has begun, and another one may retire it then.
func TestListenerThatChangesBeforeItIsServed(t *testing.T) {
	b, _ := answering(t, ok)
	p := proxyTo(t, b.addr)
	ln, served := listen(t), make(chan error, 1)
	p.Change(ln, Listener{RedirectTo: 1})
	p.Change(ln, Listener{RedirectTo: 443})
	go func() { served <- p.Serve(ln, Listener{}) }()
	changed := &proxied{Proxy: p.Proxy, t: t, addr: ln.Addr().String(), pool: p.pool, log: p.log}
	assert.Equal(t, "https://a.test/", changed.dial().do(get("a.test", "/")).Header.Get("Location"))
	p.Retire(ln)
	require.NoError(t, <-served)
	changed.refusesConnections()

	again := listen(t)
	p.Change(again, Listener{RedirectTo: 1})
	p.Retire(again)
	require.NoError(t, p.Serve(again, Listener{}), "it was retired before")
}
