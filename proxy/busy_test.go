package proxy

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/netconn/deadtest"
)

// holding is a backend that answers when it is told to, and says when it was asked.
type holding struct {
	*backend
	asked, release chan struct{}
}

func holdingBackend(t *testing.T) *holding {
	h := &holding{asked: make(chan struct{}, 100), release: make(chan struct{}, 100)}
	h.backend = startBackend(t, func(c *conn, _ int) {
		for c.readRequest() != "" {
			h.asked <- struct{}{}
			<-h.release
			c.send(ok)
		}
	})
	t.Cleanup(func() { close(h.release) }) // however the test ends
	return h
}

// occupy has n requests wait at the backend, each on a connection of its own.
func (h *holding) occupy(p *proxied, n int, request string) []*conn {
	p.t.Helper()
	var clients []*conn
	for range n {
		c := p.dial()
		require.True(p.t, c.send(request))
		await(p.t, h.asked)
		clients = append(clients, c)
	}
	return clients
}

// letGo answers all that wait.
func (h *holding) letGo(clients []*conn) {
	for range clients {
		h.release <- struct{}{}
	}
	for _, c := range clients {
		assert.Equal(h.t, "ok", c.readAnswer("GET").body)
	}
}

// A full backend is passed over while another has room; only then are requests refused, with the
// time to try again. They were charged.
func TestFullBackendsArePassedOver(t *testing.T) {
	a, b := holdingBackend(t), holdingBackend(t)
	l := &fakeLimiter{}
	l.left.Store(100)
	p := startProxy(t, settings(), boundedPoolOf(t, connectionSettings(), 2, 1, a.addr, b.addr), l)
	waiting := a.occupy(p, 1, plainGet)
	waitingB := b.occupy(p, 1, plainGet)
	waiting = append(waiting, a.occupy(p, 1, plainGet)...)
	waitingB = append(waitingB, b.occupy(p, 1, plainGet)...)

	refused := p.dial().do(plainGet)
	p.isProblem(refused, 503, "urn:gopher-equalizer:backend-busy\"")
	assert.Equal(t, "1", refused.Header.Get("Retry-After"))
	line := p.logged(1)
	assert.Equal(t, "backend-busy", line.Reason)
	assert.Empty(t, line.Backend)
	assert.Len(t, l.taken(), 5, "a request that finds all busy is charged")

	b.letGo(waitingB)
	for range 3 { // The turn comes to a, which is full, every other time.
		b.release <- struct{}{}
		assert.Equal(t, "ok", p.dial().do(plainGet).body)
		await(t, b.asked)
	}
	a.letGo(waiting)
	for _, s := range p.pool.balancers[0].Status() {
		assert.Zero(t, s.Failures, s.URL)
	}
}

// Without a healthy backend nothing is charged.
func TestNoHealthyBackendIsFree(t *testing.T) {
	l := &fakeLimiter{}
	l.left.Store(1)
	p := startProxy(t, settings(), &fakePool{}, l)
	c := p.dial()
	for n := range 2 {
		refused := c.do(plainGet)
		p.isProblem(refused, 503, "urn:gopher-equalizer:no-backend\"")
		assert.Equal(t, "5", refused.Header.Get("Retry-After"))
		assert.Equal(t, "no-backend", p.logged(n+1).Reason)
	}
	assert.Empty(t, l.taken())
	assert.EqualValues(t, 2, p.Stats().Unavailable)
}

// from is a request of a client's behind the trusted proxy that tests are.
func from(client string) string {
	return "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: " + client + "\r\n\r\n"
}

// behindUs are settings under which the tests' own address is a trusted proxy.
func behindUs(t *testing.T) setup {
	s := settings()
	var err error
	s.Trusted, err = identity.ParseTrusted([]string{"127.0.0.0/8"})
	require.NoError(t, err)
	return s
}

// A client holds at most its share of a backend's connections, and others have the rest.
func TestClientHoldsItsShare(t *testing.T) {
	h := holdingBackend(t)
	p := startProxy(t, behindUs(t), boundedPoolOf(t, connectionSettings(), 4, 0.5, h.addr), nil)
	waiting := h.occupy(p, 1, from("2001:db8::1"))
	waiting = append(waiting, h.occupy(p, 1, from("2001:db8::2"))...)

	refused := p.dial().do(from("2001:db8::3"))
	p.isProblem(refused, 503, "urn:gopher-equalizer:client-share\"")
	assert.Equal(t, "1", refused.Header.Get("Retry-After"))
	line := p.logged(1)
	assert.Equal(t, "client-share", line.Reason)
	assert.Equal(t, "info", line.Level)
	assert.Equal(t, "2001:db8::3", line.Request.ClientIP)

	other := h.occupy(p, 1, from("2001:db8:0:1::1"))
	h.letGo(append(waiting, other...))
	again := h.occupy(p, 2, from("2001:db8::3"))
	h.letGo(again)
}

// However many requests one client has wait, the others' are served.
func TestOneClientLeavesRoom(t *testing.T) {
	release := make(chan struct{})
	asked := make(chan struct{}, 100)
	b := startBackend(t, func(c *conn, _ int) {
		for head := c.readRequest(); head != ""; head = c.readRequest() {
			if strings.HasPrefix(head, "GET /wait ") {
				asked <- struct{}{}
				<-release
			}
			c.send(ok)
		}
	})
	pool := boundedPoolOf(t, connectionSettings(), 8, 0.5, b.addr)
	p := startProxy(t, behindUs(t), pool, nil)
	var attackers []*conn
	for range 20 {
		c := p.dial()
		require.True(t, c.send(strings.Replace(from("192.0.2.1"), "GET /", "GET /wait", 1)))
		attackers = append(attackers, c)
	}
	require.Eventually(t, func() bool { return p.Stats().Unavailable == 16 }, patience, time.Millisecond)
	for n := range 20 {
		assert.Equal(t, "ok", p.dial().do(from("192.0.2."+strconv.Itoa(2+n))).body)
	}
	close(release)
	statuses := map[int]int{}
	for _, c := range attackers {
		statuses[c.readAnswer("GET").StatusCode]++
	}
	assert.Equal(t, map[int]int{200: 4, 503: 16}, statuses)
	assert.Len(t, asked, 4)
}

