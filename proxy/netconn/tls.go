package netconn

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

// secure is the layer of a connection with TLS.
//
// TLS stands above the timeouts. A tls.Conn is broken once a deadline has cut a Write short, while
// here a deadline is a hint, and the Write goes on after it. So TLS reads and writes through a
// carrier, which keeps the Conn's times and hides the hints.
type secure struct {
	*tls.Conn
	carrier *carrier
	// ahead is a byte that was read ahead, if has is true.
	ahead [1]byte
	has   bool
}

// secureClient makes TLS over a client's connection.
func secureClient(conn net.Conn, config *tls.Config) *secure {
	c := &carrier{Conn: conn, cut: errClientCut}
	return &secure{Conn: tls.Server(c, config), carrier: c}
}

// secureBackend makes TLS over a connection to a backend.
func secureBackend(conn net.Conn, config *tls.Config) *secure {
	c := &carrier{Conn: conn, cut: errBackendCut}
	return &secure{Conn: tls.Client(c, config), carrier: c}
}

// open makes the handshake.
func (s *secure) open() error { return s.carrier.explain(s.Handshake()) }

// openBefore makes the handshake before ctx ends, on a connection that has no Conn yet.
func (s *secure) openBefore(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = s.carrier.SetDeadline(past) })
	err := s.open()
	if !stop() && err == nil {
		err = ErrTimeout
	}
	return err
}

// Read reads like tls.Conn, but returns the error that ended the connection after the last bytes,
// never with them.
func (s *secure) Read(p []byte) (int, error) {
	if s.has && len(p) > 0 {
		s.has = false
		return copy(p, s.ahead[:]), nil
	}
	n, err := s.Conn.Read(p)
	if n > 0 {
		return n, nil // The next Read fails with the error.
	}
	return n, s.carrier.explain(err)
}

// Write writes like tls.Conn, but doesn't wrap ErrTimeout.
func (s *secure) Write(p []byte) (int, error) {
	n, err := s.Conn.Write(p)
	if errors.Is(err, ErrTimeout) {
		err = ErrTimeout
	}
	return n, err
}

// readLent borrows memory only when a byte has come.
func (s *secure) readLent(l Lender) (int, error) {
	if !s.has {
		if n, err := s.Read(s.ahead[:]); n == 0 {
			return 0, err
		}
	}
	s.has = false
	buf := l.Lend()
	buf[0] = s.ahead[0]
	n, _ := s.readNow(buf[1:]) // The next Read fails with the error.
	return 1 + n, nil
}

func (s *secure) readEach(l Lender, arrived func(n int) (wait bool)) (int, error) {
	return readEach(s, l, arrived)
}

// ask leaves the exchange to Write and Read.
func (s *secure) ask(_, _ []byte, reused bool) (sent, n int, err error) {
	if reused && !s.quiet() {
		return 0, 0, ErrStale
	}
	return 0, 0, nil
}

// readNow is Read, but fails with errNothing instead of waiting.
func (s *secure) readNow(p []byte) (int, error) {
	s.carrier.polling = true
	defer func() { s.carrier.polling = false }()
	return s.Read(p)
}

// quiet reads without waiting, and keeps the byte that it may find.
//
// The bytes on the network don't show whether the other side is quiet. TLS 1.3 sends session
// tickets and key updates at any time, which are no reason to give the connection up. And the alert
// that closes it may already have been read, together with the bytes before it. A read handles
// both.
func (s *secure) quiet() bool {
	if s.has {
		return false
	}
	n, err := s.readNow(s.ahead[:])
	s.has = n > 0
	return !s.has && err == errNothing
}

// closingTime is how long the closing alert may wait for room in the send buffer.
const closingTime = 10 * time.Millisecond

// leave sends TLS's closing alert. Its errors don't matter, since the connection is closed next.
func (s *secure) leave() {
	s.carrier.closing = true
	_ = s.Conn.Close()
}

func (s *secure) bare() link { return nil }

// An end without TLS's closing alert. An attacker on the way could have made it, so a message that
// ends with its connection isn't complete then (RFC 9112, section 9.8).
var (
	errClientCut  = errors.New("the client closed the connection without TLS's closing alert")
	errBackendCut = errors.New("the backend closed the connection without TLS's closing alert")
)

// carrier is the net.Conn that TLS goes over: a Conn's link, with the Conn's times. The handshake
// of a connect goes over the net.Conn itself, as there is no Conn yet.
type carrier struct {
	net.Conn
	conn *Conn
	// cut is the error of an end without the closing alert.
	cut error
	// polling makes Read not wait.
	polling bool
	// closing reports whether only the closing alert is still written.
	closing bool
	// err is the error of the last Read that failed.
	err error
}

// Read shows TLS errNothing in place of any other error, since TLS goes on after a temporary error
// only. The connection may be read again after a timeout or an Interrupt.
func (c *carrier) Read(p []byte) (n int, err error) {
	switch {
	case c.conn == nil:
		n, err = c.Conn.Read(p)
	case c.polling:
		n, err = c.conn.link.readNow(p)
	default:
		n, err = c.conn.receive(func() (int, error) { return c.conn.link.Read(p) })
	}
	switch {
	case err == io.EOF:
		err = c.cut
	case err != nil:
		c.err, err = err, errNothing
	}
	return n, err
}

// explain returns the error of a TLS Read as it was before TLS saw it.
func (c *carrier) explain(err error) error {
	if err == errNothing {
		return c.err
	}
	return err
}

func (c *carrier) Write(p []byte) (int, error) {
	switch {
	case c.conn == nil:
		return c.Conn.Write(p)
	case c.closing:
		return c.conn.link.Write(p)
	}
	return c.conn.transmit(p)
}

// SetWriteDeadline is called by tls.Conn around its closing alert, and only then. An alert that
// ends one direction of a tunnel has the time of any Write.
func (c *carrier) SetWriteDeadline(time.Time) error {
	if c.closing {
		return c.Conn.SetWriteDeadline(time.Now().Add(closingTime))
	}
	return nil
}

// Close does nothing: the Conn closes the link.
func (c *carrier) Close() error { return nil }
