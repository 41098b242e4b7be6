package netconn

import (
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// Conn is a connection with timeouts, over TLS or not: a client's or a backend's. A registry wakes
// its Reads and Writes when they are overdue. One goroutine reads and another may write.
type Conn struct {
	link
	// layer is what Read and Write go through: the link as it is, or TLS over it.
	layer    layer
	registry *Registry
	// owner is whose connection it is, and reader for whom it is read at present.
	owner   owner
	reader  reader
	reading reading
	writing writing
	// end is when everything on the connection will be overdue; 0 is never.
	end int64
	// interrupted has Reads and Writes fail, and wasCut reports that breakOff has ended the
	// connection.
	interrupted, wasCut atomic.Bool
	seen                seen
}

// owner is whose connection it is: a Client or a Backend.
type owner interface {
	reader
	// stuck is called at each tick that sees the same Read as the one before, and reports whether
	// that had better be woken. The Read will be overdue at due, and ticks is how many ticks have
	// seen it before. The registry's mu is held.
	stuck(due int64, ticks int) (wake bool)
}

// layer is what bytes go through on their way from and to a link.
type layer interface {
	// open is called before anything else, and again after that has no effect.
	open() error
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	// readLent, readEach, ask and quiet are as those of a link.
	readLent(l Lender) (int, error)
	readEach(l Lender, used func(n int) (wait bool)) (int, error)
	ask(out, in []byte, reused bool) (sent, n int, err error)
	quiet() bool
	// CloseWrite ends our side for the one who reads at the other.
	CloseWrite() error
	// leave is called before the connection is closed in good order.
	leave()
	// bare is the link if it has the same bytes as the layer, and nil if not.
	bare() link
}

// goOver has the connection go over conn, by TLS if there is some.
func (c *Conn) goOver(conn net.Conn, tls *secure) {
	c.link = newLink(conn)
	c.layer = cleartext{c}
	if tls != nil {
		tls.carrier.conn = c
		c.layer = tls
	}
}

// replace has the connection go on over conn, and closes what it went over before.
func (c *Conn) replace(conn net.Conn, tls *secure) {
	c.leave()
	c.registry.mu.Lock()
	defer c.registry.mu.Unlock()
	_ = c.link.Close()
	c.goOver(conn, tls)
}

// Read reads for as long as the connection's owner may wait.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.layer.Read(p)
	return c.received(n, err)
}

// received notes what a Read returned.
func (c *Conn) received(n int, err error) (int, error) {
	c.reading.n += int64(n)
	c.reading.err = err
	return n, err
}

// Write sends all of p.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.layer.Write(p)
	return c.sent(n, err)
}

// sent notes what a Write returned.
func (c *Conn) sent(n int, err error) (int, error) {
	c.writing.n += int64(n)
	if err != nil {
		c.writing.err = err
	}
	return n, err
}

// quiet reports whether the other side has sent nothing that wasn't read, and closed nothing.
func (c *Conn) quiet() bool { return c.layer.quiet() }

// CloseWrite ends our side of the connection.
func (c *Conn) CloseWrite() error { return c.layer.CloseWrite() }

// Err is what the connection failed with, io.EOF included; nil if it didn't. Nobody may be reading
// or writing.
func (c *Conn) Err() error {
	if c.reading.err != nil {
		return c.reading.err
	}
	return c.writing.err
}

// ErrInterrupted is what a Read or a Write fails with after Interrupt.
var ErrInterrupted = errors.New("interrupted")

// Interrupt has the Read and the Write that run now fail with ErrInterrupted, and all later ones
// that would wait, until Resume.
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

// breakOff ends the connection under whoever uses it, who finds out by an error or an end, and
// still has to Close.
func (c *Conn) breakOff() {
	c.wasCut.Store(true)
	c.link.cut()
}

// WasCut reports whether the connection was ended by Cut or CutLasting, and not by the other side.
func (c *Conn) WasCut() bool { return c.wasCut.Load() }

// wakeRead and wakeWrite interrupt a Read or a Write, now or when the next begins.
func (c *Conn) wakeRead()  { _ = c.link.SetReadDeadline(past) }
func (c *Conn) wakeWrite() { _ = c.link.SetWriteDeadline(past) }

var (
	past  = time.Unix(1, 0)
	never = time.Time{}
)

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
