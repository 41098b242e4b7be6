package netconn

import (
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// kind makes links of one kind.
type kind func(net.Conn) link

// onBothKinds runs a test with both kinds of link. Where raw doesn't exist, both are plain.
func onBothKinds(t *testing.T, test func(t *testing.T, of kind)) {
	t.Helper()
	t.Run("raw", func(t *testing.T) { test(t, newLink) })
	t.Run("plain", func(t *testing.T) { test(t, func(c net.Conn) link { return newPlain(c) }) })
}

// pair is a link and its other end. Both are closed after a while, so that a test that hangs fails.
func (of kind) pair(t *testing.T) (link, *net.TCPConn) {
	t.Helper()
	ours, theirs := pair(t)
	guard(t, ours)
	return of(ours), theirs
}

// client is a client's connection and its other end.
func (of kind) client(t *testing.T, limits ClientLimits) (*Client, *net.TCPConn) {
	t.Helper()
	_, c, theirs := client(t, limits)
	of.take(t, &c.Conn)
	return c, theirs
}

// backend is a connection to a backend and its other end.
func (of kind) backend(t *testing.T, limits BackendLimits) (*Backend, *net.TCPConn) {
	t.Helper()
	b, theirs := dial(t, limits)
	of.take(t, &b.Conn)
	return b, theirs
}

// take puts a connection over a link of this kind.
func (of kind) take(t *testing.T, c *Conn) {
	t.Helper()
	guard(t, c.inner())
	c.registry.mu.Lock()
	defer c.registry.mu.Unlock()
	c.link = of(c.inner())
}

func guard(t *testing.T, c net.Conn) {
	hung := time.AfterFunc(patience, func() { c.Close() })
	t.Cleanup(func() { hung.Stop() })
}

// sendLast sends text, and the end of the connection's side in the same packet.
func sendLast(t *testing.T, c *net.TCPConn, text string) {
	t.Helper()
	cork(t, c)
	send(t, c, text)
	require.NoError(t, c.CloseWrite())
}

// parked waits until a goroutine waits for the network.
func parked(t *testing.T) {
	t.Helper()
	buf := make([]byte, 1<<20)
	require.Eventually(t, func() bool {
		return strings.Contains(string(buf[:runtime.Stack(buf, true)]), " [IO wait")
	}, patience, time.Millisecond)
}

// whenParked calls what once the goroutine of the test waits for the network. The caller must call
// done.
func whenParked(t *testing.T, what func()) (done func()) {
	var running sync.WaitGroup
	running.Go(func() {
		parked(t)
		what()
	})
	return running.Wait
}

// A request and the end behind it arrive as one event, before they are waited for or meanwhile. The
// next wait sees the end, and the response can still be sent.
func TestRequestAndEndInOnePacket(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		for _, waiting := range []bool{false, true} {
			c, theirs := of.client(t, ClientLimits{})
			if waiting {
				done := whenParked(t, func() { sendLast(t, theirs, "request") })
				defer done()
			} else {
				sendLast(t, theirs, "request")
				require.Eventually(t, func() bool { return !c.quiet() }, patience, time.Millisecond)
			}
			got, err := read(c)
			require.NoError(t, err)
			require.Equal(t, "request", got)
			send(t, c, "response")
			expect(t, theirs, "response")
			c.Idle()
			_, err = read(c)
			require.Equal(t, io.EOF, err)
		}
	})
}

// The same at a backend. The response and the end behind it are two Reads, and the connection is
// stale.
func TestResponseAndEndInOnePacket(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		b, theirs := of.backend(t, BackendLimits{})
		b.Begin(nil)
		buf := make([]byte, 100)
		responded := make(chan struct{})
		go func() {
			defer close(responded)
			expect(t, theirs, "request")
			sendLast(t, theirs, "response")
		}()
		n, err := b.Ask([]byte("request"), buf)
		require.NoError(t, err)
		require.Equal(t, "response", string(buf[:n]))
		<-responded
		_, err = read(b)
		require.Equal(t, io.EOF, err)

		b.Begin(nil)
		_, err = b.Ask([]byte("another"), buf)
		require.Equal(t, ErrStale, err)
		assert.Zero(t, b.BytesSent())
		require.NoError(t, b.Close())
		rest, err := io.ReadAll(theirs)
		require.NoError(t, err)
		assert.Empty(t, rest, "nothing is sent to who has left")
	})
}

// readBy is a way to read a message, or the part of it that p has room for.
type readBy func(l link, p []byte) (int, error)

// A small buffer takes a part of what is there. The rest is read without anything else arriving,
// and what arrives later is waited for.
func TestShortReadThenWait(t *testing.T) {
	const message = "0123456789"
	f := func(t *testing.T, of kind, size int, first readBy, rest readBy) {
		t.Helper()
		l, theirs := of.pair(t)
		go func() {
			// Each message is sent when the last one was read, so each is waited for.
			for ack := make([]byte, 1); ; {
				if _, err := io.ReadFull(theirs, ack); err != nil {
					return
				}
				if _, err := io.WriteString(theirs, message); err != nil {
					return
				}
			}
		}()
		for range 20 {
			var got []byte
			for read := first; len(got) < len(message); read = rest {
				p := make([]byte, size)
				n, err := read(l, p)
				require.NoError(t, err)
				require.NotZero(t, n)
				got = append(got, p[:n]...)
			}
			require.Equal(t, message, string(got))
		}
		require.NoError(t, l.Close())
	}
	ack := []byte("k")
	then := func(read readBy) readBy {
		return func(l link, p []byte) (int, error) {
			if _, err := l.Write(ack); err != nil {
				return 0, err
			}
			return read(l, p)
		}
	}
	ask := func(l link, p []byte) (int, error) {
		sent, n, err := l.ask(ack, p, true)
		if sent < len(ack) && err == nil {
			return then(link.Read)(l, p)
		}
		return n, err
	}
	readLent := func(l link, p []byte) (int, error) { return l.readLent(lent(p)) }
	onBothKinds(t, func(t *testing.T, of kind) {
		for _, size := range []int{1, 3, 4, 9, 10, 11} {
			f(t, of, size, then(link.Read), link.Read)
			f(t, of, size, then(readLent), readLent)
			f(t, of, size, ask, link.Read)
		}
	})
}

