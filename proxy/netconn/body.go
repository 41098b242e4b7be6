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
	// forgiven: the response has begun to come, and it may be that nobody waits for the rest.
	forgiven
)

// body is the state of the bodies that a client sends and takes.
type body struct {
	// owing is notYet, owes or forgiven.
	owing atomic.Int32
	// sends and takes are the paces at which the client sends a body and takes a response.
	sends, takes pace
	// moment is when ReadBy is to return; 0 outside of it.
	moment int64
	// idle is when the Read that runs will have taken too long; 0 while none runs.
	idle int64
	// paced reports that the client owes bytes to the Read that runs, which began at began.
	paced bool
	began int64
}

// Body notes that a request's header was read, and that what is read next is its body. With
// expects, the client owes nothing of it before Owe, or its first byte.
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

// Forgive notes that the response has begun to come, so that no least rate holds for the rest of
// the request. Another goroutine may be reading.
func (c *Client) Forgive() { c.body.owing.Store(forgiven) }

// ErrNotYet is what ReadBy fails with when its moment has come.
var ErrNotYet = errors.New("not yet")

// Soon is the moment that is so far from now, or up to a tick earlier, for ReadBy. Half a tick has
// it be noticed at the tick that is meant.
func (c *Client) Soon(d time.Duration) int64 {
	return c.registry.now.Load() + int64(d-c.registry.tick/2)
}

// ReadBy is Read of a body that waits no longer than up to a moment, and fails with ErrNotYet then.
// The client owes nothing meanwhile: it may be waiting for the response.
func (c *Client) ReadBy(p []byte, moment int64) (int, error) {
	c.body.moment = moment
	n, err := c.Read(p)
	c.body.moment = 0
	if err == ErrNotYet {
		c.reading.err = nil
	}
	return n, err
}

// bodyDue is when a Read of a body will be overdue: when no byte has come for too long, or when the
// client is too slow.
func (c *Client) bodyDue() int64 {
	b := &c.body
	if b.idle == 0 {
		b.idle = c.in(c.all.limits.Read)
	}
	if b.paced = b.moment == 0 && b.sends.holds() && b.owing.Load() == owes; !b.paced {
		return soonest(b.idle, b.moment)
	}
	b.began = c.registry.now.Load()
	return soonest(b.idle, c.in(max(b.sends.left(), 1)))
}

// bodyOver is the end of a Read of a body.
func (c *Client) bodyOver(n int, err error) (again bool, _ error) {
	b := &c.body
	if b.paced {
		b.sends.waited(time.Duration(c.registry.now.Load()-b.began), n)
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
