package netconn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"sync"
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
	each  each
}

// secureClient makes TLS over a client's connection.
func secureClient(conn net.Conn, config *tls.Config) *secure {
	c := newCarrier(conn, errClientCut)
	s := &secure{Conn: tls.Server(c, config), carrier: c}
	s.each.came = s.came
	return s
}

// secureBackend makes TLS over a connection to a backend.
func secureBackend(conn net.Conn, config *tls.Config) *secure {
	c := newCarrier(conn, errBackendCut)
	return &secure{Conn: tls.Client(c, config), carrier: c}
}

// open makes the handshake.
func (s *secure) open() error { return s.carrier.explain(s.Handshake()) }

// Secured is what a handshake with a client agreed on.
type Secured struct {
	// Name is the host that the client asked for (SNI), in any case; "" if it named none.
	Name string
	// Version is that of TLS: tls.VersionTLS12 or tls.VersionTLS13.
	Version uint16
	// Certificate is the client's, which was verified; nil if it has none.
	Certificate *x509.Certificate
	// Protocol is what is spoken (ALPN); "" if the client didn't care.
	Protocol string
	// described is what Describe has made of the certificate.
	describe  sync.Once
	described any
}

// Describe returns what describe makes of the client's certificate; nil if there is none. Each
// connection's is made once, whatever describe is given later.
func (s *Secured) Describe(describe func(*x509.Certificate) any) any {
	if s == nil || s.Certificate == nil {
		return nil
	}
	s.describe.Do(func() { s.described = describe(s.Certificate) })
	return s.described
}

// handshakeOnly is the protocol of an authority that looks at a certificate and wants nothing else
// (RFC 8737, section 3).
const handshakeOnly = "acme-tls/1"

// isOver reports whether nothing may come behind the handshake.
func (s *Secured) isOver() bool { return s != nil && s.Protocol == handshakeOnly }

// agreed returns what the handshake agreed on.
func (s *secure) agreed() *Secured {
	state := s.ConnectionState()
	agreed := &Secured{Name: state.ServerName, Version: state.Version, Protocol: state.NegotiatedProtocol}
	if len(state.VerifiedChains) > 0 {
		agreed.Certificate = state.VerifiedChains[0][0]
	}
	return agreed
}

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

// Write writes like tls.Conn, but sends all records at once, and doesn't wrap ErrTimeout.
func (s *secure) Write(p []byte) (int, error) {
	n, err := s.write(p)
	if errors.Is(err, ErrTimeout) {
		err = ErrTimeout
	}
	return n, err
}

func (s *secure) write(p []byte) (int, error) {
	if len(p) <= recordSize {
		return s.Conn.Write(p)
	}
	s.carrier.out.gather()
	n, err := s.Conn.Write(p)
	sent, failed := s.carrier.out.sendAll()
	if err == nil && failed != nil {
		return min(sent, n), failed
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

func (s *secure) drained() bool { return s.carrier.drained }

func (s *secure) bare() link { return nil }

// An end without TLS's closing alert. An attacker on the way could have made it, so a message that
// ends with its connection isn't complete then (RFC 9112, section 9.8).
var (
	errClientCut  = errors.New("the client closed the connection without TLS's closing alert")
	errBackendCut = errors.New("the backend closed the connection without TLS's closing alert")
)

// ErrNothingSent is the error of a TLS handshake whose client left before it sent anything, as
// health checks of load balancers do.
var ErrNothingSent = errors.New("the client left before it sent anything")

// carrier is the net.Conn that TLS goes over: a Conn's link, with the Conn's times. The handshake
// of a connect goes over the net.Conn itself, as there is no Conn yet.
type carrier struct {
	net.Conn
	conn *Conn
	// cut is the error of an end without the closing alert.
	cut error
	// sealed was read before TLS asked for it.
	sealed  sealed
	records records
	// polling makes Read not wait, and here not read from the link.
	polling, here bool
	// drained reports whether the last Read brought TLS one whole record, from what was read within
	// a wait, and nothing else of that is left.
	drained bool
	// dry reports whether TLS has nothing: all that came was read through it.
	dry bool
	// told reports whether anything was sent. closing reports whether only the closing alert still
	// is.
	told, closing bool
	// err is the error of the last Read that failed.
	err error
	// computing has a client's handshake compute in its turn; nil after it.
	computing *computing
	out       outbox
}

func newCarrier(conn net.Conn, cut error) *carrier {
	c := &carrier{Conn: conn, cut: cut}
	c.out.send = c.send
	c.sealed.records = &c.records
	return c
}

// computing is a handshake's part in the computing of all. It computes from when a Read has
// brought something until the next Read.
type computing struct {
	turns *turns
	// left is how long it may wait for a turn; 0 is for ever.
	left func() time.Duration
	// evicted ends the wait: see shaking.
	evicted <-chan struct{}
	now     bool
	// reason is why the handshake fails, if Fails was called.
	reason error
}

func (c *computing) start() error {
	if c == nil || c.now {
		return nil
	}
	err := c.turns.take(c.left(), c.evicted)
	c.now = err == nil
	return err
}

func (c *computing) rest() {
	if c != nil && c.now {
		c.turns.giveBack()
		c.now = false
	}
}

// OutOfTurn calls f, which waits for something else than the client, while another handshake may
// compute. A tls.Config's functions find it by ClientHelloInfo.Conn. It fails if no turn comes in
// time behind f.
func (c *carrier) OutOfTurn(f func()) error {
	c.computing.rest()
	f()
	return c.computing.start()
}

// Fails notes why the handshake is about to fail, where the error of crypto/tls would say less. A
// tls.Config's functions find it by ClientHelloInfo.Conn.
func (c *carrier) Fails(reason error) {
	if c.computing != nil {
		c.computing.reason = reason
	}
}

// Read shows TLS errNothing in place of any other error, since TLS goes on after a temporary error
// only. The connection may be read again after a timeout or an Interrupt.
func (c *carrier) Read(p []byte) (n int, err error) {
	c.computing.rest()
	n, err = c.read(p[:c.records.most(len(p))])
	c.dry = c.dry && n == 0
	c.drained = c.records.came(p[:n]) && c.here && len(c.sealed.rest) == 0
	return n, err
}

func (c *carrier) read(p []byte) (n int, err error) {
	if len(c.sealed.rest) > 0 {
		return c.sealed.take(p), nil
	}
	switch {
	case c.here:
		err = errNothing
	case c.conn == nil:
		n, err = c.Conn.Read(p)
	case c.polling:
		n, err = c.conn.link.readNow(p)
	default:
		n, err = c.conn.receive(func() (int, error) { return c.conn.link.Read(p) })
	}
	if n > 0 && err == nil {
		err = c.computing.start()
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

func (c *carrier) Write(p []byte) (int, error) { return c.out.write(p) }

func (c *carrier) send(p []byte) (int, error) {
	c.told = true
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
