package netconn

// layer is what the bytes of a connection go through on their way from and to its link.
type layer interface {
	// open makes the layer ready for use.
	open() error
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	// readLent, readEach, ask and quiet are like those of a link.
	readLent(l Lender) (int, error)
	readEach(l Lender, arrived func(n int) (wait bool)) (int, error)
	ask(out, in []byte, reused bool) (sent, n int, err error)
	quiet() bool
	// drained reports, within readEach, whether nothing was read behind what arrived.
	drained() bool
	// CloseWrite ends our side for whoever reads at the other.
	CloseWrite() error
	// leave is called before the connection is closed in good order.
	leave()
	// bare is the link if it carries the same bytes as the layer, else nil.
	bare() link
}

// cleartext is the layer without TLS: the link, within the connection's times.
type cleartext struct{ conn *Conn }

func (t cleartext) open() error { return nil }

func (t cleartext) Read(p []byte) (int, error) {
	return t.conn.receive(func() (int, error) { return t.conn.link.Read(p) })
}

func (t cleartext) Write(p []byte) (int, error) { return t.conn.transmit(p) }

func (t cleartext) readLent(l Lender) (int, error) {
	return t.conn.receive(func() (int, error) { return t.conn.link.readLent(l) })
}

func (t cleartext) readEach(l Lender, arrived func(n int) (wait bool)) (int, error) {
	return t.conn.receive(func() (int, error) { return t.conn.link.readEach(l, arrived) })
}

func (t cleartext) ask(out, in []byte, reused bool) (sent, n int, err error) {
	return t.conn.link.ask(out, in, reused)
}

func (t cleartext) quiet() bool { return t.conn.link.quiet() }

func (t cleartext) drained() bool { return true }

func (t cleartext) CloseWrite() error { return closeWrite(t.conn.link) }

func (t cleartext) leave() {}

func (t cleartext) bare() link { return t.conn.link }
