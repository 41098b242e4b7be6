package netconn

import (
	"errors"
	"net"
)

// cleartext is the layer of a connection without TLS.
type cleartext struct{ conn *Conn }

func (t cleartext) open() error { return nil }

func (t cleartext) Read(p []byte) (int, error) {
	return t.conn.receive(func() (int, error) { return t.conn.link.Read(p) })
}

func (t cleartext) Write(p []byte) (int, error) { return t.conn.transmit(p) }

func (t cleartext) readLent(l Lender) (int, error) {
	return t.conn.receive(func() (int, error) { return t.conn.link.readLent(l) })
}

func (t cleartext) readEach(l Lender, used func(n int) (wait bool)) (int, error) {
	return t.conn.receive(func() (int, error) { return t.conn.link.readEach(l, used) })
}

func (t cleartext) ask(out, in []byte, reused bool) (sent, n int, err error) {
	return t.conn.link.ask(out, in, reused)
}

func (t cleartext) quiet() bool { return t.conn.link.quiet() }

func (t cleartext) CloseWrite() error { return closeWrite(t.conn.inner()) }

var errNoHalfClose = errors.New("this kind of connection can't be closed on one side only")

// closeWrite ends our side of a network connection.
func closeWrite(conn net.Conn) error {
	if c, ok := conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errNoHalfClose
}

func (t cleartext) leave() {}

func (t cleartext) bare() link { return t.conn.link }
