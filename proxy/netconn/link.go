package netconn

import (
	"errors"
	"net"
)

// ErrStale is the error of an exchange on a connection that can't be used again: since the last
// exchange, the other side has closed it or has sent something unasked.
var ErrStale = errors.New("the connection went stale")

// errNothing is the error of a read that doesn't wait when there is nothing. It is temporary, since
// any other error breaks a tls.Conn.
var errNothing net.Error = errorNothing{}

type errorNothing struct{}

func (errorNothing) Error() string   { return "nothing to read" }
func (errorNothing) Timeout() bool   { return true }
func (errorNothing) Temporary() bool { return true }

// Lender lends the memory that a connection's next bytes are read into, so that a connection holds
// none while it waits.
type Lender interface {
	// Lend is called when bytes may have come.
	Lend() []byte
	// GiveBack is called when none have.
	GiveBack()
}

// presence is what is known of the other side of a connection.
type presence int

const (
	present presence = iota
	// ended: it sends no more. It may still read, which shows only when something is sent to it.
	ended
	// broken: it has reset the connection.
	broken
)

// link is a network connection of one of two kinds: plain, on any system, and raw, where that
// exists. One goroutine may read while another writes.
type link interface {
	net.Conn
	// readLent reads into memory that l lends. If it fails, the memory may still be lent.
	readLent(l Lender) (int, error)
	// readEach calls readLent, and arrived with the number of bytes, for as long as arrived reports
	// that it waits for more. arrived may write, but neither read nor close. An end that came in
	// one packet with bytes may go unnoticed until the Read is woken.
	readEach(l Lender, arrived func(n int) (wait bool)) (int, error)
	// ask sends out, and reads n bytes of what comes back into in. If n is 0 without an error, it
	// may have sent only a part of out, or nothing, and the rest is up to Write and Read. With
	// reused, it first looks whether anything has come; then it sends nothing and fails with
	// ErrStale.
	ask(out, in []byte, reused bool) (sent, n int, err error)
	// readNow reads, but fails with errNothing instead of waiting. It always does so where the
	// system can't read without waiting.
	readNow(p []byte) (int, error)
	// quiet reports whether the other side has sent nothing that wasn't read, and closed nothing.
	// It returns true where the system can't tell.
	quiet() bool
	// peer returns what is known of the other side, which is present where the system can't tell.
	// It may be called at any time.
	peer() presence
	// cut shuts the connection down on both sides, while it is in use, without waiting. It must
	// still be closed.
	cut()
	// inner is the connection as package net made it.
	inner() net.Conn
}

// plain is a link by means of package net.
type plain struct {
	net.Conn
	probe *probe
}

func newPlain(conn net.Conn) *plain { return &plain{conn, newProbe(conn)} }

func (p *plain) readLent(l Lender) (int, error) { return p.Conn.Read(l.Lend()) }

func (p *plain) readEach(l Lender, arrived func(n int) (wait bool)) (int, error) {
	return readEach(p, l, arrived)
}

// readEach is readEach by readLent.
func readEach(from interface{ readLent(l Lender) (int, error) }, l Lender, arrived func(n int) (wait bool)) (int, error) {
	for {
		n, err := from.readLent(l)
		if n == 0 || !arrived(n) {
			return n, err
		}
	}
}

// ask leaves the sending to Write: a registry wakes a Write that waits, but nothing would wake one
// in here.
func (p *plain) ask(_, _ []byte, reused bool) (sent, n int, err error) {
	if reused && !p.quiet() {
		return 0, 0, ErrStale
	}
	return 0, 0, nil
}

func (p *plain) readNow(into []byte) (int, error) { return p.probe.read(into) }

func (p *plain) quiet() bool { return p.probe.quiet() }

func (p *plain) peer() presence { return p.probe.peer() }

func (p *plain) cut() { _ = p.Conn.Close() }

func (p *plain) inner() net.Conn { return p.Conn }

var errNoHalfClose = errors.New("this kind of connection can't be closed on one side only")

// closeWrite ends our side of a link.
func closeWrite(l link) error {
	if c, ok := l.inner().(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errNoHalfClose
}
