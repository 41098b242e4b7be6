package netconn

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// Close ends each call that waits for the other side, and does not wait itself.
func TestCloseWhileWaiting(t *testing.T) {
	buf := make([]byte, 100)
	much := make([]byte, 64<<20)
	waits := map[string]func(l link) error{
		"Read":     func(l link) error { _, err := l.Read(buf); return err },
		"readLent": func(l link) error { _, err := l.readLent(lent(buf)); return err },
		"Write":    func(l link) error { _, err := l.Write(much); return err },
		"ask": func(l link) error {
			sent, n, err := l.ask([]byte("request"), buf, false)
			if err == nil && n == 0 {
				assert.Zero(t, sent)
				_, err = l.Read(buf)
			}
			return err
		},
	}
	onBothKinds(t, func(t *testing.T, of kind) {
		for name, wait := range waits {
			l, _ := of.pair(t)
			done := whenParked(t, func() { assert.NoError(t, l.Close(), name) })
			assert.ErrorIs(t, wait(l), net.ErrClosed, name)
			done()
			assert.ErrorIs(t, wait(l), net.ErrClosed, "%s after Close", name)
		}
	})
}

// Cut does the same to a registry's connections, whose users find out.
func TestCutWhileWaiting(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		c, theirs := of.client(t, ClientLimits{})
		done := whenParked(t, func() { c.registry.Cut() })
		_, err := comes(c, make([]byte, 1))
		done()
		requireCut(t, err)
		_, err = theirs.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)

		b, _ := of.backend(t, BackendLimits{})
		b.Begin(nil)
		done = whenParked(t, func() { b.registry.Cut() })
		_, err = b.Ask([]byte("request"), make([]byte, 1))
		done()
		requireCut(t, err)
	})
}

func requireCut(t *testing.T, err error) {
	t.Helper()
	require.True(t, errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF), "%v", err)
}

// number is the number of a connection's descriptor.
func number(t *testing.T, c net.Conn) (fd uintptr) {
	t.Helper()
	rc, err := c.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	require.NoError(t, rc.Control(func(n uintptr) { fd = n }))
	return fd
}

// The number of a closed connection's descriptor goes to the next connection. Calls on the closed
// connection, even those that ran while it was closed, take no byte from the next one and add none.
func TestDescriptorGivenToAnother(t *testing.T) { giveDescriptors(t, 5) }

func giveDescriptors(t *testing.T, times int) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	f := func(t *testing.T, of kind) {
		t.Helper()
		ours, theirs := connect(t, ln)
		guard(t, ours)
		was := number(t, ours)
		defer hammer(of(ours), theirs)()
		require.NoError(t, ours.Close())
		next, theirs := connect(t, ln)
		for number(t, next) != was && number(t, theirs) != was {
			next, theirs = connect(t, ln) // It was still in use.
		}
		guard(t, next)
		exchange(t, of(next), theirs)
	}
	onBothKinds(t, func(t *testing.T, of kind) {
		for range times {
			f(t, of)
		}
	})
}

// exchange sends in both directions of a connection, and checks that nothing else comes.
func exchange(t *testing.T, ours link, theirs *net.TCPConn) {
	t.Helper()
	for i := range 10 {
		send(t, ours, text(i, 10))
		expect(t, theirs, text(i, 10))
		send(t, theirs, text(-i, 10))
		expect(t, ours, text(-i, 10))
	}
	require.NoError(t, ours.Close())
	rest, err := io.ReadAll(theirs)
	require.NoError(t, err)
	require.Empty(t, rest)
	require.NoError(t, theirs.Close())
}

// hammer makes every kind of call on a connection at once, until stop, and keeps bytes coming and
// going. When it returns, each kind has been made.
func hammer(l link, theirs net.Conn) (stop func()) {
	var begun, running sync.WaitGroup
	var stopped atomic.Bool
	repeat := func(use func()) {
		begun.Add(1)
		running.Go(func() {
			use()
			begun.Done()
			for !stopped.Load() {
				use()
			}
		})
	}
	buf := make([]byte, 100)
	repeat(func() {
		_, _ = l.Read(buf)
		_, _ = l.readLent(lent(buf))
		_, _, _ = l.ask([]byte("ask"), buf, false)
		l.quiet()
	})
	repeat(func() { _, _ = l.Write([]byte("write")) })
	repeat(func() { l.peer() })
	// Without the wrappers the kernel would copy, through descriptors that stay open for a while.
	running.Go(func() { _, _ = io.Copy(struct{ io.Writer }{theirs}, struct{ io.Reader }{theirs}) })
	begun.Wait()
	return func() {
		stopped.Store(true)
		theirs.Close()
		running.Wait()
	}
}

// Many clients come and go in every way, over links of both kinds in turn. They leave no descriptor
// and no goroutine behind.
func TestConnectsAndDisconnects(t *testing.T) { comeAndGo(t, 4_000) }

func comeAndGo(t *testing.T, connects int) {
	// Each listener has at most as many connections as there are ports, and some still linger.
	const listeners, workers = 4, 16
	ours, theirs := pair(t) // After this, the runtime has opened what all connections share.
	exchange(t, newLink(ours), theirs)
	files, others := openFiles(t), goleak.IgnoreCurrent()
	var lns []net.Listener
	for range listeners {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		lns = append(lns, ln)
	}
	all := NewClients(ClientLimits{Header: patience, Idle: patience, Write: patience})
	var serving, coming sync.WaitGroup
	for _, ln := range lns {
		serving.Go(func() { serve(ln, all) })
	}
	for w := range workers {
		coming.Go(func() {
			for i := w; i < connects; i += workers {
				if !assert.NoError(t, visit(lns[w%listeners].Addr(), i/workers)) {
					return
				}
			}
		})
	}
	coming.Wait()
	for _, ln := range lns {
		require.NoError(t, ln.Close())
	}
	serving.Wait()
	assert.Zero(t, all.Len())
	assert.Equal(t, files, openFiles(t))
	goleak.VerifyNone(t, others)
}

// serve echoes what comes to a listener, until it is closed and all clients have gone.
func serve(ln net.Listener, all *Clients) {
	var clients sync.WaitGroup
	defer clients.Wait()
	for i := 0; ; i++ {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		c := all.Add(conn, nil)
		if i%2 == 0 {
			all.mu.Lock()
			c.link = newPlain(conn)
			all.mu.Unlock()
		}
		clients.Go(func() {
			defer c.Close()
			echo(c)
		})
	}
}

// echo responds to each request with a copy of it.
func echo(c *Client) {
	for buf := make([]byte, 100); ; c.Idle() {
		n, err := comes(c, buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

// visit connects, and leaves in a way that depends on i: at once; after a response; after its own
// end and a response; by a reset while it is idle, has sent a request, or has a response to read.
func visit(to net.Addr, i int) error {
	conn, err := net.Dial(to.Network(), to.String())
	if err != nil {
		return err
	}
	c := conn.(*net.TCPConn)
	defer c.Close()
	way := i % 6
	if way > 0 && way != 3 {
		if _, err := io.WriteString(c, "request"); err != nil {
			return err
		}
	}
	switch way {
	case 1, 5:
		_, err = io.ReadFull(c, make([]byte, len("request")))
	case 2:
		if err = c.CloseWrite(); err == nil {
			_, err = io.ReadAll(c)
		}
	}
	if way >= 3 && err == nil {
		err = c.SetLinger(0)
	}
	return err
}
