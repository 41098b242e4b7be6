package proxy

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A backend that announces how long it keeps connections never gets a request at the end of that
// time, when it may be closing: a POST that met it there would be a 502.
func TestAnnouncedKeepAliveIsObeyed(t *testing.T) {
	t.Parallel()
	const announced = time.Second
	var late atomic.Int64
	b := startBackend(t, func(c *conn, _ int) {
		for idle := time.Now(); c.readRequest() != ""; idle = time.Now() {
			if time.Since(idle) > announced*9/10 {
				late.Add(1)
				return
			}
			c.send("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1, max=100\r\nContent-Length: 2\r\n\r\nok")
			_ = c.SetReadDeadline(time.Now().Add(announced)) // and then it closes
		}
	})
	p := proxyTo(t, b.addr)
	c := p.dial()
	for _, pause := range []time.Duration{0, announced * 3 / 10, announced * 95 / 100} {
		awaitTime(t, pause)
		assert.Equal(t, "ok", c.do(post+"\r\n").body, "after %v", pause)
	}
	assert.Zero(t, late.Load())
	assert.EqualValues(t, 2, b.conns.Load(), "within its time a connection is used again")
	assert.Zero(t, p.Stats().Retries)
}

// awaitTime returns when so much time has passed: what is tested is the time itself.
func awaitTime(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// What a backend announces as 0 is not kept at all, and what isn't a number counts for nothing.
func TestAnnouncedKeepAlive(t *testing.T) {
	f := func(field string, conns int64) {
		t.Helper()
		b, _ := answering(t, fmt.Sprintf("HTTP/1.1 200 OK\r\n%s\r\nContent-Length: 2\r\n\r\nok", field))
		p := proxyTo(t, b.addr)
		c := p.dial()
		for range 3 {
			require.Equal(t, "ok", c.do(plainGet).body)
		}
		assert.Equal(t, conns, b.conns.Load(), field)
	}
	f("Keep-Alive: timeout=0", 3)
	f("Keep-Alive: timeout=60", 1)
	f("Keep-Alive: max=5, TimeOut=60", 1)
	f("Keep-Alive: timeout=-1", 1)
	f("Keep-Alive: timeout=99999999999999999999", 1)
	f("Keep-Alive: timeout", 1)
	f("X: y", 1)
}

// An unused connection is closed after KeepAlive.
func TestUnusedConnectionsAreClosed(t *testing.T) {
	closed := make(chan error, 1)
	b := startBackend(t, func(c *conn, _ int) {
		c.readRequest()
		c.send(ok)
		_ = c.SetReadDeadline(time.Now().Add(patience))
		_, err := c.br.ReadByte()
		closed <- err
	})
	cs := connectionSettings()
	cs.KeepAlive = 50 * time.Millisecond
	p := startProxy(t, settings(), poolOf(t, cs, b.addr), nil)
	assert.Equal(t, "ok", p.dial().do(plainGet).body)
	err := await(t, closed)
	var late net.Error
	assert.False(t, errors.As(err, &late) && late.Timeout() || errors.Is(err, os.ErrDeadlineExceeded), "%v", err)
}

// A connection that is old is not used for another request.
func TestOldConnectionsAreReplaced(t *testing.T) {
	b, _ := answering(t, ok)
	cs := connectionSettings()
	cs.Timeouts.Age = time.Millisecond
	p := startProxy(t, settings(), poolOf(t, cs, b.addr), nil)
	c := p.dial()
	require.Eventually(t, func() bool {
		assert.Equal(t, "ok", c.do(plainGet).body)
		return b.conns.Load() > 1
	}, patience, 10*time.Millisecond)
	assert.Zero(t, p.Stats().Retries)
}
