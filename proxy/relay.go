package proxy

import (
	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/h1"
	"gopher-equalizer/proxy/outcome"
)

// relay makes the backend's response the client's. The backend's connection is free before the
// client has taken the last of it.
func (r *request) relay() error {
	x := &r.exchange
	r.result.Responds(x.Response.Status)
	if x.Response.Switches() {
		return r.tunnel()
	}
	x.BeginBody(r.head.Received.IsHead())
	first, err := x.TakeBody()
	if err != nil {
		return outcome.OfExchange(err)
	}
	last := x.Complete()
	switch {
	case last:
		r.endExchange()
	case r.head.Received.Expect && !x.uploaded():
		// The backend responded without asking for the body, or the client has begun to send it
		// nevertheless: nobody knows what it sends next.
		r.stream.Last()
	}
	if !last && x.Response.IsEventStream() {
		r.stream.Lasts()
	}
	r.beginResponse()
	if err := r.stream.Respond(&r.response, first, last, x.Trailers()); err != nil {
		return r.leftBehind(err)
	}
	if last {
		return nil
	}
	r.result.Times.Enter(outcome.RelayPart)
	return r.relayRest()
}

// endExchange ends the exchange once the response's body has come, and counts the request. What
// came behind the body, or is there by now, belongs to no request, so such a connection is never
// used again.
func (r *request) endExchange() {
	r.exchange.end(r.exchange.Keeps(), balancer.NoFault)
	r.record.Ended(&r.result)
}

// spliceFrom is from which size on a body goes past our memory: a pipe for it costs as much as
// copying some buffers does. At 1 MB it takes a third or more off what the request costs.
const spliceFrom = 4 * len(h1.Buffer{})

// relayRest sends the rest of the body, each piece as it arrives.
func (r *request) relayRest() error {
	link := r.stream.Link()
	if link != nil && r.exchange.Rest() >= int64(spliceFrom) {
		if s := r.exchange.Splice(link); s != nil {
			defer s.Close()
			if did, err := r.splice(s); did {
				return err
			}
		}
	}
	return r.copy()
}

// splice sends the rest of a body of known size within the kernel, and reports whether it did.
func (r *request) splice(s *h1.Splice) (did bool, failure error) {
	for !r.exchange.Complete() {
		n, can, err := s.Read()
		switch {
		case !can:
			return false, nil
		case err != nil:
			return true, outcome.OfExchange(r.exchange.cause(err))
		}
		if r.exchange.Complete() {
			r.endExchange()
		}
		if err := s.Write(); err != nil {
			return true, r.leftBehind(err)
		}
		r.stream.Passed(n)
	}
	return true, nil
}

// copy sends the rest of a body through a buffer.
func (r *request) copy() error {
	x, buf := &r.exchange, h1.GetBuffer()
	defer h1.PutBuffer(buf)
	for !x.Complete() {
		n, err := x.ReadBody(h1.Room(buf))
		if err != nil {
			return outcome.OfExchange(x.cause(err))
		}
		last := x.Complete()
		if last {
			r.endExchange()
		}
		if err := r.stream.WriteBody(h1.Piece{Buffer: buf, N: n, Last: last, Trailers: x.Trailers()}); err != nil {
			return r.leftBehind(err)
		}
	}
	return nil
}

// leftBehind is the failure of a request whose client takes no more of the response. The reset has
// the system drop what it holds for a client that doesn't read.
func (r *request) leftBehind(err error) error {
	r.stream.Abort()
	return outcome.OfResponse(err)
}

// tunnel passes the backend's 101 on, and then bytes both ways, until one side has ended or nothing
// came for TunnelTimeout. Neither connection is used for anything else after that.
func (r *request) tunnel() error {
	x := &r.exchange
	if !x.endUpload() {
		return outcome.OfExchange(x.RefuseSwitch())
	}
	if err := r.openTunnel(); err != nil {
		return r.leftBehind(err)
	}
	r.path.Reset() // It holds on to what Lighten gives up.
	r.stream.Lighten()
	r.stream.Lasts()
	down, err := x.Tunnel(r.stream.Link(), r.chosen.TunnelTimeout)
	r.stream.Passed(down)
	r.result.Cause = err
	x.end(false, balancer.NoFault)
	return nil
}

// openTunnel sends the 101, and what came on either side behind the heads.
func (r *request) openTunnel() error {
	r.beginResponse()
	if err := r.stream.Respond(&r.response, r.exchange.Unread(), false, nil); err != nil {
		return err
	}
	r.record.Informed()
	if behind := r.stream.Behind(); len(behind) > 0 {
		_, err := r.exchange.Conn.Write(behind)
		return err
	}
	return nil
}
