package proxy

import (
	"net"
	"net/netip"

	"gopher-equalizer/proxy/h2"
	"gopher-equalizer/proxy/netconn"
)

// serve serves a connection in goroutines of its own, which end with the connection.
func (p *Proxy) serve(conn net.Conn, in *intake) {
	arrival := in.how.Load()
	c := p.clients.Add(conn, arrival.as.config())
	c.Expect(arrival.as.preface(c.Peer()))
	go p.open(c, arrival)
}

// open opens a connection and serves it by what its client speaks.
func (p *Proxy) open(c *netconn.Client, arrival *arrival) {
	if err := c.Open(); err != nil {
		c.Dismiss(p.unopened(c.Peer(), err))
		return
	}
	switch secured := c.Secured(); {
	case secured != nil && secured.Protocol == h2.ALPN:
		p.http2.Serve(c, arrival)
	case secured == nil && arrival.as.HTTP2:
		c.Serve(&undecided{proxy: p, client: c, arrival: arrival})
	default:
		p.http1.Serve(c, arrival)
	}
}

// faulty logs a connection that ended for what its client did.
func (p *Proxy) faulty(peer netip.Addr, why *h2.Fault) {
	p.record.Faulty(peer, why, p.snapshot.Load().Log.Access)
}

// undecided is the connection of a client in clear that hasn't shown yet whether it speaks HTTP/2.
// It is the connection's first netconn.Handler.
type undecided struct {
	proxy   *Proxy
	client  *netconn.Client
	arrival *arrival
	came    [len(h2.Preface)]byte
	n       int
}

// Lend lends room for no more than what shows it.
func (u *undecided) Lend() []byte { return u.came[u.n:] }

func (u *undecided) GiveBack() {}

// Arrived leaves the rest to Attend, since another handler begins outside of the wait.
func (u *undecided) Arrived(n int) netconn.Verdict {
	u.n += n
	return netconn.Attend
}

// Attend finds out which protocol the client speaks, and serves it.
func (u *undecided) Attend() netconn.Verdict {
	for u.mayBe() && u.n < len(u.came) {
		n, err := u.client.Read(u.came[u.n:])
		if err != nil {
			break // It is up to HTTP/1 what becomes of it.
		}
		u.n += n
	}
	came := u.came[:u.n]
	if string(came) == h2.Preface {
		return u.client.HandOver(u.proxy.http2.Handler(u.client, u.arrival), came)
	}
	return u.client.HandOver(u.proxy.http1.Handler(u.client, u.arrival), came)
}

// mayBe reports whether what has come may become what HTTP/2 begins with.
func (u *undecided) mayBe() bool { return string(u.came[:u.n]) == h2.Preface[:u.n] }
