package netconn

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"time"
)

// ClientLimits are how long a client may keep us waiting. 0 is for ever.
type ClientLimits struct {
	// Header is from a request's first byte to the end of its header, and from the
	// connect to the first byte of the first request.
	Header time.Duration
	// Idle is from one request's end to the first byte of the next.
	Idle time.Duration
	// Read and Write are between bytes, of a request's body and of an answer.
	Read, Write time.Duration
}

// What a client's connection is expected to bring next.
type phase int

const (
	awaiting phase = iota // the first byte of a request
	header                // the rest of its header
	body                  // its body
)

const (
	// firstRequestGrace is how long after its connect a client may send its first request although we
	// are closing: who has just connected is about to.
	firstRequestGrace = time.Second
	// nextRequestGrace is the same for the next request, for those that are under way.
	nextRequestGrace = 5 * time.Millisecond
)

// Clients are the connections of clients.
type Clients struct {
	*Registry
	limits  ClientLimits
	buffers *Buffers
}

// NewClients makes a registry for the connections of clients, which copy bodies through buffers.
func NewClients(limits ClientLimits, buffers *Buffers) *Clients {
	return &Clients{newRegistry(limits.Header, limits.Idle, limits.Read, limits.Write), limits, buffers}
}

// Client is the connection of a client. One goroutine may use it.
//
// The server that reads requests from it must say where they begin and end: Active when
// the first byte of one is there, SetReadDeadline when its header is, and Idle when it is answered.
type Client struct {
	timed
	all       *Clients
	peer      netip.Addr
	connected time.Time
	phase     phase
	// headerDue is when the header that is being read will be overdue.
	headerDue int64
	// served says that a request was answered.
	served bool
	// unread says that the client may be sending what nobody will read.
	unread bool
	// abort says that the close is to be a reset.
	abort bool
}

// Add takes a client's connection under the registry's care. The caller must Close it.
func (all *Clients) Add(conn net.Conn) *Client {
	c := &Client{timed: timed{Conn: conn}, all: all, peer: addrOf(conn.RemoteAddr()), connected: time.Now()}
	all.add(&c.timed)
	return c
}

// addrOf is the IP address of addr, IPv4 as such; the zero Addr if it has none.
func addrOf(addr net.Addr) netip.Addr {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// Peer is the address of who connected, unmapped; the zero Addr if it isn't an IP address.
func (c *Client) Peer() netip.Addr { return c.peer }

// Active says that a request has begun: its first byte was read.
func (c *Client) Active() {
	c.phase = header
	c.headerDue = c.in(c.all.limits.Header)
}

// Idle says that a request was read to its end and answered, and that the next one may come.
func (c *Client) Idle() {
	c.phase = awaiting
	c.unread = false
	c.served = true
}

// SetReadDeadline says that a request's header was read; the time doesn't matter. It is
// the only sign of it that fasthttp gives a connection, by way of RequestConfig.ReadTimeout.
func (c *Client) SetReadDeadline(time.Time) error {
	c.phase = body
	return nil
}

// SetWriteDeadline does nothing: the registry looks after the time of writes. fasthttp flushes an answer at once, though
// the next request is there, if its write deadline was set; the proxy sets one for that.
func (c *Client) SetWriteDeadline(time.Time) error { return nil }

// ReadingBody says that the present request's header was read.
func (c *Client) ReadingBody() bool { return c.phase == body }

// LeaveUnread says that the request's body won't be read to its end. If the connection is closed after
// it, Close lets the client finish sending, within bounds: closing with bytes unread
// resets the connection, and the client may lose the answer that it had not read yet.
func (c *Client) LeaveUnread() { c.unread = true }

// Abort has Close reset the connection: the client can tell that the answer is not complete where
// a close would be its end.
func (c *Client) Abort() { c.abort = true }

// Read reads what the client sends. While no request is under way, it returns io.EOF when the client was idle
// for too long, or the registry is closing and nothing comes; then nobody waits for an answer.
func (c *Client) Read(p []byte) (int, error) {
	switch c.phase {
	case awaiting:
		return c.await(p)
	case header:
		return c.read(p, c.headerDue)
	default:
		return c.read(p, c.in(c.all.limits.Read))
	}
}

// await reads the first bytes of a request.
func (c *Client) await(p []byte) (int, error) {
	limit := c.all.limits.Header
	if c.served {
		limit = c.all.limits.Idle
	}
	due := c.in(limit)
	for !c.registry.closing.Load() {
		n, err := c.readUntil(p, due)
		switch {
		case err == ErrTimeout:
			return 0, io.EOF
		case err != errWoken:
			return n, err
		}
	}
	return c.lastAwait(p)
}

// lastAwait gives a request that is under way the chance to arrive before the connection closes.
func (c *Client) lastAwait(p []byte) (int, error) {
	end := time.Now().Add(nextRequestGrace)
	if first := c.connected.Add(firstRequestGrace); !c.served && first.After(end) {
		end = first
	}
	for {
		if err := c.Conn.SetReadDeadline(end); err != nil {
			return 0, err
		}
		n, err := c.Conn.Read(p)
		if n > 0 {
			return n, errors.Join(err, c.Conn.SetReadDeadline(never))
		}
		// A deadline before the end is the one that CloseIdle woke us with.
		if !errors.Is(err, os.ErrDeadlineExceeded) || !time.Now().Before(end) {
			return 0, io.EOF
		}
	}
}

// Write sends all of p.
func (c *Client) Write(p []byte) (int, error) { return c.write(p, c.all.limits.Write, 0) }

// ReadFrom sends what r has, each piece as soon as it is there.
//
// It is the end of bufio.Writer.ReadFrom once that has an empty buffer, which would otherwise keep what
// trickles until it has 4 KB.
func (c *Client) ReadFrom(r io.Reader) (sent int64, err error) {
	buf := c.all.buffers.Get()
	defer c.all.buffers.Put(buf)
	for {
		n, rerr := r.Read(buf[:])
		if n > 0 {
			m, werr := c.Write(buf[:n])
			sent += int64(m)
			if werr != nil {
				return sent, werr
			}
		}
		switch rerr {
		case nil:
		case io.EOF:
			return sent, nil
		default:
			return sent, rerr
		}
	}
}

// Close closes the connection, so that an answer that was written arrives.
func (c *Client) Close() error {
	switch {
	case c.abort:
		c.reset()
	case c.unread:
		c.linger()
	}
	return c.close()
}
