package proxy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A tunnel on which nothing moves for its timeout ends, on both sides.
func TestTunnelTimeout(t *testing.T) {
	ended := make(chan struct{}, 1)
	b, _ := switching(t, func(c *conn) {
		echo(c)
		ended <- struct{}{}
	})
	s := settings()
	s.Route.TunnelTimeout = brief
	p := startProxy(t, s, poolOf(t, connectionSettings(), b.addr), nil)
	c := p.upgraded()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
	assert.Empty(t, c.untilEnd())
	await(t, ended)
	assert.Zero(t, p.pool.balancers[0].Status()[0].Failures)
}

// One direction that moves keeps the other one, too.
func TestTunnelTimeoutCountsBothDirections(t *testing.T) {
	const timeout = time.Second
	f := func(name string, send func(client, backend *conn) bool, receive func(client, backend *conn) error) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keepsTunnel(t, timeout, send, receive)
		})
	}
	read := func(c *conn) error {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		_, err := c.br.ReadByte()
		return err
	}
	f("up", func(client, _ *conn) bool { return client.send("x") }, func(_, backend *conn) error { return read(backend) })
	f("down", func(_, backend *conn) bool { return backend.send("x") }, func(client, _ *conn) error { return read(client) })
}

// keepsTunnel checks that a tunnel is open for as long as one side sends something now and then.
func keepsTunnel(t *testing.T, timeout time.Duration, send func(client, backend *conn) bool, receive func(client, backend *conn) error) {
	theirs := make(chan *conn, 1)
	b, _ := switching(t, func(c *conn) {
		theirs <- c
		<-c.t.Context().Done()
	})
	s := settings()
	s.Route.TunnelTimeout = timeout
	p := startProxy(t, s, poolOf(t, connectionSettings(), b.addr), nil)
	client := p.upgraded()
	backend := await(t, theirs)
	var longest time.Duration
	last := time.Now()
	for begin := last; time.Since(begin) < 3*timeout; last = time.Now() {
		<-time.After(timeout / 10) // Not a wait for something: this is how busy the sender is.
		sent := send(client, backend)
		longest = max(longest, time.Since(last))
		if err := receive(client, backend); !sent || err != nil {
			// A machine that stood still for so long says nothing about the proxy.
			require.Greater(t, longest, timeout/2, "cut although it was busy: %v", err)
			t.Logf("inconclusive: a pause of %v", longest)
			return
		}
	}
}
