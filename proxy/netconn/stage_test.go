package netconn

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// piped is a client's connection without a network, for tests whose time is synctest's. The
// registry's goroutine ends with the connection.
func piped(t *testing.T, all *Clients) (*Client, net.Conn) {
	t.Helper()
	ours, theirs := net.Pipe()
	c := all.Add(ours, nil)
	t.Cleanup(func() { theirs.Close(); c.Close() })
	return c, theirs
}

// closing calls Close, and sends how long it took.
func closing(all *Clients, grace time.Duration) <-chan time.Duration {
	done, began := make(chan time.Duration, 1), time.Now()
	go func() {
		_ = all.Close(context.Background(), grace)
		done <- time.Since(began)
	}()
	return done
}

const grace = 500 * time.Millisecond

// A head may arrive during the grace. Close waits until its request is admitted.
func TestCloseWaitsForHeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := NewClients(ClientLimits{Header: time.Hour})
		c, theirs := piped(t, all)
		go func() { _, _ = io.WriteString(theirs, "G") }()
		_, err := comes(c, make([]byte, 10))
		require.NoError(t, err)

		done := closing(all, grace)
		go func() { time.Sleep(grace / 2); _, _ = io.WriteString(theirs, "E") }()
		got, err := read(c)
		require.NoError(t, err)
		assert.Equal(t, "E", got)
		began := time.Now()
		_, err = read(c)
		assert.Equal(t, ErrTimeout, err)
		assert.Equal(t, grace/2, time.Since(began))
		assert.Equal(t, ErrTimeout, c.Err())

		synctest.Wait()
		assert.Empty(t, done, "it has yet to be refused")
		c.Admitted()
		assert.Equal(t, grace, <-done)
		_, err = read(c)
		assert.Equal(t, ErrTimeout, err, "heads stay late")
	})
}

// A request that was admitted isn't waited for, and none follows it.
func TestCloseLeavesAdmittedRequestsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := NewClients(ClientLimits{})
		c, theirs := piped(t, all)
		go func() { _, _ = io.WriteString(theirs, "G") }()
		_, err := comes(c, make([]byte, 10))
		require.NoError(t, err)
		c.Admitted()
		assert.Zero(t, <-closing(all, grace))
		assert.False(t, c.Next())
		assert.False(t, all.anyAsks(), "nor does it wait for the next one")
	})
}

// A client that has just connected may send a request during the grace. Close waits no longer.
func TestCloseAwaitsFirstRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := NewClients(ClientLimits{})
		c, theirs := piped(t, all)
		silent, _ := piped(t, all)
		done := closing(all, grace)
		go func() {
			_, err := comes(silent, make([]byte, 10))
			assert.Equal(t, io.EOF, err)
			silent.Close()
		}()
		go func() { time.Sleep(grace / 2); _, _ = io.WriteString(theirs, "G") }()
		_, err := comes(c, make([]byte, 10))
		require.NoError(t, err)
		c.Admitted()
		assert.Equal(t, grace, <-done)
	})
}

func TestCloseEndsWithItsContext(t *testing.T) {
	all := NewClients(ClientLimits{})
	c, theirs := piped(t, all)
	go func() { _, _ = io.WriteString(theirs, "G") }()
	_, err := comes(c, make([]byte, 10))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, all.Close(ctx, grace), context.Canceled)
}

// What is lasting is cut, and what becomes so later. The rest goes on.
func TestCutLasting(t *testing.T) {
	all, before, _ := client(t, ClientLimits{})
	other, _ := pair(t)
	after := all.Add(other, nil)
	t.Cleanup(func() { after.Close() })
	before.Lasts()
	after.Admitted()
	assert.Equal(t, 1, all.CutLasting())
	_, err := before.Write([]byte("x"))
	assert.Error(t, err)
	_, err = after.Write([]byte("x"))
	require.NoError(t, err)
	after.Lasts()
	_, err = after.Write([]byte("x"))
	assert.Error(t, err)
}
