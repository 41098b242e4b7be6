package h2

import "gopher-equalizer/proxy/http1"

// This file ends streams, and appends their frames. All callers hold the connection's mu.

// sendHead appends a response's head, with which the stream may end.
func (c *connection) sendHead(s *stream, text []byte, ends bool) {
	start := c.out.beginHeaders()
	c.out.b = c.AppendResponse(c.out.b, text)
	c.endHeaders(s, start, ends)
}

// sendTrailers appends the end of a stream, with the trailers that keep says yes to.
func (c *connection) sendTrailers(s *stream, trailers []http1.Field, keep func(http1.Field) bool) {
	start := c.out.beginHeaders()
	fields := len(c.out.b)
	c.out.b = c.AppendTrailers(c.out.b, trailers, keep)
	if len(c.out.b) == fields {
		c.out.b = c.out.b[:start]
		c.sendFrame(s, nil, true)
		return
	}
	c.endHeaders(s, start, true)
}

func (c *connection) endHeaders(s *stream, start int, ends bool) {
	flags := uint8(0)
	if ends {
		flags = flagEndStream
	}
	c.out.endHeaders(start, s.id, flags, c.mostFrame)
}

// sendFrame appends data, with which the stream may end.
func (c *connection) sendFrame(s *stream, data []byte, ends bool) {
	flags := uint8(0)
	if ends {
		flags = flagEndStream
	}
	c.out.data(s.id, data, flags)
	s.sendWindow -= len(data)
	c.sendWindow -= len(data)
	c.account.moved(len(data))
}

// endOut notes that the response has ended. What is missing of the request's body isn't needed any
// more.
func (c *connection) endOut(s *stream) {
	s.endedOut = true
	c.leaving.sent = true
	c.account.forgive(forgivenPerResponse)
	if s.endedIn {
		c.closed(s, false)
	} else {
		c.keepRemnant(s)
	}
}

// reset resets a stream.
func (c *connection) reset(s *stream, code Code, why error) {
	c.out.reset(s.id, code)
	c.breakOff(s, why)
	c.closed(s, true)
}

// streamError resets a stream for what its client did, and returns why the connection must end, if
// that was too much.
func (c *connection) streamError(s *stream, why *Fault) *Fault {
	c.reset(s, why.Code, why)
	return c.charge(oddStreamError)
}

// breakOff has nothing more come or go on a stream, and its exchange end.
func (c *connection) breakOff(s *stream, why error) {
	s.broken = why
	c.unsay(nil, s.in.drop())
	if t := s.turn; t != nil {
		t.awaiter.Leave()
		t.readable.wake()
		t.writable.wake()
	}
}

// closed notes that a stream has ended for the client. ours is an end by our reset.
func (c *connection) closed(s *stream, ours bool) {
	if s.open {
		s.open = false
		c.open--
		c.past.note(s.id, ours)
	}
}