// A client's share of one backend leaves it its share of the next.
func TestClientShareIsOfEachBackend(t *testing.T) {
	a, b := holdingBackend(t), holdingBackend(t)
	p := startProxy(t, settings(), boundedPoolOf(t, connectionSettings(), 2, 0.5, a.addr, b.addr), nil)
	waiting := a.occupy(p, 1, plainGet)
	other := b.occupy(p, 1, plainGet)
	p.isProblem(p.dial().do(plainGet), 503, "client-share")
	b.letGo(other)
	other = b.occupy(p, 1, plainGet)
	b.letGo(other)
	a.letGo(waiting)
}

// A trusted proxy that doesn't say for whom it asks is nobody's share.
func TestTrustedProxyHasNoShare(t *testing.T) {
	h := holdingBackend(t)
	p := startProxy(t, behindUs(t), boundedPoolOf(t, connectionSettings(), 4, 0.25, h.addr), nil)
	waiting := h.occupy(p, 2, plainGet)
	waiting = append(waiting, h.occupy(p, 1, from("127.0.0.9"))...)
	h.letGo(waiting)
}

// An upgraded connection is held as any is.
func TestTunnelsCountAsHeld(t *testing.T) {
	b := startBackend(t, func(c *conn, _ int) {
		if strings.Contains(c.readHead(), "Upgrade: echo") {
			c.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
			c.untilEnd()
			return
		}
		c.send(ok)
	})
	p := startProxy(t, settings(), boundedPoolOf(t, connectionSettings(), 2, 0.5, b.addr), nil)
	tunnel := p.dial()
	require.True(t, tunnel.send("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"))
	assert.Contains(t, tunnel.readHead(), "HTTP/1.1 101 ")
	p.isProblem(p.dial().do(plainGet), 503, "client-share")
	require.NoError(t, tunnel.Close())
	require.Eventually(t, func() bool { return p.pool.balancers[0].Status()[0].InFlight == 0 }, patience, time.Millisecond)
	assert.Equal(t, "ok", p.dial().do(plainGet).body)
}

// Who waits for the rest of a small body holds nothing of a backend's meanwhile.
func TestUnsentRequestsHoldNoConnection(t *testing.T) {
	b, _ := answering(t, ok)
	p := startProxy(t, settings(), boundedPoolOf(t, connectionSettings(), 1, 1, b.addr), nil)
	slow := p.dial()
	require.True(t, slow.send(sized(4)+"bo"))
	require.Eventually(t, func() bool { return p.Stats().InFlight == 1 }, patience, time.Millisecond)
	assert.Equal(t, "ok", p.dial().do(plainGet).body)
	require.True(t, slow.send("dy"))
	assert.Equal(t, "ok", slow.readAnswer("POST").body)
}

// A retried request's line names each attempt with its reason.
func TestAttemptsAreLogged(t *testing.T) {
	breaking := startBackend(t, func(c *conn, _ int) { c.readRequest() })
	b, _ := answering(t, ok)
	p := proxyTo(t, breaking.addr, b.addr)
	assert.Equal(t, "ok", p.dial().do(plainGet).body)
	line := p.logged(1)
	assert.Equal(t, 1, *line.Retries)
	assert.Equal(t, []loggedAttempt{
		{Backend: "http://" + breaking.addr, Reason: "awaiting the response: unexpected EOF"},
		{Backend: "http://" + b.addr},
	}, line.Attempts)
	assert.Equal(t, "http://"+b.addr, line.Backend)

	p = startProxy(t, settings(), deadBefore(t, breaking.addr), nil)
	a := p.dial().do(plainGet)
	p.isProblem(a, 502, "backend-broken")
	line = p.logged(1)
	assert.Equal(t, "backend-broken", line.Reason)
	assert.Equal(t, []loggedAttempt{
		{Backend: "http://" + p.pool.backends[0].Addr(), Reason: "connect: connection refused"},
		{Backend: "http://" + breaking.addr, Reason: "awaiting the response: unexpected EOF"},
	}, line.Attempts)

	p = proxyTo(t, b.addr)
	assert.Equal(t, "ok", p.dial().do(plainGet).body)
	assert.Empty(t, p.logged(1).Attempts, "there was no retry")
}

// A retry that finds no place is not made, and what the first attempt came to is what counts.
func TestRetryNeedsAPlace(t *testing.T) {
	ln := listen(t)
	full := holdingBackend(t)
	pool := boundedPoolOf(t, connectionSettings(), 1, 1, full.addr, ln.Addr().String())
	deadtest.Close(t, ln)
	attempts := pool.Attempts(balancer.Client{}, balancer.Retry{})
	held, err := attempts.Next()
	require.NoError(t, err)
	defer held.End(balancer.Result{})
	require.Equal(t, full.addr, held.Backend.Addr())
	p := startProxy(t, settings(), pool, nil)

	p.isProblem(p.dial().do(plainGet), 502, "backend-broken")
	assert.Equal(t, "connect: connection refused", p.logged(1).Error)
}
