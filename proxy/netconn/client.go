package netconn

import (
	"crypto/tls"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// Client is the connection of a client. One goroutine may use it.
//
// Serve waits for a request's first bytes, Read reads the rest of its header and, after Body, its
// body; after Idle comes the next one.
type Client struct {
	Conn
	all       *Clients
	peer      netip.Addr
	connected time.Time
	// stage is how far the client is with a request: see stage.go.
	stage atomic.Int32
	phase phase
	wait  wait
	// headDue is when the header that is being read, or the handshake of TLS, will be overdue.
	headDue int64
	body    body
	looked  looked
	// left reports that the client has reset the connection.
	left   atomic.Bool
	ending ending
}

// phase is what a client's connection is expected to bring next.
type phase int

const (
	// inWait: the first byte of a request.
	inWait phase = iota
	// inHead: the rest of its header.
	inHead
	// inBody: its body.
	inBody
)

// ending is how the connection of a client is closed.
type ending int

const (
	// orderly: the client has sent nothing that wasn't read.
	orderly ending = iota
	// lingering: it may be sending what nobody will read.
	lingering
	// aborted: by a reset.
	aborted
)

// Add takes a client's connection under the registry's care. With a config, the client is served by
// TLS. The caller must Serve or Close it.
func (all *Clients) Add(conn net.Conn, config *tls.Config) *Client {
	c := &Client{all: all, peer: addrOf(conn.RemoteAddr()), connected: time.Now()}
	c.owner, c.reader = c, c
	c.wait.used = c.arrivedInWait
	c.body.sends, c.body.takes = newPace(all.limits), newPace(all.limits)
	c.writing.limit, c.writing.pace = all.limits.Write, &c.body.takes
	var secure *secure
	if config != nil {
		secure = newSecure(conn, tls.Server, config)
	}
	c.goOver(conn, secure)
	all.add(&c.Conn)
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

// Begin notes that the first bytes of a request are here, as when Handler.Arrived is called.
func (c *Client) Begin() {
	c.phase = inHead
	c.stage.Store(asking)
	c.headDue = c.in(c.all.limits.Header)
	c.body.sends.behind, c.body.takes.behind = 0, 0
}

// Idle notes that a request was read to its end and answered, and that the next one may come.
func (c *Client) Idle() {
	c.phase = inWait
	c.wait.due = 0
	c.wait.served = true
	c.ending = orderly
	c.reading.err = nil
	c.Resume()
}

// due is when what the client is to send will be overdue. A header, and a handshake, isn't waited
// for when the connection is to end.
func (c *Client) due() (int64, error) {
	switch c.phase {
	case inWait:
		return c.waitDue(), nil
	case inBody:
		return c.bodyDue(), nil
	}
	if c.all.closed.Load() || c.stage.Load() == leaving {
		return 0, ErrTimeout
	}
	return c.headDue, nil
}

// over has a Read of a header or a body go on after a wake-up. A wait has more to look at then.
func (c *Client) over(n int, err error) (again bool, _ error) {
	if c.phase == inBody {
		return c.bodyOver(n, err)
	}
	return err == errWoken && c.phase == inHead, err
}

// HasMore reports whether the client has sent more than was read, or ended its side.
func (c *Client) HasMore() bool { return !c.quiet() }

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

// LeaveUnread notes that not all will be read that the client sends: the rest of a request's body,
// or another request. If the connection is closed after it, Close lets the client finish sending,
// within bounds: closing with bytes unread resets the connection, and the client may lose the
// response that it had not read yet.
func (c *Client) LeaveUnread() { c.ending = max(c.ending, lingering) }

// Abort has Close reset the connection: the client can tell that the response is not complete where
// a close would be its end.
func (c *Client) Abort() { c.ending = aborted }

// Splice makes a way for bytes from a backend to the client: see Splice. It returns nil where there
// is none: by TLS, on some systems, with no descriptors left for it, or with as many as
// ClientLimits allow. The caller must Close it.
func (c *Client) Splice(from *Conn) *Splice { return newSplice(from, &c.Conn, &c.all.pipes) }

// Close closes the connection, so that a response that was written arrives.
func (c *Client) Close() error {
	if c.ending == aborted {
		c.reset()
	} else {
		c.leave()
	}
	if c.ending == lingering {
		c.linger()
	}
	err := c.close()
	c.all.left()
	return err
}
