package netconn

import (
	"crypto/tls"
	"iter"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// ClientLimits bound how long a client may make us wait, and how much it may hold. 0 is no bound.
// See Clients.Use.
type ClientLimits struct {
	// Header is from a request's first byte to the end of its header, and from the connect to the
	// first byte of the first request.
	Header time.Duration
	// Idle is from the end of one request to the first byte of the next.
	Idle time.Duration
	// Read and Write are between bytes, of a request's body and of a response.
	Read, Write time.Duration
	// MinRate is the least rate of a body, both ways, in bytes a second. A client may fall behind
	// it by RateGrace.
	MinRate   int64
	RateGrace time.Duration
	// Connections is how many connections there may be: see AwaitRoom.
	Connections int
	// Pipes is how many responses may be spliced at once, at two descriptors each.
	Pipes int
	// Handshakes is how many TLS handshakes may compute at a time, and ClientHandshakes how many of
	// one address, or of one /64, may have begun. Others wait, up to Header.
	Handshakes, ClientHandshakes int
}

// Clients are the connections of clients.
type Clients struct {
	*Registry
	room
	stopping
	// limits are those of what begins now: see Use.
	limits atomic.Pointer[ClientLimits]
	pipes  pipes
	rests  rests
	shakes handshakes
}

// NewClients makes a registry for the connections of clients.
func NewClients(limits ClientLimits) *Clients {
	all := &Clients{Registry: newRegistry(), stopping: stopping{changed: make(chan struct{}, 1)}}
	all.Use(limits)
	return all
}

// Use has these limits bound what begins from now on: each wait for a request, and each request.
// What has begun keeps those that it began with. No connection is closed because there are more
// than the new bound: connections are only accepted again once there are fewer.
func (all *Clients) Use(limits ClientLimits) {
	all.limits.Store(&limits)
	all.retime([]time.Duration{limits.Header, limits.Idle, limits.Read, limits.Write, limits.RateGrace})
	all.pipes.max.Store(int64(limits.Pipes))
	all.shakes.use(limits.Handshakes, limits.ClientHandshakes)
	all.bound(limits.Connections)
}

// each goes through the clients. The registry is locked by the caller.
func (all *Clients) each() iter.Seq[*Client] {
	return func(yield func(*Client) bool) {
		for conn := range all.conns {
			if !yield(conn.owner.(*Client)) {
				return
			}
		}
	}
}

// Client is the connection of a client. One goroutine may use it.
//
// Serve waits for the first bytes of a request. Read reads the rest of its header and, after Body,
// its body. After Idle comes the next request.
type Client struct {
	Conn
	all       *Clients
	peer      netip.Addr
	connected time.Time
	// limits are those that its wait, or its request, began with.
	limits atomic.Pointer[ClientLimits]
	wait   wait
	// headDue is when the header that is being read is overdue, or the TLS handshake.
	headDue int64
	body    body
	looked  looked
	awaiter Awaiter
	// several serves the client if it sends several requests at a time; else it is nil. The
	// registry's mu guards its change. idleSince is since when it has no requests.
	several   Several
	idleSince atomic.Int64
	// stage is how far the client is with a request: see stage.go.
	stage  atomic.Int32
	phase  phase
	ending ending
	// shaking is the TLS handshake while it is made or awaited; else nil.
	shaking atomic.Pointer[shaking]
	// preface is what the connection has to begin with; nil once that was read.
	preface Preface
	// secured is what TLS agreed on; nil in clear.
	secured *Secured
}

// phase is what a client's connection is expected to bring next.
type phase uint8

const (
	// inWait: the first byte of a request.
	inWait phase = iota
	// inHead: the rest of its header.
	inHead
	// inBody: its body.
	inBody
)

// ending is how the connection of a client is closed.
type ending uint8

const (
	// orderly: all that the client sent was read.
	orderly ending = iota
	// lingering: the client may be sending what nobody will read.
	lingering
	// aborted: by a reset.
	aborted
)

// Add puts a client's connection under the registry's care. With a config, the client is served by
// TLS. The caller must Serve or Close it.
func (all *Clients) Add(conn net.Conn, config *tls.Config) *Client {
	c := &Client{all: all, peer: addrOf(conn.RemoteAddr()), connected: time.Now()}
	c.owner, c.reader = c, c
	c.awaiter.client = c
	c.wait.arrived = c.arrivedInWait
	c.writing.pace = &c.body.takes
	c.adopt()
	var secure *secure
	if config != nil {
		secure = secureClient(conn, config)
	}
	c.goOver(conn, secure)
	all.add(&c.Conn)
	return c
}

// adopt takes the limits of what begins now.
func (c *Client) adopt() {
	limits := c.all.limits.Load()
	if limits == c.limits.Load() {
		return
	}
	c.limits.Store(limits)
	c.body.hold(limits)
	c.writing.limit = limits.Write
}

// addrOf is the IP address of addr, with IPv4 as such; the zero Addr if it has none.
func addrOf(addr net.Addr) netip.Addr {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// Peer is the address of the other end, or the one that a Preface named, unmapped; the zero Addr if
// it isn't an IP address.
func (c *Client) Peer() netip.Addr { return c.peer }

// Secured is what TLS agreed on with the client; nil if it speaks in clear.
func (c *Client) Secured() *Secured { return c.secured }

// Begin notes that the first bytes of a request are here. Serve calls it before Handler.Arrived.
func (c *Client) Begin() {
	c.phase = inHead
	c.stage.Store(asking)
	c.adopt()
	c.headDue = c.in(c.limits.Load().Header)
	c.body.begin()
}

// Idle notes that a request was read to its end and served, and that the next one may come.
func (c *Client) Idle() {
	c.phase = inWait
	c.adopt()
	c.wait.due = 0
	c.wait.served = true
	c.ending = orderly
	c.reading.err = nil
	c.Resume()
}

// due is when the part of a request that is expected now is overdue. No header and no handshake is
// read on a connection that is to end.
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

// over lets the Read of a header or a body go on after a wake-up. A wait for a request ends then,
// since there may be other reasons to wake it.
func (c *Client) over(n int, err error) (again bool, _ error) {
	if c.phase == inBody {
		return c.bodyOver(n, err)
	}
	return err == errWoken && c.phase == inHead, err
}

// HasMore reports whether the client has sent more than was read, or ended its side.
func (c *Client) HasMore() bool { return !c.quiet() }

// Awaiter is the client as it waits for a response. It leaves by a reset.
func (c *Client) Awaiter() *Awaiter { return &c.awaiter }

// LeaveUnread notes that some of what the client sends will not be read: the rest of a request's
// body, or another request. Close then lets the client finish sending, within bounds. Closing with
// bytes unread would reset the connection, and the client could lose the response.
func (c *Client) LeaveUnread() { c.ending = max(c.ending, lingering) }

// Abort makes Close reset the connection. The client can then tell that the response is incomplete
// where a close would mark its end.
func (c *Client) Abort() { c.ending = aborted }

// Splice makes a Splice from a backend to the client. It returns nil where that isn't possible: by
// TLS, on some systems, with no descriptors left, or with as many pipes as ClientLimits allow. The
// caller must Close it.
func (c *Client) Splice(from *Conn) *Splice { return newSplice(from, &c.Conn, &c.all.pipes) }

// Close closes the connection. A response that was written arrives, except after Abort.
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
