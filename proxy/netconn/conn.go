package netconn

import (
	"errors"
	"math"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// Conn is a connection with timeouts, with or without TLS: a client's or a backend's. A registry
// wakes its Reads and Writes when they are overdue. One goroutine may read while another writes.
type Conn struct {
	link
	// layer is what Read and Write go through: the link as it is, or TLS over it.
	layer    layer
	registry *Registry
	// owner is the Client or the Backend that the connection belongs to. reader decides how long a
	// Read may take: the owner, or one direction of a tunnel.
	owner   owner
	reader  reader
	reading reading
	writing writing
	// end is when everything on the connection is overdue; 0 is never.
	end int64
	// interrupted makes Reads and Writes fail. wasCut reports whether breakOff ended the
	// connection.
	interrupted, wasCut atomic.Bool
	seen                seen
}

// owner is what a connection belongs to: a Client or a Backend.
type owner interface {
	reader
	// stuck is called by each tick that sees the same Read as the tick before, with the registry
	// locked. The Read is overdue at due, and ticks counts the earlier ticks that saw it. stuck
	// reports whether the Read should be woken.
	stuck(due int64, ticks int) (wake bool)
	// tick is called by each tick, with the registry locked.
	tick()
}

// reader decides how long a connection's Reads may take.
type reader interface {
	// due is when a Read that begins now, or goes on, is overdue; 0 is never. With an error the
	// Read does not begin.
	due() (due int64, err error)
	// over is called when a Read has ended. It reports whether to read again, or returns the error
	// that the Read fails with. err is ErrTimeout if the Read is overdue, and errWoken if it was
	// woken before that.
	over(n int, err error) (again bool, failed error)
}

// reading is the state of a connection's Reads.
type reading struct {
	// due is when the current Read is overdue by the registry's clock; 0 while none runs.
	due atomic.Int64
	// err is the error of the last Read, n the number of bytes read.
	err error
	n   int64
}

// writing is the state of a connection's Writes.
type writing struct {
	// due is when the current Write is overdue by the registry's clock; 0 while none runs.
	due atomic.Int64
	// limit is how long a Write may go without sending a byte; 0 is for ever.
	limit time.Duration
	// pace is the least rate that Writes are held to; nil or without a rate if there is none.
	pace *Pace
	// err is the error of the last Write that failed, n the number of bytes written.
	err error
	n   int64
}

// ErrTimeout is the error of a Read or a Write that made no progress in time. It is a net.Error
// whose Timeout is true.
var ErrTimeout error = timeout{}

type timeout struct{}

func (timeout) Error() string   { return "timed out" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return false }

// ErrInterrupted is the error of a Read or a Write after Interrupt.
var ErrInterrupted = errors.New("interrupted")

// errWoken is the error of a Read that was woken and isn't overdue.
var errWoken = errors.New("woken")

// goOver makes conn carry the connection, with TLS if tls isn't nil.
func (c *Conn) goOver(conn net.Conn, tls *secure) {
	c.link = newLink(conn)
	c.layer = cleartext{c}
	if tls != nil {
		tls.carrier.conn = c
		c.layer = tls
	}
}

// replace makes conn carry the connection, and closes what carried it before.
func (c *Conn) replace(conn net.Conn, tls *secure) {
	c.leave()
	c.registry.mu.Lock()
	defer c.registry.mu.Unlock()
	_ = c.link.Close()
	c.goOver(conn, tls)
}

// Read reads for as long as the connection's reader allows.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.layer.Read(p)
	return c.received(n, err)
}

// received notes the result of a Read.
func (c *Conn) received(n int, err error) (int, error) {
	c.reading.n += int64(n)
	c.reading.err = err
	return n, err
}

// Write sends all of p. It fails with ErrTimeout if no byte leaves for too long.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.layer.Write(p)
	return c.sent(n, err)
}

// sent notes the result of a Write.
func (c *Conn) sent(n int, err error) (int, error) {
	c.writing.n += int64(n)
	if err != nil {
		c.writing.err = err
	}
	return n, err
}

// CloseWrite ends our side of the connection.
func (c *Conn) CloseWrite() error { return c.layer.CloseWrite() }

// These go through the layer as well. Without them, the methods of the link would be promoted.

func (c *Conn) readLent(l Lender) (int, error) { return c.layer.readLent(l) }

func (c *Conn) readEach(l Lender, arrived func(n int) (wait bool)) (int, error) {
	return c.layer.readEach(l, arrived)
}

func (c *Conn) ask(out, in []byte, reused bool) (sent, n int, err error) {
	return c.layer.ask(out, in, reused)
}

func (c *Conn) quiet() bool { return c.layer.quiet() }

func (c *Conn) bare() link { return c.layer.bare() }

// Ended reports whether the other side has ended the connection, or reset it.
func (c *Conn) Ended() bool { return c.link.peer() != present }

// isReset reports whether the other side has reset the connection.
func (c *Conn) isReset() bool { return c.link.peer() == broken }

