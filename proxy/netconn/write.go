package netconn

import (
	"errors"
	"os"
	"sync/atomic"
	"time"
)

// writing is the state of a connection's Writes.
type writing struct {
	// due is when the Write that runs now will be overdue, by the registry's clock; 0 if none runs.
	due atomic.Int64
	// limit is for how long no byte may leave; 0 is for ever.
	limit time.Duration
	// pace is what Writes are held to; nil or without a rate if they aren't.
	pace *pace
	// err is what a Write failed with, and n how many bytes were written in all.
	err error
	n   int64
}

// nextTick is overdue at the next tick.
const nextTick = 1

// transmit writes all of p to the link. It fails with ErrTimeout when no byte left for the limit,
// or once the connection's end has passed.
func (c *Conn) transmit(p []byte) (int, error) {
	return c.push(func(n int) (int, error) { return c.link.Write(p[n:]) }, len(p))
}

// push is transmit of size bytes by some, which sends some of what is left after the first n.
//
// Each tick wakes it while it waits. Only then does it learn whether bytes left, so it takes a
// stall from the last tick that saw some; and systems say that a connection can be written to again
// only when a good part of its buffer is free, which may be megabytes, so a client that reads
// slowly is only noticed by trying.
func (c *Conn) push(some func(n int) (int, error), size int) (n int, err error) {
	w := &c.writing
	stalled := soonest(c.in(w.limit), c.end)
	for {
		last := c.late(stalled)
		w.due.Store(min(stalled, nextTick))
		began := c.registry.now.Load()
		m, err := some(n)
		w.due.Store(0)
		w.notePace(time.Duration(c.registry.now.Load()-began), m)
		n += m
		switch {
		case err == nil && n < size:
			stalled = soonest(c.in(w.limit), c.end)
			continue
		case err == nil || !errors.Is(err, os.ErrDeadlineExceeded):
			return n, err
		case c.late(c.end), m == 0 && last:
			return n, ErrTimeout
		case w.pace.exceeded():
			return n, ErrTooSlow
		case m > 0:
			stalled = soonest(c.in(w.limit), c.end)
		}
		if err := c.link.SetWriteDeadline(never); err != nil {
			return n, err
		}
		if c.interrupted.Load() {
			return n, ErrInterrupted
		}
	}
}

// notePace notes that a part of a Write took so long, and that n bytes left in it. Only a socket
// that is full has it take any time.
func (w *writing) notePace(took time.Duration, n int) {
	if took > 0 {
		w.pace.waited(took, n)
	} else {
		w.pace.passed(n)
	}
}
