package netconn

import (
	"io"
	"time"
)

// The bounds of lingering. The bytes are enough for what the buffers between a client and us may
// hold. A fast client sends them before it comes to read, so they count only after lingerLeast.
const (
	lingerTime  = 5 * time.Second
	lingerLeast = time.Second
	lingerBytes = 16 << 20
)

// linger ends our side, and drops what the client sends until it ends its own side, within bounds.
// Closing with bytes unread would lose the part of the response that isn't sent yet. While there is
// such a part, because the client sends faster than it reads, only the time is bounded.
func (c *Conn) linger() {
	if closeWrite(c.link) != nil {
		return
	}
	rest, least := leftover{c, c.in(lingerTime)}, c.in(lingerLeast)
	c.reader = rest
	for ended := false; !ended; {
		n, err := io.Copy(io.Discard, io.LimitReader(rest, lingerBytes))
		ended = err != nil || n < lingerBytes || c.now() >= least && !hasUnsent(c.inner())
	}
}

// leftover is what a client sends that nobody reads, until a moment. It is not decrypted.
type leftover struct {
	conn  *Conn
	until int64
}

func (l leftover) Read(p []byte) (int, error) {
	return l.conn.receive(func() (int, error) { return l.conn.link.Read(p) })
}

func (l leftover) due() (int64, error) { return l.until, nil }

func (l leftover) over(_ int, err error) (again bool, _ error) { return err == errWoken, err }

// reset makes the coming close a reset.
func (c *Conn) reset() {
	if conn, ok := c.inner().(interface{ SetLinger(sec int) error }); ok {
		_ = conn.SetLinger(0)
	}
}
