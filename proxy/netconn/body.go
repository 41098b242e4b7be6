package netconn

import (
	"errors"
	"sync/atomic"
	"time"
)

// Whether a client owes bytes of a request's body.
const (
	// notYet: it waits for a 100 before it sends them.
	notYet int32 = iota
	owes
	// forgiven: the response has begun, and perhaps nobody waits for the rest of the body.
	forgiven
)

// body is the state of the bodies that a client sends and takes.
type body struct {
	// sends and takes are the least rates at which the client sends a body and takes a response.
	sends, takes Pace
	// moment is when ReadBy returns; 0 outside of it.
	moment int64
	// idle is when the client has sent nothing for too long; 0 while no Read runs.
	idle int64
	// paced reports whether the least rate holds for the current Read, which began at began.
	began int64
	paced bool
	// owing is notYet, owes or forgiven.
	owing atomic.Int32
}

// hold holds a client to the least rate of its limits.
func (b *body) hold(limits *ClientLimits) {
	b.sends = limits.Pace()
	b.takes = b.sends
}

// begin begins the bodies of another request.
func (b *body) begin() { b.sends.behind, b.takes.behind = 0, 0 }

// Body notes that a request's header was read, and that its body is read next. With expects, the
// client owes nothing of it before Owe, or before its first byte.
func (c *Client) Body(expects bool) {
	c.phase = inBody
	c.body.owing.Store(owes)
	if expects {
		c.body.owing.Store(notYet)
	}
}

// Owe notes that the client was told to send the body that it waits to send. Another goroutine may
// be reading.
func (c *Client) Owe() {
	if c.body.owing.CompareAndSwap(notYet, owes) {
		c.wakeRead()
	}
}

// Forgive notes that the response has begun, so that no least rate holds for the rest of the
// request. Another goroutine may be reading.
func (c *Client) Forgive() { c.body.owing.Store(forgiven) }

// ErrNotYet is the error of ReadBy when its moment has come.
var ErrNotYet = errors.New("not yet")

// ReadBy reads a body, but waits until a moment at most, and then fails with ErrNotYet. The client
// owes nothing during the wait: it may be waiting for the response.
func (c *Client) ReadBy(p []byte, moment int64) (int, error) {
	c.body.moment = moment
	n, err := c.Read(p)
	c.body.moment = 0
	if err == ErrNotYet {
		c.reading.err = nil
	}
	return n, err
}

// bodyDue is when a Read of a body is overdue: when the client has sent nothing for too long, or
// has fallen too far behind the least rate.
func (c *Client) bodyDue() int64 {
	b := &c.body
	if b.idle == 0 {
		b.idle = c.in(c.limits.Load().Read)
	}
	b.paced = b.moment == 0 && b.sends.Holds() && b.owing.Load() == owes
	if !b.paced {
		return soonest(b.idle, b.moment)
	}
	b.began = c.now()
	return soonest(b.idle, c.in(max(b.sends.Left(), 1)))
}

// bodyOver is called when a Read of a body has ended: see over.
func (c *Client) bodyOver(n int, err error) (again bool, _ error) {
	b := &c.body
	if b.paced {
		b.paced = false
		b.sends.Waited(time.Duration(c.now()-b.began), n)
	} else if n > 0 {
		b.owing.CompareAndSwap(notYet, owes)
	}
	if err == errWoken {
		return true, nil
	}
	if err == ErrTimeout && !c.late(b.idle) {
		switch {
		case b.moment != 0:
			err = ErrNotYet
		case b.owing.Load() != owes:
			return true, nil // It was forgiven meanwhile.
		default:
			err = ErrTooSlow
		}
	}
	b.idle = 0
	return false, err
}
