package netconn

import (
	"net"
	"time"
)

// BackendLimits are how long a backend may keep us waiting. 0 is for ever.
type BackendLimits struct {
	// Connect is for the whole connect, the name's lookup and the TLS handshake included.
	Connect time.Duration
	// Answer is from the end of the request to the end of the answer's header.
	Answer time.Duration
	// Idle is between bytes, both ways.
	Idle time.Duration
	// Total is for the whole exchange, from its start to the answer's last byte.
	Total time.Duration
}

// Dialer connects to backends.
type Dialer struct {
	registry *Registry
	limits   BackendLimits
}

// NewDialer makes a dialer with a registry of its own for its connections.
func NewDialer(limits BackendLimits) *Dialer {
	return &Dialer{registry: newRegistry(limits.Answer, limits.Idle, limits.Total), limits: limits}
}

// Dial connects to a target; the connection is a *Backend.
func (d *Dialer) Dial(t Target) (net.Conn, error) {
	conn, secure, err := t.connect(d.limits.Connect)
	if err != nil {
		return nil, err
	}
	b := &Backend{timed: timed{Conn: conn}, limits: &d.limits, target: t}
	b.goOver(conn, secure)
	d.registry.add(&b.timed)
	return b, nil
}

// Backend is a connection to a backend, used for one exchange of a request and its answer after the other.
// One goroutine at a time may use it.
type Backend struct {
	timed
	limits *BackendLimits
	target Target
	probe  *probe
	// secure is the TLS that exchanges go through; nil without.
	secure *secure
	// used says that an exchange went over the connection.
	used bool
	// sent and received count the bytes of this exchange.
	sent, received int64
	// totalDue is when this exchange will be overdue, answerDue when its answer's header will; 0 is never.
	totalDue, answerDue int64
	relaying            bool
}

// goOver has the next exchange go over a connection that nothing was sent on.
func (b *Backend) goOver(conn net.Conn, secure *secure) {
	b.probe, b.secure, b.used = newProbe(conn), secure, false
	if secure != nil {
		secure.carrier.carry(b)
	}
}

// Begin starts an exchange. False says that the connection can't be used for it: since the last exchange
// the backend has closed it, or sent what nobody asked for.
func (b *Backend) Begin() bool {
	b.sent, b.received, b.err = 0, 0, nil
	b.totalDue, b.answerDue = b.in(b.limits.Total), 0
	b.relaying = false
	reused := b.used
	b.used = true
	return !reused || b.Quiet()
}

// Renew connects anew, and closes the connection before, unless no exchange went over that: the next one can't find the
// connection closing. It takes the place of one connection, so that however many are kept, the others stay.
func (b *Backend) Renew() error {
	if !b.used {
		return nil
	}
	conn, secure, err := b.target.connect(b.limits.Connect)
	if err != nil {
		return err
	}
	b.endTLS()
	b.registry.replace(&b.timed, conn)
	b.goOver(conn, secure)
	return nil
}

// Sent is how many bytes of this exchange's request were written.
func (b *Backend) Sent() int64 { return b.sent }

// Received is how many bytes came back in this exchange.
func (b *Backend) Received() int64 { return b.received }

// AwaitAnswer says that the request was sent: from now on the answer's header may take limits.Answer.
func (b *Backend) AwaitAnswer() { b.answerDue = b.in(b.limits.Answer) }

// Quiet says that the backend has sent nothing that wasn't read, and closed nothing. Where the system
// can't tell, it is taken to be.
func (b *Backend) Quiet() bool {
	if b.secure != nil {
		return b.secure.quiet()
	}
	return b.probe.quiet()
}

// Relay says that the answer's header was read: from now on limits.Idle is between the bytes of its body.
func (b *Backend) Relay() { b.relaying = true }

// Read reads the answer.
func (b *Backend) Read(p []byte) (n int, err error) {
	if b.secure == nil {
		n, err = b.receive(p)
	} else if n, err = b.secure.Read(p); err != nil && b.err != ErrTimeout {
		b.err = err
	}
	b.received += int64(n)
	return n, err
}

// receive reads from the network.
func (b *Backend) receive(p []byte) (int, error) {
	due := b.answerDue
	if b.relaying {
		due = b.in(b.limits.Idle)
	}
	return b.read(p, soonest(due, b.totalDue))
}

// Write sends a part of the request.
func (b *Backend) Write(p []byte) (n int, err error) {
	if b.secure == nil {
		n, err = b.transmit(p)
	} else if n, err = b.secure.Write(p); err != nil && b.err != ErrTimeout {
		b.err = err
	}
	b.sent += int64(n)
	return n, err
}

// transmit writes to the network.
func (b *Backend) transmit(p []byte) (int, error) { return b.write(p, b.limits.Idle, b.totalDue) }

// endTLS says by TLS that the connection ends, unless it is broken.
func (b *Backend) endTLS() {
	if b.secure != nil && b.err == nil {
		b.secure.close()
	}
}

// Close closes the connection.
func (b *Backend) Close() error {
	b.endTLS()
	return b.close()
}
