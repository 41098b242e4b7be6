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
// TLS stands above the timeouts: to a tls.Conn, a Write that a deadline cut short is the
// connection's end, while here a deadline is a hint after which the Write goes on. So TLS reads and
// writes through a carrier, which does so within the Conn's times and knows no hints.
type secure struct {
	*tls.Conn
	carrier *carrier
	// ahead is a byte that was read before anybody asked for it, if has.
	ahead [1]byte
	has   bool
}

// newSecure makes the TLS for a connection, of the side that makes it: tls.Client or tls.Server.
func newSecure(conn net.Conn, side func(net.Conn, *tls.Config) *tls.Conn, config *tls.Config) *secure {
	c := &carrier{Conn: conn}
	return &secure{Conn: side(c, config), carrier: c}
}

// open makes the handshake.
func (s *secure) open() error { return s.carrier.explain(s.Handshake()) }

// openBefore makes the handshake before ctx ends. The connection has no times of its own yet.
func (s *secure) openBefore(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = s.carrier.SetDeadline(past) })
	err := s.open()
	if !stop() && err == nil {
		err = ErrTimeout
	}
	return err
}

// Read is tls.Conn's, but what ended the connection comes after the last bytes, and never with
// them.
func (s *secure) Read(p []byte) (int, error) {
	if s.has && len(p) > 0 {
		s.has = false
		return copy(p, s.ahead[:]), nil
	}
	n, err := s.Conn.Read(p)
	if n > 0 {
		return n, nil // tls.Conn fails with the same again
	}
	return n, s.carrier.explain(err)
}

// Write is tls.Conn's, but a timeout is a plain one.
func (s *secure) Write(p []byte) (int, error) {
	n, err := s.Conn.Write(p)
	if errors.Is(err, ErrTimeout) {
		err = ErrTimeout
	}
	return n, err
}

// readLent has nothing lent before a byte has come.
func (s *secure) readLent(l Lender) (int, error) {
	if !s.has {
		if n, err := s.Read(s.ahead[:]); n == 0 {
			return 0, err
		}
	}
	s.has = false
	buf := l.Lend()
	buf[0] = s.ahead[0]
	n, _ := s.readNow(buf[1:]) // tls.Conn fails with the same again
	return 1 + n, nil
}

func (s *secure) readEach(l Lender, used func(n int) (wait bool)) (int, error) {
	return readEach(s, l, used)
}

// ask leaves it to Write and Read.
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
// Bytes on the network don't tell: TLS 1.3 sends session tickets and key updates when it likes,
// which are no reason to give the connection up, and an alert that closes it may have been read
// already, together with the last bytes before it. A read deals with what TLS sends for itself.
func (s *secure) quiet() bool {
	if s.has {
		return false
	}
	n, err := s.readNow(s.ahead[:])
	s.has = n > 0
	return !s.has && err == errNothing
}

// closingTime is how long the alert that closes a connection may wait for room to be sent.
const closingTime = 10 * time.Millisecond

// leave sends TLS's closing alert. Whether that arrives matters to nobody: the connection is closed
// anyway.
func (s *secure) leave() {
	s.carrier.closing = true
	_ = s.Conn.Close()
}

func (s *secure) bare() link { return nil }

// errCut is an end without TLS's closing alert. An attacker in between could have made it, so what
// goes up to the end of its connection isn't complete then (RFC 9112, section 9.8).
var errCut = errors.New("the connection was closed without TLS's closing alert")

// carrier is the connection that TLS goes over: a Conn's link with the Conn's times, save for the
// handshake of a connect, which has no Conn yet, and for the closing alert.
type carrier struct {
	net.Conn
	conn *Conn
	// polling has Read not wait.
	polling bool
	// closing reports that nothing comes any more but the closing alert.
	closing bool
	// err is what the last Read failed with.
	err error
}

// Read hides its errors from TLS, to which only a temporary error isn't the end: after a timeout or
// an Interrupt the connection may be read again.
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
		err = errCut
	case err != nil:
		c.err, err = err, errNothing
	}
	return n, err
}

// explain is the error of a Read of TLS's, as it was before TLS saw it.
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

// SetWriteDeadline is called by tls.Conn before and after its closing alert, and only then. One
// that ends one direction of a tunnel takes the time that any Write has.
func (c *carrier) SetWriteDeadline(time.Time) error {
	if c.closing {
		return c.Conn.SetWriteDeadline(time.Now().Add(closingTime))
	}
	return nil
}

// Close leaves it to the Conn.
func (c *carrier) Close() error { return nil }
