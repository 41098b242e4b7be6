package netconn

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// BackendLimits are how long a backend may keep us waiting. 0 is for ever.
type BackendLimits struct {
	// Connect is for the whole connect, the name's lookup and the TLS handshake included.
	Connect time.Duration
	// Response is from the end of the request to the end of the response's header.
	Response time.Duration
	// Idle is between bytes, both ways.
	Idle time.Duration
	// Total is for the whole exchange, from its start to the response's last byte.
	Total time.Duration
	// Age is for a connection's whole life, less a fifth at most. It ends between two exchanges.
	Age time.Duration
}

// Backend is a connection to a backend, used for one exchange of a request and its response after
// the other. One goroutine reads and another may write.
type Backend struct {
	Conn
	limits *BackendLimits
	target Target
	// name is what the connection's address was looked up by; nil for a unix socket.
	name *name
	keeping
	// connecting is how long the connect took.
	connecting time.Duration
	// used reports that an exchange went over the connection, and reused that another one does now.
	used, reused bool
	// client is who waits for what is read; nil if nobody does.
	client atomic.Pointer[Client]
	// responseDue is when the response's header will be overdue; 0 is never.
	responseDue atomic.Int64
	relaying    bool
}

// ErrAbandoned is what a Read from a backend fails with when the client that waits for the response
// has reset its connection.
var ErrAbandoned = errors.New("the client has reset its connection")

// Begin starts an exchange for a client, whose reset ends it; nil is nobody who could leave.
func (b *Backend) Begin(client *Client) {
	b.reading.n, b.writing.n = 0, 0
	b.reading.err, b.writing.err = nil, nil
	b.end = b.in(b.limits.Total)
	b.responseDue.Store(0)
	b.relaying = false
	b.reused, b.used = b.used, true
	b.client.Store(client)
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

// End ends an exchange. The connection may wait for the next one, or become a tunnel.
func (b *Backend) End() { b.client.Store(nil) }

// Stale reports whether the connection can't be used for the exchange: since the last one the
// backend has closed it, or sent what nobody asked for. Ask looks by itself.
func (b *Backend) Stale() bool { return b.reused && !b.quiet() }

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
	b.replace(conn, secure)
	b.used = false
	b.startAge()
	return nil
}

// Sent is how many bytes of this exchange's request were written.
func (b *Backend) Sent() int64 { return b.writing.n }

// Received is how many bytes came back in this exchange.
func (b *Backend) Received() int64 { return b.reading.n }

// awaitResponse notes that the request was sent: from now on the response's header may take
// limits.Response.
func (b *Backend) awaitResponse() { b.responseDue.Store(b.in(b.limits.Response)) }

// RequestSent notes that nothing more of the request will be sent, while another goroutine awaits
// the response already: from now on its header may take limits.Response.
func (b *Backend) RequestSent() {
	b.awaitResponse()
	b.wakeRead() // It waits for as long as the request took.
}

// Ask sends the request, or the first part of it, and reads the first bytes of the response into
// in. It fails with ErrStale, and sends nothing, if the connection is Stale.
func (b *Backend) Ask(out, in []byte) (int, error) {
	b.awaitResponse()
	for {
		b.beginRead(b.responseOrEnd())
		sent, n, err := b.layer.ask(out, in, b.reused)
		n, err = b.endRead(n, err)
		b.writing.n += int64(sent)
		woken, err := b.over(n, err)
		switch {
		case woken && sent == 0:
		case woken, err == nil && n == 0:
			return b.askOn(out[sent:], in)
		default:
			return b.received(n, err)
		}
	}
}

// askOn sends the rest of what Ask was to send, and reads.
func (b *Backend) askOn(rest, in []byte) (int, error) {
	if len(rest) > 0 {
		if _, err := b.Write(rest); err != nil {
			return 0, err
		}
		b.awaitResponse()
	}
	return b.Read(in)
}

// Relay notes that the response's header was read: from now on limits.Idle is between the bytes of
// its body.
func (b *Backend) Relay() { b.relaying = true }

// due is when a Read that begins now will be overdue.
func (b *Backend) due() (int64, error) {
	if b.relaying {
		return soonest(b.in(b.limits.Idle), b.end), nil
	}
	return b.responseOrEnd(), nil
}

func (b *Backend) responseOrEnd() int64 { return soonest(b.responseDue.Load(), b.end) }

// over has a Read go on after a wake-up, unless its client has left: RequestSent may have changed
// what is due.
func (b *Backend) over(_ int, err error) (again bool, _ error) {
	if err != errWoken {
		return false, err
	}
	if c := b.client.Load(); c != nil && c.left.Load() {
		return false, ErrAbandoned
	}
	return true, nil
}

// stuck looks whether the client that waits for the response has reset its connection.
func (b *Backend) stuck(int64, int) (wake bool) {
	c := b.client.Load()
	return c != nil && c.hasLeft()
}

// Close closes the connection, once.
func (b *Backend) Close() (err error) {
	b.closed.Do(func() {
		b.leave()
		if b.name != nil {
			b.name.letGo(b)
		}
		err = b.close()
	})
	return err
}
