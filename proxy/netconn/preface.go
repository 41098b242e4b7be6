package netconn

import (
	"net/netip"
	"slices"
)

// Preface reads what stands before everything else on a connection, TLS included, and names another
// client than the peer. It is called with what has come, at first with nothing. It returns how many
// bytes are missing at least, so that none behind the preface is taken. Once none is missing,
// source is the client's address; the zero Addr if that is the peer's.
type Preface func(came []byte) (source netip.Addr, missing int, err error)

// PrefaceError is the error of a connection that doesn't begin with its preface, or not in time.
type PrefaceError struct{ Err error }

// Error implements error.
func (e *PrefaceError) Error() string { return e.Err.Error() }

// Unwrap is the error of the Preface, or that of the Read.
func (e *PrefaceError) Unwrap() error { return e.Err }

// Expect has the connection begin with a preface, within the time of the first request; nil is
// none. It is called before Serve.
func (c *Client) Expect(p Preface) { c.preface = p }

// prefaceRoom is the room for a usual preface. A client that sends nothing costs as much.
const prefaceRoom = 128

// readPreface reads the preface, if there is to be one.
func (c *Client) readPreface() error {
	if c.preface == nil {
		return nil
	}
	came := make([]byte, 0, prefaceRoom)
	for {
		source, missing, err := c.preface(came)
		if err != nil {
			return &PrefaceError{err}
		}
		if missing == 0 {
			c.introduce(source)
			return nil
		}
		came = slices.Grow(came, missing)
		free := came[len(came) : len(came)+missing]
		n, err := c.receive(func() (int, error) { return c.link.Read(free) })
		if err != nil {
			return &PrefaceError{err}
		}
		came = came[:len(came)+n]
	}
}

// introduce ends the preface, which named the client.
func (c *Client) introduce(source netip.Addr) {
	c.preface = nil
	if source.IsValid() {
		c.peer = source.Unmap()
	}
}
