package netconn

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/netconn/deadtest"
)

// dial is a connection to a backend and its other end.
func dial(t *testing.T, limits BackendLimits) (*Backend, *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	limits.Connect = patience
	c, err := NewDialer(limits, nil, nil).Dial(context.Background(), tcp(ln))
	require.NoError(t, err)
	theirs, err := ln.Accept()
	require.NoError(t, err)
	t.Cleanup(func() {
		c.Close()
		theirs.Close()
	})
	require.NoError(t, theirs.SetDeadline(time.Now().Add(patience)))
	return c, theirs.(*net.TCPConn)
}

func TestDialFails(t *testing.T) {
	target := Target{Network: "tcp", Addr: deadtest.Address(t)}
	_, err := NewDialer(BackendLimits{Connect: patience}, nil, nil).Dial(context.Background(), target)
	assert.ErrorContains(t, err, "refused")
}

// Bytes are counted by exchange.
func TestSentAndReceived(t *testing.T) {
	b, theirs := dial(t, BackendLimits{})
	for range 2 {
		b.Begin(nil)
		assert.Zero(t, b.BytesSent())
		assert.Zero(t, b.BytesReceived())
		send(t, b, "four")
		send(t, theirs, "fifth")
		_, err := io.ReadFull(b, make([]byte, 5))
		require.NoError(t, err)
		assert.EqualValues(t, 4, b.BytesSent())
		assert.EqualValues(t, 5, b.BytesReceived())
	}
}

// await waits until something has come from the other end.
func await(t *testing.T, b *Backend) {
	t.Helper()
	require.Eventually(t, func() bool { return !b.quiet() }, patience, time.Millisecond)
}

func TestStale(t *testing.T) {
	b, theirs := dial(t, BackendLimits{})
	b.Begin(nil)
	assert.True(t, b.quiet())
	b.Begin(nil)
	theirs.Close()
	await(t, b)
	b.Begin(nil)
	assert.True(t, b.Stale(), "closed")

	b, theirs = dial(t, BackendLimits{})
	b.Begin(nil)
	send(t, theirs, "x")
	await(t, b)
	b.Begin(nil)
	assert.True(t, b.Stale(), "unsolicited")
	got, err := read(b)
	require.NoError(t, err)
	assert.Equal(t, "x", got, "looking takes nothing")
}

// A new connection is not stale, even if something has come on it.
func TestNewIsNeverStale(t *testing.T) {
	b, theirs := dial(t, BackendLimits{})
	theirs.Close()
	await(t, b)
	b.Begin(nil)
	assert.False(t, b.Stale())
}

// Renew replaces a connection that was used, and keeps it in the registry's care.
func TestRenew(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	d := NewDialer(BackendLimits{Connect: patience, Response: brief}, nil, nil)
	c, err := d.Dial(context.Background(), tcp(ln))
	require.NoError(t, err)
	defer c.Close()
	b := c
	first, err := ln.Accept()
	require.NoError(t, err)
	defer first.Close()

	require.NoError(t, b.Renew(t.Context()), "nothing was sent on it")
	b.Begin(nil)
	send(t, b, "x")
	require.NoError(t, b.Renew(t.Context()))
	got, err := io.ReadAll(first)
	require.NoError(t, err)
	assert.Equal(t, "x", string(got), "and then its end")
	second, err := ln.Accept()
	require.NoError(t, err)
	defer second.Close()

	b.Begin(nil)
	assert.Zero(t, b.BytesSent())
	b.RequestSent()
	_, err = read(b)
	assert.Equal(t, ErrTimeout, err)
	assert.Equal(t, 1, d.registry.Len())
	second.Close()
	await(t, b)
	b.Begin(nil)
	assert.True(t, b.Stale(), "it looks at the new one")

	deadtest.Close(t, ln)
	assert.ErrorContains(t, b.Renew(t.Context()), "refused")
}

// The header's time counts from the end of the request, even while bytes keep coming.
func TestResponseThatTrickles(t *testing.T) {
	b, theirs := dial(t, BackendLimits{Response: brief, Idle: patience})
	b.Begin(nil)
	b.RequestSent()
	takes(t, brief, func() {
		for err := error(nil); err == nil; _, err = read(b) {
			send(t, theirs, "x")
		}
	})
	assert.Equal(t, ErrTimeout, b.Err())
}

