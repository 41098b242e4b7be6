package netconn

import (
	"io"
	"time"
)

// The bounds of lingering. The bytes are enough for what may be in the buffers between a client and
// us.
const (
	lingerTime  = 5 * time.Second
	lingerBytes = 16 << 20
)

// linger ends our side, and drops what the client sends until it ends its own, within bounds.
// Closing with bytes unread loses the part of the response that isn't sent yet. So while there is
// one, which may be because the client sends faster than it reads, only the time is bounded.
func (c *Client) linger() {
	if closeWrite(c.link.inner()) != nil {
		return
	}
	rest := remainder{&c.Conn, c.in(lingerTime)}
	c.reader = rest
	for ended := false; !ended; {
		n, err := io.Copy(io.Discard, io.LimitReader(rest, lingerBytes))
		ended = err != nil || n < lingerBytes || !hasUnsent(c.link.inner())
	}
}

// remainder is what a client still sends, until a moment. Nobody wants it decrypted.
type remainder struct {
	conn  *Conn
	until int64
}

func (r remainder) Read(p []byte) (int, error) {
	return r.conn.receive(func() (int, error) { return r.conn.link.Read(p) })
}

func (r remainder) due() (int64, error) { return r.until, nil }

func (r remainder) over(_ int, err error) (again bool, _ error) { return err == errWoken, err }

// reset makes the coming close a reset.
func (c *Client) reset() {
	if conn, ok := c.link.inner().(interface{ SetLinger(sec int) error }); ok {
		_ = conn.SetLinger(0)
	}
}
