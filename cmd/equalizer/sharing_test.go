package main

import (
	"bytes"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/config"
	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/limiter/lease/leasetest"
)

// A process that is started again after a crash waits until its predecessor of that name has
// expired.
func TestAwaitName(t *testing.T) {
	var passed atomic.Int64
	book := leasetest.NewBook(func() time.Time { return time.Unix(1_700_000_000, passed.Load()) })
	_, err := book.Join(t.Context(), lease.Member{Name: "web-1", PID: 7}, time.Second)
	require.NoError(t, err)
	c := config.Store{ReplicaName: "web-2", ConnectTimeout: deadline}
	require.NoError(t, awaitName(t.Context(), c, book, zerolog.Nop()), "it is another one's")

	c.ReplicaName = "web-1"
	waits := make(chan struct{}, 1)
	log := zerolog.New(writerFunc(func(b []byte) (int, error) {
		require.True(t, bytes.Contains(b, []byte("waiting for a replica of the same name")), string(b))
		waits <- struct{}{}
		return len(b), nil
	}))
	done := make(chan error)
	go func() { done <- awaitName(t.Context(), c, book, log) }()
	<-waits
	passed.Store(int64(2 * time.Second))
	require.NoError(t, <-done)
	_, err = book.Join(t.Context(), lease.Member{Name: "web-1", PID: 8}, time.Second)
	require.NoError(t, err)

	c.ConnectTimeout = time.Millisecond
	require.NoError(t, awaitName(t.Context(), c, book, zerolog.Nop()), "joining says who has it")
}

// writerFunc is a log that calls a function with each line.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
