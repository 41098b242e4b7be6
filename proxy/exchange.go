package proxy

import (
	"time"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/h1"
	"gopher-equalizer/proxy/netconn"
)

// exchange is one attempt at a backend, and the connection that it has there.
type exchange struct {
	h1.Exchange
	// attempt is the place at the backend; the zero one while there is none.
	attempt balancer.Attempt
	// held is what gives the connection back.
	held any
}

// ending is how an exchange ends.
type ending int

const (
	// kept: both messages were complete, and neither side wants to close.
	kept ending = iota
	// dropped: it can't be used again, and the backend is not to blame.
	dropped
	// broke: the backend failed.
	broke
)

// open takes a connection for a client, whose reset ends the exchange; nil is nobody who could
// leave.
func (x *exchange) open(client *netconn.Client) error {
	conns := connectionsTo(x.attempt.Backend)
	conn, held, err := conns.acquire(x.attempt.Fresh)
	if err != nil {
		return err
	}
	conn.Begin(client)
	x.Begin(conn, conns.maxHeader)
	x.held = held
	return nil
}

// close ends the exchange, if there is one, and gives its place back.
func (x *exchange) close(how ending) {
	if x.attempt.Backend == nil {
		return
	}
	if seconds := x.Response.KeptSeconds; how == kept && seconds >= 0 {
		x.Conn.KeptFor(time.Duration(seconds) * time.Second)
	}
	x.release(how == kept)
	x.attempt.End(balancer.Result{Failed: how == broke})
	x.attempt = balancer.Attempt{}
}

// release gives the connection back, if there is one.
func (x *exchange) release(keep bool) {
	if x.Conn == nil {
		return
	}
	x.Conn.End()
	connectionsTo(x.attempt.Backend).release(x.Conn, x.held, keep)
	x.Conn, x.held = nil, nil
}
