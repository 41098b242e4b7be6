package netconn

import (
	"errors"
	"net"
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

// errWoken says that a Read was woken without being overdue.
var errWoken = errors.New("woken")

// timed is a connection whose Reads and Writes a registry wakes when they are overdue. One goroutine
// reads and writes, save for the wake functions.
type timed struct {
	net.Conn
	registry *Registry
	// readDue and writeDue are when the Read or Write that runs now will be overdue, by the registry's clock; 0 is never.
	readDue, writeDue atomic.Int64
	// err is what the last Read or Write failed with.
	err error
}

// Err is what the connection failed with, io.EOF included; nil if it didn't. Parsers wrap it
// in ways that errors.Is can't see through.
func (t *timed) Err() error { return t.err }

// overdue says whether something due is late now.
func overdue(due, now int64) bool { return due != 0 && due <= now }

// in is when something that may take limit from now will be overdue; 0, never, if limit is 0.
// The clock may be a tick behind, so a tick is added: what is overdue by then took limit at least.
func (t *timed) in(limit time.Duration) int64 {
	if limit == 0 {
		return 0
	}
	return t.registry.now.Load() + int64(limit+t.registry.tick)
}

// nextTick is overdue at the next tick.
const nextTick = 1

// late says whether due has passed.
func (t *timed) late(due int64) bool { return overdue(due, t.registry.now.Load()) }

// wakeRead and wakeWrite interrupt a Read or a Write, now or when the next begins.
func (t *timed) wakeRead()  { _ = t.Conn.SetReadDeadline(past) }
func (t *timed) wakeWrite() { _ = t.Conn.SetWriteDeadline(past) }

var (
	past  = time.Unix(1, 0)
	never = time.Time{}
)

// readUntil reads, or fails with ErrTimeout once due has passed. It returns errWoken if it was woken before.
func (t *timed) readUntil(p []byte, due int64) (int, error) {
	t.readDue.Store(due)
	n, err := t.Conn.Read(p)
	t.readDue.Store(0)
	if n > 0 || err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	if t.late(due) {
		return 0, ErrTimeout
	}
	if err := t.Conn.SetReadDeadline(never); err != nil {
		return 0, err
	}
	return 0, errWoken
}

// read reads like readUntil, and goes on when it was woken.
func (t *timed) read(p []byte, due int64) (int, error) {
	for {
		n, err := t.readUntil(p, due)
		if err == errWoken {
			continue
		}
		if err != nil {
			t.err = err
		}
		return n, err
	}
}

// write writes all of p. It fails with ErrTimeout when no byte left for limit, or once due has passed.
func (t *timed) write(p []byte, limit time.Duration, due int64) (int, error) {
	n, err := t.writeUntil(p, limit, due)
	if err != nil {
		t.err = err
	}
	return n, err
}

// writeUntil is write. Each tick wakes it while it waits. Only then does it learn whether bytes left, so it takes a stall from the
// last tick that saw some; and systems say that a connection can be written to again only when a good part of its
// buffer is free, which may be megabytes, so a client that reads slowly is only noticed by trying.
func (t *timed) writeUntil(p []byte, limit time.Duration, due int64) (n int, err error) {
	stalled := soonest(t.in(limit), due)
	for {
		last := t.late(stalled)
		t.writeDue.Store(min(stalled, nextTick))
		m, err := t.Conn.Write(p[n:])
		t.writeDue.Store(0)
		n += m
		switch {
		case err == nil || !errors.Is(err, os.ErrDeadlineExceeded):
			return n, err
		case t.late(due), m == 0 && last:
			return n, ErrTimeout
		case m > 0:
			stalled = soonest(t.in(limit), due)
		}
		if err := t.Conn.SetWriteDeadline(never); err != nil {
			return n, err
		}
	}
}

// soonest is the earlier of two moments, where 0 is never.
func soonest(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// close closes the connection and leaves the registry.
func (t *timed) close() error {
	err := t.Conn.Close()
	t.registry.remove(t)
	return err
}
