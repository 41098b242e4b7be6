package main

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A start waits for an address that a predecessor is about to release, but not for ever.
func TestListenOn(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := taken.Addr().String()
	ctx, cancel := context.WithTimeout(t.Context(), 3*takenPoll)
	defer cancel()
	_, err = listenOn(ctx, address)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	assert.ErrorContains(t, err, "listen on "+address)

	time.AfterFunc(3*takenPoll, func() { taken.Close() })
	ln, err := listenOn(t.Context(), address)
	require.NoError(t, err)
	require.NoError(t, ln.Close())

	_, err = listenOn(t.Context(), "192.0.2.1:1")
	assert.ErrorIs(t, err, syscall.EADDRNOTAVAIL, "that is not waited for")
}
