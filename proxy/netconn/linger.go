package netconn

import (
	"errors"
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
	if c.CloseWrite() != nil {
		return
	}
	dropped := unread{&c.timed, c.in(lingerTime)}
	for ended := false; !ended; {
		n, err := io.Copy(io.Discard, io.LimitReader(dropped, lingerBytes))
		ended = err != nil || n < lingerBytes || !hasUnsent(c.link.inner())
	}
}

// unread reads what a client still sends, until due.
type unread struct {
	conn *timed
	due  int64
}

func (u unread) Read(p []byte) (int, error) { return u.conn.read(p, u.due) }

// reset makes the coming close a reset.
func (c *Client) reset() {
	if conn, ok := c.link.inner().(interface{ SetLinger(sec int) error }); ok {
		_ = conn.SetLinger(0)
	}
}

var errNoHalfClose = errors.New("this kind of connection can't be closed on one side only")

// CloseWrite ends our side of the connection.
func (t *timed) CloseWrite() error {
	conn, ok := t.link.inner().(interface{ CloseWrite() error })
	if !ok {
		return errNoHalfClose
	}
	return conn.CloseWrite()
}