// Err is the error that the connection failed with, io.EOF included; nil if there was none. Nobody
// may be reading or writing.
func (c *Conn) Err() error {
	if c.reading.err != nil {
		return c.reading.err
	}
	return c.writing.err
}

// Interrupt makes the current Read and Write fail with ErrInterrupted, and all later ones that
// would wait, until Resume.
func (c *Conn) Interrupt() {
	c.interrupted.Store(true)
	c.wakeRead()
	c.wakeWrite()
}

// Resume ends Interrupt.
func (c *Conn) Resume() {
	if c.interrupted.Load() {
		c.interrupted.Store(false)
	}
}

// breakOff ends the connection while it is in use. Its user sees an error or an end, and still has
// to Close.
func (c *Conn) breakOff() {
	c.wasCut.Store(true)
	c.link.cut()
}

// WasCut reports whether Cut or CutLasting ended the connection, and not the other side.
func (c *Conn) WasCut() bool { return c.wasCut.Load() }

// leave tells the other side that nothing more comes, unless a Write has failed.
func (c *Conn) leave() {
	if c.writing.err == nil {
		c.layer.leave()
	}
}

// close closes the connection and leaves the registry.
func (c *Conn) close() error {
	err := c.link.Close()
	c.registry.remove(c)
	return err
}

// wakeRead and wakeWrite interrupt the current Read or Write, or else the next one.
func (c *Conn) wakeRead()  { _ = c.link.SetReadDeadline(past) }
func (c *Conn) wakeWrite() { _ = c.link.SetWriteDeadline(past) }

var (
	past  = time.Unix(1, 0)
	never = time.Time{}
)

// receive reads from the link by read, for as long as the connection's reader allows.
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

// unlimited is when a Read is overdue that may take for ever. It isn't 0, since a Read runs.
const unlimited = math.MaxInt64

// beginRead notes that a Read begins, which is overdue at due; 0 is never.
func (c *Conn) beginRead(due int64) {
	if due == 0 {
		due = unlimited
	}
	c.reading.due.Store(due)
}

// endRead notes that a Read has ended. If it was woken, endRead finds out why: the error is
// ErrTimeout if the Read is overdue, ErrInterrupted after Interrupt, and else errWoken.
func (c *Conn) endRead(n int, err error) (int, error) {
	due := c.reading.due.Swap(0)
	if n > 0 || err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	if c.late(due) {
		return 0, ErrTimeout
	}
	// The deadline goes before the reasons are looked at. Otherwise a wake-up in between would be
	// lost with it.
	if err := c.link.SetReadDeadline(never); err != nil {
		return 0, err
	}
	if c.interrupted.Load() {
		return 0, ErrInterrupted
	}
	return 0, errWoken
}

// transmit writes all of p to the link. It fails with ErrTimeout if no byte leaves for the limit,
// or once the connection's end has passed.
func (c *Conn) transmit(p []byte) (int, error) {
	return c.push(func(n int) (int, error) { return c.link.Write(p[n:]) }, len(p))
}

// nextTick is overdue at the next tick.
const nextTick = 1

// push writes size bytes by some, which sends some of the bytes behind the first n.
//
// Each tick wakes push while it waits. Only then does push learn whether bytes left, so it counts a
// stall from the last tick that saw some. Waiting until the socket is writable would not do:
// systems report that only when a good part of the send buffer is free, which may be megabytes, so
// a slow reader would look like one that has stopped.
func (c *Conn) push(some func(n int) (int, error), size int) (n int, err error) {
	w := &c.writing
	stalled := soonest(c.in(w.limit), c.end)
	for {
		last := c.late(stalled)
		w.due.Store(min(stalled, nextTick))
		began := c.now()
		m, err := some(n)
		w.due.Store(0)
		w.notePace(time.Duration(c.now()-began), m)
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

// notePace notes that a part of a Write took so long and sent n bytes. It takes time only if the
// socket is full.
func (w *writing) notePace(took time.Duration, n int) {
	if took > 0 {
		w.pace.Waited(took, n)
	} else {
		w.pace.Passed(n)
	}
}

// now is the registry's clock.
func (c *Conn) now() int64 { return c.registry.now.Load() }

// in is when something that may take limit from now is overdue; 0, never, if limit is 0. The clock
// may be a tick behind, so a tick is added: what is overdue by then took limit at least. The tick
// is read first: the clock is moved before a tick changes.
func (c *Conn) in(limit time.Duration) int64 {
	if limit == 0 {
		return 0
	}
	tick := c.registry.tick.Load()
	return c.now() + int64(limit) + tick
}

// Soon returns the moment at that distance from now, or up to a tick earlier, for Client.ReadBy.
// Half a tick is taken off so that the tick nearest to the moment notices it.
func (c *Conn) Soon(d time.Duration) int64 { return c.now() + int64(d) - c.registry.tick.Load()/2 }

// late reports whether due has passed.
func (c *Conn) late(due int64) bool { return overdue(due, c.now()) }

// overdue reports whether due has passed at now; 0 never passes.
func overdue(due, now int64) bool { return due != 0 && due <= now }

// soonest is the earlier of two moments, where 0 is never.
func soonest(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
