package netconn

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// counted is a connection that counts its writes, and fails those that are one too many.
type counted struct {
	net.Conn
	writes, most atomic.Int64
}

func (c *counted) Write(p []byte) (int, error) {
	if n := c.writes.Add(1); c.most.Load() > 0 && n > c.most.Load() {
		n, _ := c.Conn.Write(p[:len(p)/2])
		return n, errors.New("one too many")
	}
	return c.Conn.Write(p)
}

// countedByTLS is a client's connection by TLS on which writes are counted, and its other end.
func countedByTLS(t *testing.T) (*Client, *counted, *tls.Conn) {
	t.Helper()
	server, client := configs(t)
	server.DynamicRecordSizingDisabled = true
	ours, theirs := pair(t)
	count := &counted{Conn: ours}
	c := NewClients(ClientLimits{Header: patience, Write: patience}).Add(count, server)
	t.Cleanup(func() { c.Close() })
	secure := tls.Client(theirs, client)
	opened := make(chan error, 1)
	go func() { opened <- c.Open() }()
	require.NoError(t, secure.Handshake())
	require.NoError(t, <-opened)
	count.writes.Store(0)
	return c, count, secure
}

// What is written at once is sent at once, however many records it takes.
func TestWritesByTLS(t *testing.T) {
	c, count, theirs := countedByTLS(t)
	for _, size := range []int{1, 10 << 10, recordSize, recordSize + 1, BufferSize, BufferSize + 4<<10, 100 << 10} {
		sent, done := random(size), make(chan error, 1)
		go func() { _, err := c.Write(sent); done <- err }()
		got := make([]byte, size)
		_, err := io.ReadFull(theirs, got)
		require.NoError(t, err)
		require.NoError(t, <-done)
		assert.True(t, bytes.Equal(sent, got))
		assert.EqualValues(t, (size+gatherSize-1)/gatherSize, count.writes.Swap(0), "%d bytes", size)
	}
	sent := random(BufferSize)
	go func() { _, _ = io.Copy(io.Discard, theirs.NetConn()) }()
	allocs := testing.AllocsPerRun(100, func() { _, _ = c.Write(sent) })
	assert.LessOrEqual(t, allocs, 1.0, "with the race detector, pools lose some of what they are given")
}

// Once a part of what was gathered couldn't be sent, nothing follows it.
func TestWritesThatFailByTLS(t *testing.T) {
	for _, size := range []int{BufferSize, 100 << 10} {
		c, count, theirs := countedByTLS(t)
		got := make(chan int64, 1)
		go func() {
			n, _ := io.Copy(io.Discard, theirs)
			got <- n
		}()
		count.most.Store(1)
		_, err := c.Write(random(size))
		if size == BufferSize {
			require.NoError(t, err)
			_, err = c.Write(random(size))
		}
		require.ErrorContains(t, err, "one too many")
		writes := count.writes.Load()
		for _, p := range [][]byte{{1}, random(size)} {
			n, err := c.Write(p)
			assert.Error(t, err)
			assert.Zero(t, n)
		}
		assert.Equal(t, writes, count.writes.Load())
		require.NoError(t, c.Close())
		assert.GreaterOrEqual(t, <-got, int64(recordSize))
	}
}
