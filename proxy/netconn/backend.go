package netconn

import (
	"context"
	"net"
	"sync/atomic"
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
	// Age is for a connection's whole life, less a fifth at most. It ends between two exchanges.
	Age time.Duration
}

// Backend is a connection to a backend, used for one exchange of a request and its answer after the
// other. One goroutine reads and another may write.
type Backend struct {
	timed
	limits *BackendLimits
	target Target
	// name is what the connection's address was looked up by; nil for a unix socket.
	name *name
	keeping
	// secure is the TLS that exchanges go through; nil without.
	secure *secure
	// connecting is how long the connect took.
	connecting time.Duration
	// used says that an exchange went over the connection, reused that another one does now.
	used, reused bool
	// sent and received count the bytes of this exchange.
	sent, received int64
	// totalDue is when this exchange will be overdue, answerDue when its answer's header will; 0 is
	// never.
	totalDue  int64
	answerDue atomic.Int64
	relaying  bool
}

// goOver has the next exchange go over a connection that nothing was sent on.
func (b *Backend) goOver(conn net.Conn, secure *secure) {
	b.secure, b.used = secure, false
	if secure != nil {
		secure.carrier.carry(b, conn)
	}
}

// Begin starts an exchange for a client, whose reset ends it; nil is nobody who could leave.
func (b *Backend) Begin(client *Client) {
	b.sent, b.received = 0, 0
	b.readErr, b.writeErr = nil, nil
	b.totalDue = b.in(b.limits.Total)
	b.answerDue.Store(0)
	b.relaying = false
	b.reused, b.used = b.used, true
	b.timed.client.Store(client)
	b.Resume()
}

// Connecting is for how long the exchange had to wait for the connect; 0 if the connection was
// kept.
func (b *Backend) Connecting() time.Duration {
	if b.reused {
		return 0
	}
	return b.connecting
}

// End ends an exchange. The connection may wait for the next one.
func (b *Backend) End() { b.timed.client.Store(nil) }

// Stale says that the connection can't be used for the exchange: since the last one the backend has
// closed it, or sent what nobody asked for. Ask looks by itself.
func (b *Backend) Stale() bool { return b.reused && !b.quiet() }

// quiet says that the backend has sent nothing that wasn't read, and closed nothing.
func (b *Backend) quiet() bool {
	if b.secure != nil {
		return b.secure.quiet()
	}
	return b.link.quiet()
}

// Renew connects anew, and closes the connection before, unless no exchange went over that: the
// next one can't find the connection closing. It takes the place of one connection, so that however
// many are kept, the others stay.
func (b *Backend) Renew() error {
	if !b.used {
		return nil
	}
	conn, secure, err := b.connect(context.Background())
	if err != nil {
		return err
	}
	b.endTLS()
	b.registry.replace(&b.timed, conn)
	b.goOver(conn, secure)
	b.startAge()
	return nil
}

// Sent is how many bytes of this exchange's request were written.
func (b *Backend) Sent() int64 { return b.sent }

// Received is how many bytes came back in this exchange.
func (b *Backend) Received() int64 { return b.received }

// awaitAnswer says that the request was sent: from now on the answer's header may take
// limits.Answer.
func (b *Backend) awaitAnswer() { b.answerDue.Store(b.in(b.limits.Answer)) }

// RequestSent says that nothing more of the request will be sent, while another goroutine awaits
// the answer already: from now on its header may take limits.Answer.
func (b *Backend) RequestSent() {
	b.awaitAnswer()
	b.wakeRead() // It waits for as long as the request took.
}

// Ask sends the request, or the first part of it, and reads the first bytes of the answer into in.
// It fails with ErrStale, and sends nothing, if the connection is Stale.
func (b *Backend) Ask(out, in []byte) (int, error) {
	b.awaitAnswer()
	if b.secure != nil {
		if b.Stale() {
			return 0, ErrStale
		}
		return b.askOn(out, in)
	}
	due := b.due()
	for {
		b.beginRead(due)
		sent, n, err := b.link.ask(out, in, b.reused)
		n, err = b.endRead(n, err, due)
		b.sent += int64(sent)
		b.received += int64(n)
		switch {
		case err == errWoken && sent == 0:
		case err == errWoken, err == nil && n == 0:
			return b.askOn(out[sent:], in)
		default:
			b.readErr = err
			return n, err
		}
	}
}

// askOn sends the rest of what Ask was to send, and reads.
func (b *Backend) askOn(rest, in []byte) (int, error) {
	if len(rest) > 0 {
		if _, err := b.Write(rest); err != nil {
			return 0, err
		}
		b.awaitAnswer()
	}
	return b.Read(in)
}

// Relay says that the answer's header was read: from now on limits.Idle is between the bytes of its
// body.
func (b *Backend) Relay() { b.relaying = true }

// due is when a Read that begins now will be overdue.
func (b *Backend) due() int64 {
	if b.relaying {
		return soonest(b.in(b.limits.Idle), b.totalDue)
	}
	return soonest(b.answerDue.Load(), b.totalDue)
}

// Read reads the answer.
func (b *Backend) Read(p []byte) (n int, err error) {
	if b.secure == nil {
		n, err = b.receive(p)
	} else if n, err = b.secure.Read(p); err != nil && b.readErr != ErrTimeout {
		b.readErr = err
	}
	b.received += int64(n)
	return n, err
}

// receive reads from the network.
func (b *Backend) receive(p []byte) (int, error) {
	return b.receiveBy(func() (int, error) { return b.link.Read(p) })
}

// receiveBy is receive by read, which is called again after a wake-up for no reason.
func (b *Backend) receiveBy(read func() (int, error)) (int, error) {
	for {
		due := b.due()
		b.beginRead(due)
		n, err := read()
		if n, err = b.endRead(n, err, due); err == errWoken {
			continue // RequestSent may have changed what is due.
		}
		b.readErr = err
		return n, err
	}
}

// Write sends a part of the request.
func (b *Backend) Write(p []byte) (n int, err error) {
	if b.secure == nil {
		n, err = b.transmit(p)
	} else if n, err = b.secure.Write(p); err != nil && b.writeErr != ErrTimeout {
		b.writeErr = err
	}
	b.sent += int64(n)
	return n, err
}

// transmit writes to the network.
func (b *Backend) transmit(p []byte) (int, error) { return b.write(p, b.limits.Idle, b.totalDue) }

// endTLS says by TLS that the connection ends, unless it is broken.
func (b *Backend) endTLS() {
	if b.secure != nil && b.Err() == nil {
		b.secure.close()
	}
}

// Close closes the connection, once.
func (b *Backend) Close() (err error) {
	b.closed.Do(func() {
		b.endTLS()
		if b.name != nil {
			b.name.letGo(b)
		}
		err = b.close()
	})
	return err
}
