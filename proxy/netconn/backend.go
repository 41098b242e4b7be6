package netconn

import (
	"crypto/tls"
	"errors"
	"sync/atomic"
	"time"
)

// BackendLimits bound how long a backend may make us wait. 0 is no bound.
type BackendLimits struct {
	// Connect is for the whole connect, with the name's lookup and the TLS handshake.
	Connect time.Duration
	// Response is from the end of the request to the end of the response's header.
	Response time.Duration
	// Idle is between bytes, both ways.
	Idle time.Duration
	// Total is for the whole exchange, from its start to the response's last byte.
	Total time.Duration
	// Age is for the connection's whole life, less a random part of up to a fifth. A connection
	// ends between two exchanges.
	Age time.Duration
	// Shortest is the shortest limit that an exchange has of its own, if that is shorter than all
	// here.
	Shortest time.Duration
}

// ExchangeLimits are those of one exchange, as in BackendLimits.
type ExchangeLimits struct{ Response, Idle, Total time.Duration }

func (l *BackendLimits) exchange() ExchangeLimits {
	return ExchangeLimits{l.Response, l.Idle, l.Total}
}

// timeouts are those that a registry looks after.
func (l *BackendLimits) timeouts() []time.Duration {
	return []time.Duration{l.Response, l.Idle, l.Total, l.Shortest}
}

// Target is what a Dialer connects to.
type Target struct {
	// Network is "tcp", over IPv6 or IPv4, or "unix".
	Network string
	// Addr is "host:port" for tcp, and the socket's path for unix.
	Addr string
	// TLS is what TLS over the connection is made with, the name to verify included; nil for none.
	TLS *tls.Config
}

// Backend is a connection to a backend, which carries one exchange after another: a request and its
// response. One goroutine may read while another writes.
type Backend struct {
	Conn
	dialer *Dialer
	target Target
	// exchange are the limits of the exchange that runs.
	exchange ExchangeLimits
	// name is the name that the address was looked up by; nil for a unix socket.
	name *name
	keeping
	// connecting is how long the connect took.
	connecting time.Duration
	// used reports whether an exchange has gone over the connection, reused whether the current one
	// isn't its first.
	used, reused bool
	// awaiter is who waits for the response; nil if nobody does.
	awaiter atomic.Pointer[Awaiter]
	// responseDue is when the response's header is overdue; 0 is never. relaying reports whether
	// the header was read.
	responseDue atomic.Int64
	relaying    bool
}

// ErrAbandoned is the error of a Read from a backend when the client that waits for the response
// has reset its connection.
var ErrAbandoned = errors.New("the client has reset its connection")

// limits are those of what begins now.
func (b *Backend) limits() *BackendLimits { return b.dialer.limits.Load() }

// Begin starts an exchange. If who awaits the response leaves, Reads fail with ErrAbandoned; nil is
// nobody who could leave.
func (b *Backend) Begin(awaiter *Awaiter) { b.BeginWithin(awaiter, b.limits().exchange()) }

// BeginWithin is Begin with limits of the exchange's own.
func (b *Backend) BeginWithin(awaiter *Awaiter, limits ExchangeLimits) {
	b.exchange, b.writing.limit = limits, limits.Idle
	b.reading.n, b.writing.n = 0, 0
	b.reading.err, b.writing.err = nil, nil
	b.end = b.in(b.exchange.Total)
	b.responseDue.Store(0)
	b.relaying = false
	b.reused, b.used = b.used, true
	b.awaiter.Store(awaiter)
	if awaiter != nil {
		awaiter.backend.Store(b)
	}
	b.Resume()
}

// Hurry has the response's header be due within that from the beginning of the connect, if the
// exchange had to wait for one, and else from the end of the request.
func (b *Backend) Hurry(limit time.Duration) {
	limit = max(limit-b.Connecting(), time.Millisecond)
	if r := &b.exchange.Response; *r == 0 || limit < *r {
		*r = limit
	}
}

// Connecting is how long the exchange had to wait for the connect; 0 if the connection was kept.
func (b *Backend) Connecting() time.Duration {
	if b.reused {
		return 0
	}
	return b.connecting
}

// End ends an exchange. The connection may wait for the next one, or become a tunnel.
func (b *Backend) End() {
	if a := b.awaiter.Swap(nil); a != nil {
		a.backend.Store(nil)
	}
}

// Stale reports whether the connection can't be used for the exchange: since the last one, the
// backend has closed it or has sent something unasked. Ask checks that itself.
func (b *Backend) Stale() bool { return b.reused && !b.quiet() }

// BytesSent is how many bytes of this exchange's request were written.
func (b *Backend) BytesSent() int64 { return b.writing.n }

// BytesReceived is how many bytes came back in this exchange.
func (b *Backend) BytesReceived() int64 { return b.reading.n }

// awaitResponse notes that the request was sent. The limit for the response counts from now.
func (b *Backend) awaitResponse() { b.responseDue.Store(b.in(b.exchange.Response)) }

// RequestSent notes that all of the request was sent that will be, while another goroutine already
// reads the response. The limit for the response counts from now.
func (b *Backend) RequestSent() {
	b.awaitResponse()
	b.wakeRead() // The Read that waits has no limit yet.
}

// Ask sends the request, or the first part of it, and reads the first bytes of the response into
// in. If the connection is Stale, it sends nothing and fails with ErrStale.
func (b *Backend) Ask(out, in []byte) (int, error) {
	b.awaitResponse()
	for {
		b.beginRead(b.responseOrEnd())
		sent, n, err := b.ask(out, in, b.reused)
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

// Relay notes that the response's header was read. From now on the limit between bytes holds.
func (b *Backend) Relay() { b.relaying = true }

// due is when a Read that begins now is overdue.
func (b *Backend) due() (int64, error) {
	if b.relaying {
		return soonest(b.in(b.exchange.Idle), b.end), nil
	}
	return b.responseOrEnd(), nil
}

func (b *Backend) responseOrEnd() int64 { return soonest(b.responseDue.Load(), b.end) }

// over reads on after a wake-up, as RequestSent may have changed when the Read is overdue, unless
// nobody waits for the response any more.
func (b *Backend) over(_ int, err error) (again bool, _ error) {
	if err != errWoken {
		return false, err
	}
	if a := b.awaiter.Load(); a != nil && a.Left() {
		return false, ErrAbandoned
	}
	return true, nil
}

// stuck reports whether nobody waits for the response any more.
func (b *Backend) stuck(int64, int) (wake bool) {
	a := b.awaiter.Load()
	return a != nil && a.hasLeft()
}

func (b *Backend) tick() {}

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
