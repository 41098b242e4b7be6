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

// errWoken says that a Read was woken without being overdue.
var errWoken = errors.New("woken")

// ErrInterrupted is what a Read or a Write fails with after Interrupt.
var ErrInterrupted = errors.New("interrupted")

// ErrAbandoned is what a Read from a backend fails with when the client that waits for the response
// has reset its connection.
var ErrAbandoned = errors.New("the client has reset its connection")

// waits is when a Read will be overdue that may take for ever: it is under way all the same.
const waits = math.MaxInt64

// timed is a connection whose Reads and Writes a registry wakes when they are overdue. One
// goroutine reads and another may write.
type timed struct {
	link
	registry *Registry
	// readDue and writeDue are when the Read or Write that runs now will be overdue, by the
	// registry's clock; 0 if none runs.
	readDue, writeDue atomic.Int64
	// pace is what Writes are held to; nil or without a rate if they aren't.
	pace *pace
	// interrupted has Reads and Writes fail, and wasCut says that breakOff has ended the
	// connection.
	interrupted, wasCut atomic.Bool
	// stage is how far a client is with a request: see stage.go.
	stage atomic.Int32
	// client is who waits for what is read here; nil if nobody does.
	client atomic.Pointer[Client]
	// untold says that Reads may not be told of an end.
	untold bool
	// seenDue is readDue as the last tick saw it, lookedDue as it was when a tick looked whether
	// the other side had ended.
	seenDue, lookedDue int64
	// ticks is how many ticks saw that Read before. restedDue is readDue as it was when a client's
	// wait was found to be long, and rested tells the client.
	ticks     int
	restedDue int64
	rested    atomic.Bool
	// readErr and writeErr are what the last Read and the last Write failed with.
	readErr, writeErr error
}

// Err is what the connection failed with, io.EOF included; nil if it didn't. Who reads and who
// writes must be done.
func (t *timed) Err() error {
	if t.readErr != nil {
		return t.readErr
	}
	return t.writeErr
}

// Interrupt has the Read and the Write that run now fail with ErrInterrupted, and all later ones
// that would wait, until Resume.
func (t *timed) Interrupt() {
	t.interrupted.Store(true)
	t.wakeRead()
	t.wakeWrite()
}

// Resume ends Interrupt.
func (t *timed) Resume() {
	if t.interrupted.Load() {
		t.interrupted.Store(false)
	}
}

// breakOff ends the connection for whoever uses it, who still has to Close, and finds out by an
// error or an end.
func (t *timed) breakOff() {
	t.wasCut.Store(true)
	t.link.cut()
}

// WasCut reports whether the connection was ended by Cut or CutLasting, and not by the other side.
func (t *timed) WasCut() bool { return t.wasCut.Load() }

// overdue reports whether something due is late now.
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

// late reports whether due has passed.
func (t *timed) late(due int64) bool { return overdue(due, t.registry.now.Load()) }

// wakeRead and wakeWrite interrupt a Read or a Write, now or when the next begins.
func (t *timed) wakeRead()  { _ = t.link.SetReadDeadline(past) }
func (t *timed) wakeWrite() { _ = t.link.SetWriteDeadline(past) }

var (
	past  = time.Unix(1, 0)
	never = time.Time{}
)

// beginRead notes that a Read begins, which will be overdue at due; 0 is never.
func (t *timed) beginRead(due int64) {
	if due == 0 {
		due = waits
	}
	t.readDue.Store(due)
}

// endRead makes what a Read returned what the caller gets: ErrTimeout once due has passed, and
// errWoken if it was woken before for no reason that stands.
func (t *timed) endRead(n int, err error, due int64) (int, error) {
	t.readDue.Store(0)
	if n > 0 || err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	if t.late(due) {
		return 0, ErrTimeout
	}
	// The reasons are looked at after that: a wake-up that comes in between would be lost with the
	// deadline.
	if err := t.link.SetReadDeadline(never); err != nil {
		return 0, err
	}
	if t.interrupted.Load() {
		return 0, ErrInterrupted
	}
	if c := t.client.Load(); c != nil && c.left.Load() {
		return 0, ErrAbandoned
	}
	return 0, errWoken
}

// readUntil reads, or fails like endRead.
func (t *timed) readUntil(p []byte, due int64) (int, error) {
	t.beginRead(due)
	n, err := t.link.Read(p)
	return t.endRead(n, err, due)
}

// read reads like readUntil, and goes on when it was woken.
func (t *timed) read(p []byte, due int64) (int, error) {
	for {
		n, err := t.readUntil(p, due)
		if err == errWoken {
			continue
		}
		if err != nil {
			t.readErr = err
		}
		return n, err
	}
}

// write writes all of p. It fails with ErrTimeout when no byte left for limit, or once due has
// passed.
func (t *timed) write(p []byte, limit time.Duration, due int64) (int, error) {
	return t.push(func(n int) (int, error) { return t.link.Write(p[n:]) }, len(p), limit, due)
}

// push is write of size bytes by some, which sends some of what is left after the first n.
func (t *timed) push(some func(n int) (int, error), size int, limit time.Duration, due int64) (int, error) {
	n, err := t.pushUntil(some, size, limit, due)
	if err != nil {
		t.writeErr = err
	}
	return n, err
}

// pushUntil is push. Each tick wakes it while it waits. Only then does it learn whether bytes left,
// so it takes a stall from the last tick that saw some; and systems say that a connection can be
// written to again only when a good part of its buffer is free, which may be megabytes, so a client
// that reads slowly is only noticed by trying.
func (t *timed) pushUntil(some func(n int) (int, error), size int, limit time.Duration, due int64) (n int, err error) {
	stalled := soonest(t.in(limit), due)
	for {
		last := t.late(stalled)
		t.writeDue.Store(min(stalled, nextTick))
		began := t.registry.now.Load()
		m, err := some(n)
		t.writeDue.Store(0)
		t.notePace(began, m)
		n += m
		switch {
		case err == nil && n < size:
			stalled = soonest(t.in(limit), due)
			continue
		case err == nil || !errors.Is(err, os.ErrDeadlineExceeded):
			return n, err
		case t.late(due), m == 0 && last:
			return n, ErrTimeout
		case t.pace.exceeded():
			return n, ErrTooSlow
		case m > 0:
			stalled = soonest(t.in(limit), due)
		}
		if err := t.link.SetWriteDeadline(never); err != nil {
			return n, err
		}
		if t.interrupted.Load() {
			return n, ErrInterrupted
		}
	}
}

// notePace notes that a part of a Write took since began, and that n bytes left in it. Only a
// socket that is full has it take any time.
func (t *timed) notePace(began int64, n int) {
	if took := t.registry.now.Load() - began; took > 0 {
		t.pace.waited(time.Duration(took), n)
	} else {
		t.pace.passed(n)
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
	err := t.link.Close()
	t.registry.remove(t)
	return err
}
