package netconn

import (
	"crypto/rand"
	"crypto/sha256"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// narrow leaves little room between a connection's two ends, so that a write is taken in many
// parts. With a smaller receive buffer, the system would wait before each packet.
func narrow(t *testing.T, ours net.Conn, theirs *net.TCPConn) {
	t.Helper()
	require.NoError(t, ours.(*net.TCPConn).SetWriteBuffer(16<<10))
	require.NoError(t, theirs.SetReadBuffer(256<<10))
}

// random is size bytes without a pattern.
func random(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.Read(b) // never fails
	return b
}

// receive reads size bytes in small steps and responds with their checksum.
func receive(c net.Conn, size int) error {
	sum := sha256.New()
	if _, err := io.CopyBuffer(struct{ io.Writer }{sum}, io.LimitReader(c, int64(size)), make([]byte, 1000)); err != nil {
		return err
	}
	_, err := c.Write(sum.Sum(nil))
	return err
}

// When the system takes a part of a write, the rest follows, and no byte leaves twice.
func TestPartialWrites(t *testing.T) {
	sent := random(1 << 20)
	want := sha256.Sum256(sent)
	f := func(t *testing.T, l net.Conn, theirs *net.TCPConn, write func() (int, error)) {
		t.Helper()
		received := make(chan error, 1)
		go func() { received <- receive(theirs, len(sent)) }()
		n, err := write()
		require.NoError(t, err)
		require.Equal(t, len(sent), n)
		require.NoError(t, <-received)
		expect(t, l, string(want[:]))
		require.NoError(t, l.Close())
		rest, err := io.ReadAll(theirs)
		require.NoError(t, err)
		assert.Empty(t, rest)
	}
	onBothKinds(t, func(t *testing.T, of kind) {
		l, theirs := of.pair(t)
		narrow(t, l.inner(), theirs)
		f(t, l, theirs, func() (int, error) { return l.Write(sent) })

		c, theirs := of.client(t, ClientLimits{Write: patience})
		narrow(t, c.inner(), theirs)
		c.Body(false)
		f(t, c, theirs, func() (int, error) {
			defer keepWaking(&c.Conn)()
			return c.Write(sent)
		})
	})
}

// What ask sends and what it leaves to Write add up to the request.
func TestPartialAsk(t *testing.T) {
	sent := random(1 << 20)
	want := sha256.Sum256(sent)
	onBothKinds(t, func(t *testing.T, of kind) {
		l, theirs := of.pair(t)
		narrow(t, l.inner(), theirs)
		n, m, err := l.ask(sent, make([]byte, 100), false)
		require.NoError(t, err)
		require.Zero(t, m)
		require.Less(t, n, len(sent), "nobody reads yet")
		received := make(chan error, 1)
		go func() { received <- receive(theirs, len(sent)) }()
		_, err = l.Write(sent[n:])
		require.NoError(t, err)
		require.NoError(t, <-received)
		expect(t, l, string(want[:]))
	})
	f := func(t *testing.T, of kind, woken bool) {
		t.Helper()
		b, theirs := of.backend(t, BackendLimits{Response: patience, Idle: patience})
		narrow(t, b.inner(), theirs)
		if woken {
			defer keepWaking(&b.Conn)()
		}
		for range 2 {
			received := make(chan error, 1)
			go func() { received <- receive(theirs, len(sent)) }()
			b.Begin(nil)
			in := make([]byte, len(want))
			n, err := b.Ask(sent, in)
			require.NoError(t, err)
			_, err = io.ReadFull(b, in[n:])
			require.NoError(t, err)
			assert.Equal(t, want[:], in)
			assert.EqualValues(t, len(sent), b.BytesSent())
			require.NoError(t, <-received)
		}
	}
	onBothKinds(t, func(t *testing.T, of kind) {
		f(t, of, false)
		f(t, of, true)
	})
}

// A Write to a peer that never reads ends with its time limit, and Close doesn't wait.
func TestPeerThatNeverReads(t *testing.T) {
	much := make([]byte, 8<<20)
	onBothKinds(t, func(t *testing.T, of kind) {
		c, theirs := of.client(t, ClientLimits{Write: brief})
		narrow(t, c.inner(), theirs)
		takes(t, brief, func() { assert.Equal(t, ErrTimeout, fill(c)) })
		require.NoError(t, c.Close())

		b, theirs := of.backend(t, BackendLimits{Response: brief, Idle: brief})
		narrow(t, b.inner(), theirs)
		b.Begin(nil)
		takes(t, brief, func() {
			_, err := b.Ask(much, make([]byte, 1))
			assert.Equal(t, ErrTimeout, err)
		})
		assert.NotZero(t, b.BytesSent())
		assert.Less(t, b.BytesSent(), int64(len(much)))
		require.NoError(t, b.Close())
	})
}

// A tunnel to a client that never reads ends, although the backend keeps sending.
func TestTunnelToClientThatNeverReads(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		c, client := of.client(t, ClientLimits{Write: brief})
		narrow(t, c.inner(), client)
		b, backend := of.backend(t, BackendLimits{Idle: brief})
		sending := make(chan struct{})
		go func() {
			defer close(sending)
			for _, err := backend.Write(make([]byte, 1<<20)); err == nil; {
				_, err = backend.Write(make([]byte, 1<<20))
			}
		}()
		takes(t, brief, func() {
			_, err := Tunnel(&c.Conn, &b.Conn, time.Minute, &Buffers{})
			assert.ErrorIs(t, err, ErrTimeout)
		})
		require.NoError(t, c.Close())
		require.NoError(t, b.Close())
		<-sending
	})
}
