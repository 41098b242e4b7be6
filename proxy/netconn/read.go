package netconn

import (
	"errors"
	"math"
	"os"
	"sync/atomic"
	"time"
)

// ErrTimeout is what a Read or a Write fails with that made no progress in time. It is a
// net.Error whose Timeout is true.
var ErrTimeout error = timeout{}

type timeout struct{}

func (timeout) Error() string   { return "timed out" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return false }

// errWoken is what a Read ends with that was woken and isn't overdue.
var errWoken = errors.New("woken")

// waits is when a Read will be overdue that may take for ever: it is under way all the same.
const waits = math.MaxInt64

// reading is the state of a connection's Reads.
type reading struct {
	// due is when the Read that runs now will be overdue, by the registry's clock; 0 if none runs.
	due atomic.Int64
	// err is what the last Read failed with, and n how many bytes came in all.
	err error
	n   int64
}

// reader is for whom a connection is read. It knows how long that may take.
type reader interface {
	// due is when a Read that begins now, or goes on, will be overdue; 0 is never. With an error
	// the Read doesn't begin.
	due() (due int64, err error)
	// over is called after a Read. It returns the error that the Read fails with, or reports that
	// it is to go on, which only makes sense without bytes. The error is ErrTimeout once due has
	// passed, and errWoken if the Read was woken before that.
	over(n int, err error) (again bool, failed error)
}

// receive reads from the link by read, for as long as the reader may wait.
func (c *Conn) receive(read func() (int, error)) (int, error) {
	for {
		due, err := c.reader.due()
		if err != nil {
			return 0, err
		}
		c.beginRead(due)
		n, err := read()
		n, err = c.endRead(n, err)
		again, err := c.reader.over(n, err)
		if !again {
			return n, err
		}
	}
}

// beginRead notes that a Read begins, which will be overdue at due; 0 is never.
func (c *Conn) beginRead(due int64) {
	if due == 0 {
		due = waits
	}
	c.reading.due.Store(due)
}

// endRead notes that a Read has ended, and explains a wake-up: it returns ErrTimeout if the Read is
// overdue, and errWoken if there is no reason any more.
func (c *Conn) endRead(n int, err error) (int, error) {
	due := c.reading.due.Swap(0)
	if n > 0 || err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	if c.late(due) {
		return 0, ErrTimeout
	}
	// The reasons are looked at after that: a wake-up that comes in between would be lost with the
	// deadline.
	if err := c.link.SetReadDeadline(never); err != nil {
		return 0, err
	}
	if c.interrupted.Load() {
		return 0, ErrInterrupted
	}
	return 0, errWoken
}

// in is when something that may take limit from now will be overdue; 0, never, if limit is 0.
// The clock may be a tick behind, so a tick is added: what is overdue by then took limit at least.
func (c *Conn) in(limit time.Duration) int64 {
	if limit == 0 {
		return 0
	}
	return c.registry.now.Load() + int64(limit+c.registry.tick)
}

// late reports whether due has passed.
func (c *Conn) late(due int64) bool { return overdue(due, c.registry.now.Load()) }

// overdue reports whether something due is late now.
func overdue(due, now int64) bool { return due != 0 && due <= now }

// soonest is the earlier of two moments, where 0 is never.
func soonest(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
