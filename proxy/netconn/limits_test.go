package netconn

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Limits that change count for the next exchange on a connection that is kept, for its age, and for
// the next connect. A dialer beside another one has its own.
func TestLimitsThatChange(t *testing.T) {
	_, listeners := listenAll(t, "127.0.0.1")
	ln := listeners[0]
	d := NewDialer(BackendLimits{Connect: patience, Response: patience, Idle: patience}, nil, nil)
	beside := d.Beside(BackendLimits{Connect: patience, Response: brief})
	assert.Equal(t, maxTick, tickOf(d.registry), "until they count")
	b, err := d.Dial(t.Context(), tcp(ln))
	require.NoError(t, err)
	defer b.Close()
	other, err := beside.Dial(t.Context(), tcp(ln))
	require.NoError(t, err)
	defer other.Close()
	assert.Equal(t, 2, d.registry.Len())

	b.Begin(nil)
	d.Limit(BackendLimits{Connect: patience, Response: brief, Age: time.Hour})
	assert.Equal(t, patience, b.exchange.Response, "what runs goes on")
	assert.Equal(t, max(brief/ticksPerTimeout, minTick), tickOf(d.registry))
	b.End()
	require.True(t, b.Keep())
	require.True(t, b.Take())
	b.Begin(nil)
	takes(t, brief, func() {
		b.RequestSent()
		_, err := read(b)
		assert.Equal(t, ErrTimeout, err)
	})
	b.End()
	d.Limit(BackendLimits{Connect: patience, Age: 1})
	require.Eventually(t, func() bool { return b.tooOld() }, patience, time.Millisecond)
	assert.False(t, b.Keep())
	d.Limit(BackendLimits{Connect: patience})
	assert.True(t, b.Keep(), "there is no limit any more")

	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	d.Limit(BackendLimits{Connect: brief})
	target := tcp(silent)
	target.TLS = &tls.Config{ServerName: "backend.test"}
	takes(t, brief, func() {
		_, err := d.Dial(t.Context(), target)
		assert.ErrorContains(t, err, "timed out")
	})
}

// tickOf is the time between two ticks.
func tickOf(r *Registry) time.Duration { return time.Duration(r.tick.Load()) }
