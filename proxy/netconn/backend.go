package netconn

import (
	"net"
	"time"
)

// BackendLimits are how long a backend may keep us waiting. 0 is for ever.
type BackendLimits struct {
	// Connect is for the whole connect, the name's lookup included.
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

// Dial connects to "host:port" over IPv6 or IPv4; the connection is a *Backend.
func (d *Dialer) Dial(addr string) (net.Conn, error) {
	conn, err := d.connect(addr)
	if err != nil {
		return nil, err
	}
	b := &Backend{timed: timed{Conn: conn}, dialer: d, limits: &d.limits, addr: addr, probe: newProbe(conn)}
	d.registry.add(&b.timed)
	return b, nil
}

func (d *Dialer) connect(addr string) (net.Conn, error) {
	return net.DialTimeout("tcp", addr, d.limits.Connect)
}

// Backend is a connection to a backend, used for one exchange of a request and its answer after the other.
// One goroutine at a time may use it.
type Backend struct {
	timed
	dialer *Dialer
	limits *BackendLimits
	addr   string
	probe  *probe
	// used says that an exchange went over the connection.
	used bool
	// sent and received count the bytes of this exchange.
	sent, received int64
	// totalDue is when this exchange will be overdue, answerDue when its answer's header will; 0 is never.
	totalDue, answerDue int64
	relaying            bool
}

// Begin starts an exchange. False says that the connection can't be used for it: since the last exchange
// the backend has closed it, or sent what nobody asked for.
func (b *Backend) Begin() bool {
	b.sent, b.received, b.err = 0, 0, nil
	b.totalDue, b.answerDue = b.in(b.limits.Total), 0
	b.relaying = false
	reused := b.used
	b.used = true
	return !reused || b.probe.quiet()
}

// Renew connects anew, and closes the connection before, unless no exchange went over that: the next one can't find the
// connection closing. It takes the place of one connection, so that however many are kept, the others stay.
func (b *Backend) Renew() error {
	if !b.used {
		return nil
	}
	conn, err := b.dialer.connect(b.addr)
	if err != nil {
		return err
	}
	b.registry.replace(&b.timed, conn)
	b.probe, b.used = newProbe(conn), false
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
func (b *Backend) Quiet() bool { return b.probe.quiet() }

// Relay says that the answer's header was read: from now on limits.Idle is between the bytes of its body.
func (b *Backend) Relay() { b.relaying = true }

// Read reads the answer.
func (b *Backend) Read(p []byte) (int, error) {
	due := b.answerDue
	if b.relaying {
		due = b.in(b.limits.Idle)
	}
	n, err := b.read(p, soonest(due, b.totalDue))
	b.received += int64(n)
	return n, err
}

// Write sends a part of the request.
func (b *Backend) Write(p []byte) (int, error) {
	n, err := b.write(p, b.limits.Idle, b.totalDue)
	b.sent += int64(n)
	return n, err
}

// Close closes the connection.
func (b *Backend) Close() error { return b.close() }
