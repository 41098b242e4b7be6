package netconn

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

// secure is TLS over a backend's connection.
//
// It stands above the timeouts, not below them: to a tls.Conn, a Write that a deadline cut short is
// the connection's end, and here deadlines are hints after which a Write goes on. So what TLS reads
// and writes is a carrier, which does so with the Backend's own timeouts and knows of no hints.
type secure struct {
	*tls.Conn
	carrier *carrier
	// ahead is a byte of an answer that quiet came upon, if has.
	ahead [1]byte
	has   bool
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
	return n, err
}

// readLent is Read into what l lends, which it does when a byte has come.
func (s *secure) readLent(l Lender) (int, error) {
	if !s.has {
		if n, err := s.Conn.Read(s.ahead[:]); n == 0 {
			return 0, err
		}
	}
	s.has = false
	buf := l.Lend()
	buf[0] = s.ahead[0]
	n, _ := s.poll(buf[1:]) // tls.Conn fails with the same again
	return 1 + n, nil
}

// poll is tls.Conn's Read, but fails with errNothing where that would wait.
func (s *secure) poll(p []byte) (int, error) {
	s.carrier.polling = true
	defer func() { s.carrier.polling = false }()
	return s.Conn.Read(p)
}

// quiet says that the backend has sent no part of an answer, and closed nothing.
//
// Bytes on the network don't tell: TLS 1.3 sends session tickets and key updates when it likes,
// which are no reason to give the connection up, and an alert that closes it may have been read
// already, together with the end of the last answer. So this reads, without waiting: what TLS sends
// for itself is dealt with in passing.
func (s *secure) quiet() bool {
	if s.has {
		return false
	}
	n, err := s.poll(s.ahead[:])
	s.has = n > 0
	return !s.has && err == errNothing
}

// closingTime is how long the alert that closes a connection may wait for room to be sent.
const closingTime = 10 * time.Millisecond

// close tells the backend that nothing more will come. Whether that arrives matters to nobody: the
// connection is closed anyway.
func (s *secure) close() {
	s.carrier.closing = true
	_ = s.Conn.Close()
}

// errCut says that a connection ended as an attacker in between could have made it end. An answer
// that goes up to the end of its connection isn't complete then (RFC 9112, section 9.8).
var errCut = errors.New("the backend closed the connection without TLS's closing alert")

// errNothing says that there is nothing to read now. To a tls.Conn, only what is temporary isn't
// the end.
var errNothing net.Error = nothing{}

type nothing struct{}

func (nothing) Error() string   { return "nothing to read" }
func (nothing) Timeout() bool   { return true }
func (nothing) Temporary() bool { return true }

// carrier is the connection that TLS goes over: a Backend's, with its timeouts, save for the
// handshake and for the closing alert.
type carrier struct {
	net.Conn
	backend *Backend
	poller  poller
	// polling has Read not wait.
	polling bool
	// flow is the direction of a tunnel that reads from here; nil before there is one.
	flow *flow
	// closing says that nothing comes any more but the closing alert.
	closing bool
}

// carry has TLS go over a Backend from now on, which goes over conn.
func (c *carrier) carry(b *Backend, conn net.Conn) {
	c.backend = b
	c.poller.watch(conn)
}

func (c *carrier) Read(p []byte) (n int, err error) {
	switch {
	case c.polling:
		n, err = c.poller.Read(p)
	case c.flow != nil:
		n, err = c.flow.receive(p)
	case c.backend != nil:
		n, err = c.backend.receive(p)
	default:
		n, err = c.Conn.Read(p)
	}
	if err == io.EOF {
		err = errCut
	}
	return n, err
}

func (c *carrier) Write(p []byte) (int, error) {
	if c.backend != nil && !c.closing {
		return c.backend.transmit(p)
	}
	return c.Conn.Write(p)
}

// SetWriteDeadline is what tls.Conn calls before and after its closing alert, and only then. One
// that ends one direction of a tunnel takes the time that any Write has.
func (c *carrier) SetWriteDeadline(time.Time) error {
	if c.closing {
		return c.Conn.SetWriteDeadline(time.Now().Add(closingTime))
	}
	return nil
}

// Close leaves it to the Backend, whose connection it is.
func (c *carrier) Close() error { return nil }
