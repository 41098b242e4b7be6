package netconn

import (
	"net"
	"net/netip"
	"sync/atomic"
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
	// MinRate is the least rate of a body, both ways, in bytes a second; 0 is none. A client may
	// fall behind it by RateGrace.
	MinRate   int64
	RateGrace time.Duration
	// Connections is how many there may be, see AwaitRoom.
	Connections int
	// Pipes is how many responses may be spliced at once, at two descriptors each; 0 is any number.
	Pipes int
}

// What a client's connection is expected to bring next.
type phase int

const (
	awaiting phase = iota // the first byte of a request
	header                // the rest of its header
	body                  // its body
)

// Clients are the connections of clients.
type Clients struct {
	*Registry
	room
	limits ClientLimits
	// pipes are those in use.
	pipes atomic.Int64
}

// NewClients makes a registry for the connections of clients.
func NewClients(limits ClientLimits) *Clients {
	return &Clients{
		Registry: newRegistry(limits.Header, limits.Idle, limits.Read, limits.Write, limits.RateGrace),
		room:     room{max: limits.Connections},
		limits:   limits,
	}
}

// Client is the connection of a client. One goroutine may use it.
//
// Serve waits for a request's first bytes, Read reads the rest of its header and, after Body, its
// body; after Idle comes the next one.
type Client struct {
	timed
	handler Handler
	// verdict is what the connection needs next.
	verdict Verdict
	// used is Client.arrivedInWait, made once.
	used func(n int) (wait bool)
	// due is when the wait for a request will be overdue; 0 before it begins.
	due int64
	// endless counts the waits that are never overdue, to tell one from the other.
	endless   int64
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
	// left says that the client has reset the connection.
	left atomic.Bool
	// owing is whether the client owes bytes of a body: notYet, owes or forgiven.
	owing atomic.Int32
	// sends and takes are the paces at which it sends a body and takes a response.
	sends, takes pace
}

// Add takes a client's connection under the registry's care. The caller must Serve or Close it.
func (all *Clients) Add(conn net.Conn) *Client {
	c := &Client{timed: timed{link: newLink(conn), untold: true}, all: all, peer: addrOf(conn.RemoteAddr()), connected: time.Now()}
	c.used = c.arrivedInWait
	c.sends, c.takes = newPace(all.limits), newPace(all.limits)
	c.timed.pace = &c.takes
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

// Idle says that a request was read to its end and answered, and that the next one may come.
func (c *Client) Idle() {
	c.phase = awaiting
	c.due = 0
	c.unread = false
	c.served = true
	c.readErr = nil
	c.Resume()
}

// Ended reports whether the client has ended its side of the connection, or reset it.
func (c *Client) Ended() bool { return c.link.peer() != present }

// hasLeft looks whether the client has reset the connection. One that has only ended its side may
// still read, and nothing tells that from one that is gone until something is sent to it.
func (c *Client) hasLeft() bool {
	if c.link.peer() == broken {
		c.left.Store(true)
	}
	return c.left.Load()
}

// Begin notes that the first bytes of a request are here, as when Handler.Arrived is called.
func (c *Client) Begin() {
	c.phase = header
	c.stage.Store(asking)
	c.headerDue = c.in(c.all.limits.Header)
	c.sends.behind, c.takes.behind = 0, 0
}

// HasMore says that the client has sent more than was read, or ended its side.
func (c *Client) HasMore() bool { return !c.link.quiet() }

// LeaveUnread says that not all will be read that the client sends: the rest of a request's body,
// or another request. If the connection is closed after it, Close lets the client finish sending,
// within bounds: closing with bytes unread resets the connection, and the client may lose the
// answer that it had not read yet.
func (c *Client) LeaveUnread() { c.unread = true }

// Abort has Close reset the connection: the client can tell that the answer is not complete where
// a close would be its end.
func (c *Client) Abort() { c.abort = true }

// Read reads more of a request: of its header until that is overdue, of its body for as long as
// bytes come.
func (c *Client) Read(p []byte) (int, error) {
	if c.phase == header {
		return c.readHead(p)
	}
	return c.readBody(p)
}

// readHead reads until the header is overdue, or Close wants it no longer.
func (c *Client) readHead(p []byte) (n int, err error) {
	for err = errWoken; err == errWoken; {
		if c.registry.closed.Load() {
			n, err = 0, ErrTimeout
			break
		}
		n, err = c.readUntil(p, c.headerDue)
	}
	if err != nil {
		c.readErr = err
	}
	return n, err
}

// Write sends all of p.
func (c *Client) Write(p []byte) (int, error) { return c.write(p, c.all.limits.Write, 0) }

// Close closes the connection, so that an answer that was written arrives.
func (c *Client) Close() error {
	switch {
	case c.abort:
		c.reset()
	case c.unread:
		c.linger()
	}
	err := c.close()
	c.all.left()
	return err
}
