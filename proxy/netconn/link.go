package netconn

import (
	"errors"
	"net"
)

// ErrStale says that a connection can't be used again: since the last exchange the other side has
// closed it, or has sent what nobody asked for.
var ErrStale = errors.New("the connection went stale")

// errNothing is what a read that doesn't wait fails with when there is nothing. It is temporary,
// since any other error is the end to a tls.Conn.
var errNothing net.Error = errorNothing{}

type errorNothing struct{}

func (errorNothing) Error() string   { return "nothing to read" }
func (errorNothing) Timeout() bool   { return true }
func (errorNothing) Temporary() bool { return true }

// Lender lends the memory that a connection's next bytes are read into, so that who waits for them
// need not hold any.
type Lender interface {
	// Lend is called when bytes may have come.
	Lend() []byte
	// GiveBack is called when none had.
	GiveBack()
}

// presence is what is known of the other side of a connection.
type presence int

const (
	present presence = iota
	// ended: it sends no more. Whether it still reads shows only when it is sent something.
	ended
	// broken: it doesn't, and has reset the connection.
	broken
)

// link is a connection in one of two ways: plain, on any system, and raw where that exists. One
// goroutine reads and another may write.
type link interface {
	net.Conn
	// readLent is Read into what l lends. When it fails, that may still be lent.
	readLent(l Lender) (int, error)
	// readEach is readLent again and again, for as long as used says so of the bytes that came.
	// Used may write, but neither read nor close. An end that came in one packet with bytes may go
	// unnoticed, until the Read is woken.
	readEach(l Lender, used func(n int) (wait bool)) (int, error)
	// ask sends out and reads what comes back into in: n bytes of it. It may have sent only a part
	// of out, or nothing, when n == 0 without an error: the rest is for Write and Read. With
	// reused, it first makes sure that nothing has come, or it sends nothing and fails with
	// ErrStale.
	ask(out, in []byte, reused bool) (sent, n int, err error)
	// readNow is Read, but fails with errNothing instead of waiting. Where the system can't do
	// that, there is nothing.
	readNow(p []byte) (int, error)
	// quiet reports whether the other side has sent nothing that wasn't read, and closed nothing.
	// Where the system can't tell, it is taken to be quiet.
	quiet() bool
	// peer says what is known of the other side. Where the system can't tell, it is present. It may
	// be asked at any time.
	peer() presence
	// cut ends the connection for whoever uses it, on both sides, and waits for nobody. It must be
	// closed still.
	cut()
	// inner is the connection as package net made it.
	inner() net.Conn
}

// plain is a link by what package net offers: it tries to read, and waits if there is nothing.
type plain struct {
	net.Conn
	probe *probe
}

func newPlain(conn net.Conn) *plain { return &plain{conn, newProbe(conn)} }

func (p *plain) readLent(l Lender) (int, error) { return p.Conn.Read(l.Lend()) }

func (p *plain) readEach(l Lender, used func(n int) (wait bool)) (int, error) {
	return readEach(p, l, used)
}

// readEach reads again and again for as long as used reports that it is to wait.
func readEach(from interface{ readLent(l Lender) (int, error) }, l Lender, used func(n int) (wait bool)) (int, error) {
	for {
		n, err := from.readLent(l)
		if n == 0 || !used(n) {
			return n, err
		}
	}
}

// ask leaves it to Write, which is timed, and to Read: a Write in here that waits would be woken by
// nobody.
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