// An Ask that is woken goes on where it was. Each request leaves once, and each response arrives.
func TestWokenInTheMidstOfAsk(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		b, theirs := of.backend(t, BackendLimits{Response: patience, Idle: patience})
		defer keepWaking(&b.Conn)()
		const exchanges = 100
		sizes := []int{1, 1000, 100, 300_000, 7, 50_000}
		go func() {
			for i := range exchanges {
				expect(t, theirs, text(i, sizes[i%len(sizes)]))
				send(t, theirs, text(-i, 10))
			}
		}()
		in := make([]byte, 10)
		for i := range exchanges {
			out := text(i, sizes[i%len(sizes)])
			b.Begin(nil)
			n, err := b.Ask([]byte(out), in)
			require.NoError(t, err)
			_, err = io.ReadFull(b, in[n:])
			require.NoError(t, err)
			require.Equal(t, text(-i, 10), string(in))
			require.EqualValues(t, len(out), b.BytesSent())
			require.EqualValues(t, len(in), b.BytesReceived())
		}
		require.NoError(t, b.Close())
		rest, err := io.ReadAll(theirs)
		require.NoError(t, err)
		assert.Empty(t, rest)
	})
}

// text is some text of a size. It depends on i.
func text(i, size int) string {
	const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0"
	at := (i%len(alphabet) + len(alphabet)) % len(alphabet)
	return strings.Repeat(alphabet[at:]+alphabet[:at], size/len(alphabet)+1)[:size]
}

// keepWaking wakes a connection's Reads and Writes all the time, until stop.
func keepWaking(c *Conn) (stop func()) {
	ended := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(50 * time.Microsecond)
		defer tick.Stop()
		for {
			select {
			case <-ended:
				return
			case <-tick.C:
				c.wakeRead()
				c.wakeWrite()
			}
		}
	})
	return func() {
		close(ended)
		running.Wait()
	}
}

// A wake-up that comes after its Write hits the next Ask, which goes on.
func TestWokenBeforeAsk(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		b, theirs := of.backend(t, BackendLimits{Response: patience})
		b.Begin(nil)
		b.wakeRead()
		b.wakeWrite()
		go func() {
			expect(t, theirs, "request")
			send(t, theirs, "response")
		}()
		in := make([]byte, len("response"))
		n, err := b.Ask([]byte("request"), in)
		require.NoError(t, err)
		require.Equal(t, "response", string(in[:n]))
		assert.EqualValues(t, len("request"), b.BytesSent())
	})
}

// A client that has ended its side may still read, and gets a response of any size. A client that
// resets the connection has left.
func TestHalfClosedClient(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		c, theirs := of.client(t, ClientLimits{Write: patience})
		sendLast(t, theirs, "request")
		require.Eventually(t, func() bool { return c.link.peer() == ended || !c.quiet() }, patience, time.Millisecond)
		got, err := read(c)
		require.NoError(t, err)
		require.Equal(t, "request", got)
		require.Eventually(t, func() bool { return c.link.peer() == ended }, patience, time.Millisecond)
		assert.True(t, c.Ended())
		assert.False(t, c.awaiter.hasLeft())
		response := text(1, 8<<20)
		go func() {
			_, _ = io.WriteString(c, response)
			_ = c.CloseWrite()
		}()
		all, err := io.ReadAll(theirs)
		require.NoError(t, err)
		assert.True(t, response == string(all))
	})
	onBothKinds(t, func(t *testing.T, of kind) {
		c, theirs := of.client(t, ClientLimits{})
		begin(t, c, theirs, "request")
		assert.False(t, c.Ended())
		assert.False(t, c.awaiter.hasLeft())
		require.NoError(t, theirs.CloseWrite())
		require.Eventually(t, c.Ended, patience, time.Millisecond)
		assert.False(t, c.awaiter.hasLeft())
		send(t, c, "unread, so that a reset follows")
		require.NoError(t, theirs.SetLinger(0))
		require.NoError(t, theirs.Close())
		require.Eventually(t, c.awaiter.hasLeft, patience, time.Millisecond)
		assert.True(t, c.awaiter.hasLeft(), "it doesn't come back")
		assert.True(t, c.Ended())
	})
}

// A tunnel passes the end of one side on, and what the other side still sends arrives.
func TestHalfClosedTunnel(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		c, client := of.client(t, ClientLimits{Write: patience})
		b, backend := of.backend(t, BackendLimits{Idle: patience})
		ended := make(chan error, 1)
		go func() {
			_, err := Tunnel(&c.Conn, &b.Conn, 0, &Buffers{})
			ended <- err
		}()
		up, down := text(1, 3<<20), text(2, 3<<20)
		go func() {
			_, _ = io.WriteString(client, up)
			_ = client.CloseWrite()
		}()
		got, err := io.ReadAll(backend)
		require.NoError(t, err)
		assert.True(t, up == string(got))
		sendLast := func() {
			_, _ = io.WriteString(backend, down)
			_ = backend.CloseWrite()
		}
		go sendLast()
		got, err = io.ReadAll(client)
		require.NoError(t, err)
		assert.True(t, down == string(got))
		require.NoError(t, <-ended)
	})
}
