package proxy

import (
	"bytes"
	"io"

	"gopher-equalizer/proxy/h1"
	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/outcome"
	"gopher-equalizer/proxy/rewrite"
)

// relay makes the backend's response the client's. The backend's connection is free before the
// client has taken the last of it.
func (r *request) relay() error {
	x := &r.exchange
	r.result.Responds(x.Response.Status)
	if x.Response.Status == http1.StatusSwitching {
		return r.tunnel()
	}
	x.BeginBody(r.head.Received.IsHead())
	first, err := x.TakeBody()
	if err != nil {
		return outcome.BackendBad.Because(err)
	}
	last := x.Complete()
	switch {
	case last:
		r.endExchange()
	case r.head.Received.Expect && !r.upload.settled():
		// The backend responded without asking for the body, or the client has begun to send it
		// nevertheless: nobody knows what it sends next.
		r.stream.Last()
	}
	if !last && isEventStream(&x.Response) {
		r.stream.Lasts()
	}
	r.beginResponse()
	if err := r.stream.Respond(&r.response, first, last, x.Trailers()); err != nil {
		return r.leftBehind(err)
	}
	return r.relayRest()
}

// beginResponse readies the head that the client gets: a final one, an interim one, or a 101.
func (r *request) beginResponse() {
	r.response = rewrite.Response{
		Received:  &r.exchange.Response,
		Scheme:    r.head.Scheme,
		Host:      r.head.Received.Host,
		Hidden:    r.route.Hidden,
		Backend:   r.head.Backend,
		RequestID: r.head.RequestID,
	}
}

// inform passes an interim response on.
func (r *request) inform() error {
	r.beginResponse()
	sent, err := r.stream.Inform(&r.response)
	if sent {
		r.record.Informed()
	}
	return err
}

// isEventStream reports whether the response is server-sent events, which end when one side has
// enough, and whose clients come back for more.
func isEventStream(a *http1.Answer) bool {
	for i := range a.Fields {
		if f := &a.Fields[i]; http1.Is(f.Name, "content-type") {
			mediaType, _, _ := bytes.Cut(f.Value, []byte(";"))
			return http1.Is(bytes.TrimSpace(mediaType), "text/event-stream")
		}
	}
	return false
}

// endExchange ends the exchange once the response's body has come, and counts the request. What
// came behind the body, or is there by now, belongs to no request, so such a connection is never
// used again.
func (r *request) endExchange() {
	how := dropped
	if r.exchange.Keeps() {
		how = kept
	}
	r.end(how)
	r.record.Ended(&r.result)
}

// spliceFrom is from which size on a body goes past our memory: a pipe for it costs as much as
// copying some buffers does. At 1 MB it takes a third or more off what the request costs.
const spliceFrom = 4 * netconn.BufferSize

// relayRest sends the rest of the body, each piece as it arrives.
func (r *request) relayRest() error {
	x, link := &r.exchange, r.stream.Link()
	if x.Rest() >= spliceFrom && link != nil {
		if s := link.Splice(&x.Conn.Conn); s != nil {
			defer s.Close()
			if err := r.splice(s); err != netconn.ErrCantSplice {
				return err
			}
		}
	}
	return r.copy()
}

// splice sends the rest of a body of known size, within the kernel. It returns
// netconn.ErrCantSplice if that turns out not to be possible.
func (r *request) splice(s *netconn.Splice) error {
	for x := &r.exchange; !x.Complete(); {
		n, err := s.Read(x.Rest())
		switch {
		case err == netconn.ErrCantSplice:
			return err
		case err == io.EOF:
			return r.broken(io.ErrUnexpectedEOF)
		case err != nil:
			return r.broken(err)
		}
		if x.Pass(int64(n)); x.Complete() {
			r.endExchange()
		}
		if err := s.Write(); err != nil {
			return r.leftBehind(err)
		}
		r.stream.Passed(int64(n))
	}
	return nil
}

// copy sends the rest of a body through a buffer.
func (r *request) copy() error {
	x := &r.exchange
	if x.Complete() {
		return nil
	}
	buf := r.buffers.Get()
	defer r.buffers.Put(buf)
	for !x.Complete() {
		n, err := x.ReadBody(h1.Room(buf))
		if err != nil {
			return r.broken(err)
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
	if err == netconn.ErrTooSlow {
		return outcome.ClientSlow.Because(err)
	}
	return outcome.ClientGone.Because(err)
}
