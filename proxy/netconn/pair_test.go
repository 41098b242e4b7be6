package netconn

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	// patience bounds what must happen soon; nothing waits for it to pass.
	patience = 10 * time.Second
	// brief is a timeout that tests wait for.
	brief = 120 * time.Millisecond
	// slack is how late the tick allows a brief timeout to be, and how late a busy machine may make
	// it besides.
	slack = 5 * time.Second
)

// pair is a connection's two ends. They are closed with the test.
func pair(t *testing.T) (ours, theirs *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	return connect(t, ln)
}

// connect is the two ends of a connection to a listener. They are closed with the test.
func connect(t *testing.T, ln net.Listener) (ours, theirs *net.TCPConn) {
	t.Helper()
	c, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	s, err := ln.Accept()
	require.NoError(t, err)
	t.Cleanup(func() {
		c.Close()
		s.Close()
	})
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	return s.(*net.TCPConn), c.(*net.TCPConn)
}

// client is a client's connection and its other end.
func client(t *testing.T, limits ClientLimits) (*Clients, *Client, *net.TCPConn) {
	t.Helper()
	ours, theirs := pair(t)
	all := NewClients(limits)
	c := all.Add(ours, nil)
	t.Cleanup(func() { c.Close() })
	return all, c, theirs
}

// lent lends the same buffer each time.
type lent []byte

func (l lent) Lend() []byte { return l }
func (l lent) GiveBack()    {}

// first is a Handler that serves nothing from within the wait.
type first struct {
	lent
	n int
}

func (f *first) Arrived(n int) Verdict {
	f.n = n
	return Attend
}

func (f *first) Attend() Verdict { return End }

// awaits waits for requests like Serve, until the verdict is another one.
func awaits(c *Client, h Handler) Verdict {
	w := &c.wait
	w.handler, w.verdict = h, Wait
	for w.verdict == Wait || w.verdict == Ignore {
		w.verdict = c.await()
	}
	return w.verdict
}

// comes returns how many bytes of a request come from a client; io.EOF if none do.
func comes(c *Client, buf []byte) (int, error) {
	f := &first{lent: buf}
	if awaits(c, f) == End {
		return 0, io.EOF
	}
	return f.n, nil
}

// read returns what one Read does, or what comes first if no request has begun.
func read(c net.Conn) (string, error) {
	buf := make([]byte, 100)
	if c, ok := c.(*Client); ok && c.phase == inWait {
		n, err := comes(c, buf)
		return string(buf[:n]), err
	}
	n, err := c.Read(buf)
	return string(buf[:n]), err
}

// takes checks that f takes at least min, and not much longer.
func takes(t *testing.T, least time.Duration, f func()) {
	t.Helper()
	begin := time.Now()
	f()
	took := time.Since(begin)
	require.GreaterOrEqual(t, took, least)
	require.Less(t, took, least+slack)
}

// tcp is the target of a listener on TCP.
func tcp(ln net.Listener) Target { return Target{Network: "tcp", Addr: ln.Addr().String()} }
