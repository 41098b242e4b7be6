package deadtest

import (
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// It refuses connections, and nobody else can listen there.
func TestAddress(t *testing.T) {
	isDead(t, Address(t))
}

// Connections that the listener accepted are no hindrance.
func TestClose(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	c, err := net.Dial("tcp4", ln.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	theirs, err := ln.Accept()
	require.NoError(t, err)
	defer theirs.Close()
	Close(t, ln)
	isDead(t, ln.Addr().String())
}

func isDead(t *testing.T, addr string) {
	t.Helper()
	_, err := net.Dial("tcp4", addr)
	assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	for range 3 {
		ln, err := net.Listen("tcp4", "127.0.0.1:0")
		require.NoError(t, err)
		defer ln.Close()
		assert.NotEqual(t, addr, ln.Addr().String())
	}
}
