package netconn

import (
	"io"
	"time"
)

// The bounds of lingering: enough for what may be in the buffers between a client and us.
const (
	lingerTime  = 5 * time.Second
	lingerBytes = 16 << 20
)

// linger ends our side, and drops what the client sends until it ends its own, within bounds.
func (c *Client) linger() {
	conn, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || conn.CloseWrite() != nil {
		return
	}
	rest := rest{&c.timed, c.in(lingerTime)}
	_, _ = io.Copy(io.Discard, io.LimitReader(rest, lingerBytes))
}

// rest reads what a client still sends, until due.
type rest struct {
	conn *timed
	due  int64
}

func (r rest) Read(p []byte) (int, error) { return r.conn.read(p, r.due) }

// reset makes the coming close a reset.
func (c *Client) reset() {
	if conn, ok := c.Conn.(interface{ SetLinger(sec int) error }); ok {
		_ = conn.SetLinger(0)
	}
}
