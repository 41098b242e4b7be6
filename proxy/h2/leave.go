package h2

import "time"

// leaving is how far a connection is with its end in good order: the client is told twice (RFC
// 9113, section 6.8). First, that it shall send no more requests, and then, when it must have heard
// that, which one was the last that was taken.
type leaving struct {
	state leavingState
	// due is when the client is told for the second time although it hasn't said that it heard the
	// first; 0 is never. While the process drains, that is when its listeners close.
	due int64
	// heard reports whether it has said so, and sent whether a response has ended since it was
	// asked.
	heard, sent bool
}

type leavingState uint8

const (
	stays leavingState = iota
	// announced: the client was told to send no more requests. Those on their way are taken.
	announced
	// left: it was told which one was the last, and no other one is taken.
	left
)

// leaveGrace is how long the client may take to say that it heard.
const leaveGrace = time.Second

// leavePing is what the client says that by.
var leavePing = [8]byte{'l', 'e', 'a', 'v', 'i', 'n', 'g', '.'}

// quietly reports whether the client can have nothing on its way to us that would have the end of
// the connection cost it a response.
func (l *leaving) quietly() bool { return l.heard && !l.sent }

// leave tells the client to send no more requests. The caller holds mu.
func (c *connection) leave() {
	l := &c.leaving
	if l.state != stays || c.lost {
		return
	}
	l.state, l.due = announced, c.client.Due(leaveGrace)
	c.out.goAway(1<<31-1, NoError, "")
	c.out.ping(0, leavePing)
	c.settle()
}

// leaveAcknowledged notes that the client has heard. The caller holds mu.
func (c *connection) leaveAcknowledged() {
	if c.leaving.state == announced {
		c.leaving.heard = true
		c.leaveUnlessHeld()
	}
}

// leaveUnlessHeld is leaveNow, except while the process drains: a client that goes on to send is
// served until the listeners close. The caller holds mu.
func (c *connection) leaveUnlessHeld() {
	if c.server.settings.Drains() && !c.client.Leaves() {
		c.leaving.due = 0
		return
	}
	c.leaveNow()
}

// isHeld reports whether leaveUnlessHeld waits for the listeners to close.
func (l *leaving) isHeld() bool { return l.state == announced && l.due == 0 }

// leaveNow tells the client which request was the last: one whose head is coming is. The caller
// holds mu, and Wakes the connection unless it is the reader.
func (c *connection) leaveNow() {
	l := &c.leaving
	if l.state == left || c.lost {
		return
	}
	l.state, l.due = left, 0
	last := c.taken
	if c.heading {
		last = c.lastID
	}
	c.out.goAway(last, NoError, "")
	c.settle()
}

// leaveUnheard is leaveNow without the request whose head is coming: there is no more time for it.
// The caller holds mu.
func (c *connection) leaveUnheard() {
	c.forgetHeading()
	c.leaveNow()
}

// forgetHeading notes that no head is coming any more. The caller holds mu.
func (c *connection) forgetHeading() {
	if c.heading {
		c.heading = false
		c.asking--
		c.settle()
	}
}
