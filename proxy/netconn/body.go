package netconn

import (
	"errors"
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

// Body says that a request's header was read, and that what is read next is its body. With expects,
// the client owes nothing of it before Owe, or its first byte.
func (c *Client) Body(expects bool) {
	c.phase = body
	c.owing.Store(owes)
	if expects {
		c.owing.Store(notYet)
	}
}

// Owe says that the client was told to send the body that it waits to send. Another goroutine may
// be reading.
func (c *Client) Owe() {
	if c.owing.CompareAndSwap(notYet, owes) {
		c.wakeRead()
	}
}

// Forgive says that the response has begun to come, so that no least rate holds for the rest of the
// request. Another goroutine may be reading.
func (c *Client) Forgive() { c.owing.Store(forgiven) }

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
	idle := c.in(c.all.limits.Read)
	n, err := c.read(p, soonest(idle, moment))
	if err == ErrTimeout && !c.late(idle) {
		c.readErr, err = nil, ErrNotYet
	}
	return n, err
}

// readBody reads more of a body, for as long as bytes come, and at the least rate.
func (c *Client) readBody(p []byte) (int, error) {
	idle := c.in(c.all.limits.Read)
	for {
		n, err := c.readPaced(p, idle)
		switch {
		case err == errWoken:
			continue
		case err != ErrTimeout || c.late(idle):
		case c.owing.Load() != owes:
			continue // It was forgiven meanwhile.
		default:
			err = ErrTooSlow
		}
		if err != nil {
			c.readErr = err
		}
		return n, err
	}
}

// readPaced reads until due, or until the client is too slow.
func (c *Client) readPaced(p []byte, due int64) (int, error) {
	if !c.sends.holds() || c.owing.Load() != owes {
		n, err := c.readUntil(p, due)
		if n > 0 {
			c.owing.CompareAndSwap(notYet, owes)
		}
		return n, err
	}
	began := c.registry.now.Load()
	n, err := c.readUntil(p, soonest(due, c.in(max(c.sends.left(), 1))))
	c.sends.waited(time.Duration(c.registry.now.Load()-began), n)
	return n, err
}
