//go:build !386

package netconn

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// spliced is a Splice from a backend to a client, with their other ends.
func spliced(t *testing.T, from BackendLimits, to ClientLimits) (s *Splice, backend, client *net.TCPConn) {
	t.Helper()
	b, backend := newBackend(t, from)
	c, client := kind(newLink).client(t, to)
	b.Begin(c.Awaiter())
	b.Relay()
	s = c.Splice(&b.Conn)
	require.NotNil(t, s)
	t.Cleanup(s.Close)
	return s, backend, client
}

func newBackend(t *testing.T, limits BackendLimits) (*Backend, *net.TCPConn) {
	t.Helper()
	return kind(newLink).backend(t, limits)
}

// move moves size bytes.
func (s *Splice) move(size int64) error {
	for size > 0 {
		n, err := s.Read(size)
		if err != nil {
			return err
		}
		size -= int64(n)
		if err := s.Write(); err != nil {
			return err
		}
	}
	return nil
}

// There are as many pipes as the limits allow. Close frees one.
func TestSplicesAreBounded(t *testing.T) {
	first, _, _ := spliced(t, BackendLimits{}, ClientLimits{Pipes: 2})
	second := newSplice(first.from, first.to, first.pipes)
	require.NotNil(t, second)
	require.Nil(t, newSplice(first.from, first.to, first.pipes))
	second.Close()
	third := newSplice(first.from, first.to, first.pipes)
	require.NotNil(t, third)
	third.Close()
	assert.EqualValues(t, 1, first.pipes.n.Load())
}

// The body arrives, and not a byte more, although the client reads slowly and both sides are woken
// all the time.
func TestSplice(t *testing.T) {
	s, backend, client := spliced(t, BackendLimits{Idle: patience}, ClientLimits{Write: patience})
	body := make([]byte, 8<<20+1)
	_, _ = rand.NewChaCha8([32]byte{}).Read(body)
	go func() {
		_, _ = backend.Write(body)
		_, _ = io.WriteString(backend, "more")
	}()
	got := make(chan []byte)
	go func() {
		var all bytes.Buffer
		for all.Len() < len(body) {
			if _, err := io.CopyN(&all, client, 100_000); err != nil {
				break
			}
			s.from.wakeRead()
			s.to.wakeWrite()
		}
		got <- all.Bytes()
	}()
	require.NoError(t, s.move(int64(len(body))))
	assert.EqualValues(t, len(body), s.from.reading.n)
	require.NoError(t, s.to.Close())
	assert.True(t, bytes.Equal(body, <-got))
	rest, err := read(s.from)
	require.NoError(t, err)
	assert.Equal(t, "more", rest)
}

func TestSpliceFromBackendThatEnds(t *testing.T) {
	s, backend, client := spliced(t, BackendLimits{}, ClientLimits{})
	send(t, backend, "part")
	require.NoError(t, backend.CloseWrite())
	require.Equal(t, io.EOF, s.move(100))
	got, err := read(client)
	require.NoError(t, err)
	assert.Equal(t, "part", got)
	assert.Equal(t, io.EOF, s.from.Err())
}

func TestSpliceFromSilentBackend(t *testing.T) {
	s, _, _ := spliced(t, BackendLimits{Idle: brief}, ClientLimits{})
	takes(t, brief, func() { require.Equal(t, ErrTimeout, s.move(100)) })
}

func TestSpliceToClientThatNeverReads(t *testing.T) {
	s, backend, _ := spliced(t, BackendLimits{}, ClientLimits{Write: brief})
	go func() { _, _ = io.Copy(backend, neverEnding{}) }()
	takes(t, brief, func() { require.Equal(t, ErrTimeout, s.move(1<<40)) })
	assert.Equal(t, ErrTimeout, s.to.Err())
	require.NoError(t, s.from.Close())
}

// neverEnding gives zeros.
type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) { return len(p), nil }

func TestSpliceForClientThatLeft(t *testing.T) {
	s, backend, client := spliced(t, BackendLimits{}, ClientLimits{})
	send(t, backend, "part")
	require.NoError(t, s.move(4))
	require.NoError(t, client.SetLinger(0))
	require.NoError(t, client.Close())
	require.Equal(t, ErrAbandoned, s.move(100))
}

// There is no Splice by TLS, or over a plain link.
func TestNoSplice(t *testing.T) {
	b, _ := newBackend(t, BackendLimits{})
	c, _ := kind(newLink).client(t, ClientLimits{})
	open := openFiles(t)
	s := c.Splice(&b.Conn)
	require.NotNil(t, s)
	s.Close()
	clear := b.layer
	b.layer = &secure{}
	assert.Nil(t, c.Splice(&b.Conn))
	b.layer = clear
	c.link = newPlain(c.inner())
	assert.Nil(t, c.Splice(&b.Conn))
	assert.Equal(t, open, openFiles(t))
}

func TestSpliceWaitsForBackend(t *testing.T) {
	s, backend, _ := spliced(t, BackendLimits{Idle: time.Hour}, ClientLimits{})
	done := whenParked(t, func() { send(t, backend, "text") })
	n, err := s.Read(100)
	done()
	require.NoError(t, err)
	assert.Equal(t, 4, n)
}
