package h2

import (
	"slices"
	"time"
)

// remnant is a stream whose response has ended before the request's body has. RFC 9113, section
// 8.1, lets a server reset it at once, but some clients lose the response then: they see the reset
// before they have read it. So a client has a moment in which it may go on to send, up to the
// window that it has. What comes is dropped.
type remnant struct {
	stream uint32
	// window is how much more may come, due when the stream is reset.
	window int
	due    int64
}

// remnantGrace is how long a client may take to notice that the response has ended.
const remnantGrace = time.Second

// remnants are those of a connection. The client counts each as an open stream, so there are at
// most as many as it may have.
type remnants []remnant

// find is where the remnant of a stream is; -1 if there is none.
func (r remnants) find(stream uint32) int {
	return slices.IndexFunc(r, func(one remnant) bool { return one.stream == stream })
}

// keepRemnant has a stream whose response has ended live on as a remnant. The caller holds mu, as
// those of all that follow do.
func (c *connection) keepRemnant(s *stream) {
	if s.open {
		s.open = false
		c.remnants = append(c.remnants, remnant{s.id, s.recvWindow, c.client.Due(remnantGrace)})
	}
	c.breakOff(s, errEnded)
}

// endRemnant ends a remnant; ours is an end by our reset.
func (c *connection) endRemnant(i int, ours bool) {
	c.open--
	c.past.note(c.remnants[i].stream, ours)
	c.remnants = slices.Delete(c.remnants, i, i+1)
}

func (c *connection) resetRemnant(i int, code Code) {
	c.out.reset(c.remnants[i].stream, code)
	c.endRemnant(i, true)
}

// dropData takes the header of DATA for a remnant.
func (c *connection) dropData(i int, h *header) *Fault {
	r := &c.remnants[i]
	if h.length > r.window {
		c.resetRemnant(i, FlowControlError)
		return c.charge(oddStreamError)
	}
	r.window -= h.length
	switch {
	case h.has(flagEndStream):
		c.endRemnant(i, false)
	case h.length == 0:
		return c.charge(oddEmptyData)
	}
	return nil
}

// dropTrailers takes the header of HEADERS for a remnant.
func (c *connection) dropTrailers(i int, h *header) *Fault {
	if !h.has(flagEndStream) {
		c.resetRemnant(i, ProtocolError)
		return c.charge(oddStreamError)
	}
	c.endRemnant(i, false)
	return nil
}

// tickRemnants resets those that have had their time.
func (c *connection) tickRemnants(now int64) {
	for len(c.remnants) > 0 && c.remnants[0].due <= now { // They are in the order of their ends.
		c.resetRemnant(0, NoError)
	}
	c.flushElsewhere()
}

// resetRemnants resets all.
func (c *connection) resetRemnants() {
	for len(c.remnants) > 0 {
		c.resetRemnant(0, NoError)
	}
}