func TestBackendThatStops(t *testing.T) {
	b, theirs := dial(t, BackendLimits{Response: brief, Idle: 4 * brief})
	b.Begin(nil)
	b.RequestSent()
	send(t, theirs, "x")
	_, err := read(b)
	require.NoError(t, err)
	b.Relay()
	takes(t, 4*brief, func() {
		_, err := read(b)
		assert.Equal(t, ErrTimeout, err)
	})
	b.Begin(nil)
	assert.NoError(t, b.Err(), "the last exchange's errors are past")
}

func TestBackendThatDoesNotRead(t *testing.T) {
	b, _ := dial(t, BackendLimits{Idle: brief})
	b.Begin(nil)
	takes(t, brief, func() {
		_, err := b.Write([]byte(strings.Repeat("x", 64<<20)))
		assert.Equal(t, ErrTimeout, err)
	})
	assert.NotZero(t, b.BytesSent())
}

// Total bounds an exchange whose bytes keep coming.
func TestTotal(t *testing.T) {
	b, theirs := dial(t, BackendLimits{Response: patience, Idle: patience, Total: brief})
	b.Begin(nil)
	b.RequestSent()
	b.Relay()
	takes(t, brief, func() {
		for err := error(nil); err == nil; _, err = read(b) {
			send(t, theirs, "x")
		}
	})
	assert.Equal(t, ErrTimeout, b.Err())

	b.Begin(nil)
	takes(t, brief, func() {
		_, err := b.Write([]byte(strings.Repeat("x", 64<<20)))
		assert.Equal(t, ErrTimeout, err)
	})
}

// An exchange may have limits of its own, which the next one on the connection doesn't have.
func TestLimitsOfAnExchange(t *testing.T) {
	f := func(own ExchangeLimits, wait func(b *Backend) error) {
		t.Helper()
		b, theirs := dial(t, BackendLimits{Response: patience, Idle: patience, Total: patience, Shortest: brief})
		b.BeginWithin(nil, own)
		takes(t, brief, func() { assert.Equal(t, ErrTimeout, wait(b)) })
		b.Begin(nil)
		send(t, theirs, "x")
		_, err := read(b)
		assert.NoError(t, err)
		assert.Equal(t, patience, b.writing.limit)
	}
	f(ExchangeLimits{Response: brief}, func(b *Backend) error {
		b.RequestSent()
		_, err := read(b)
		return err
	})
	f(ExchangeLimits{Idle: brief}, func(b *Backend) error {
		b.Relay()
		_, err := read(b)
		return err
	})
	f(ExchangeLimits{Total: brief}, func(b *Backend) error {
		_, err := read(b)
		return err
	})
}

func TestExchangesDoNotAllocate(t *testing.T) {
	b, theirs := dial(t, BackendLimits{Response: patience, Idle: patience, Total: patience})
	buf := make([]byte, 1)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		b.Begin(nil)
		_, _ = b.Write(buf)
		_, _ = theirs.Read(buf)
		b.awaitResponse()
		_, _ = theirs.Write(buf)
		_, _ = b.Read(buf)
	}))
}

// An Interrupt that comes too late for its exchange does not disturb the next one, on any system.
func TestExchangeAfterInterrupt(t *testing.T) {
	for _, of := range []func(net.Conn) link{newLink, func(c net.Conn) link { return newPlain(c) }} {
		b, theirs := dial(t, BackendLimits{Response: patience})
		b.link = of(b.inner())
		b.Begin(nil)
		b.Interrupt()
		b.End()
		b.Begin(nil)
		send(t, theirs, "response")
		in := make([]byte, 10)
		b.reused = false // The response is there before the request, so that nobody waits for it.
		n, err := b.Ask([]byte("request"), in)
		require.NoError(t, err)
		assert.Equal(t, "response", string(in[:n]))
		got, err := read(theirs)
		require.NoError(t, err)
		assert.Equal(t, "request", got)
	}
}
