package h1

import (
	"io"
	"time"

	"gopher-equalizer/proxy/netconn"
)

// Splice passes the body of a response on to a client within the kernel.
type Splice struct {
	exchange *Exchange
	splice   *netconn.Splice
}

// Splice begins to pass the rest of the response's body on. It returns nil where there is no such
// way. The caller must Close it.
func (x *Exchange) Splice(to *Link) *Splice {
	s := to.Splice(&x.Conn.Conn)
	if s == nil {
		return nil
	}
	return &Splice{x, s}
}

// Read waits for n bytes of the body. can is false if the kernel doesn't do it after all: ReadBody
// goes on then. Each time else, Write comes next.
func (s *Splice) Read() (n int64, can bool, err error) {
	m, err := s.splice.Read(s.exchange.body.Rest())
	switch err {
	case nil:
		s.exchange.body.Pass(int64(m))
		return int64(m), true, nil
	case netconn.ErrCantSplice:
		return 0, false, nil
	case io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return 0, true, err
}

// Write sends the client all that Read took. The backend isn't needed for it any more.
func (s *Splice) Write() error { return s.splice.Write() }

// Close gives back what the kernel lent.
func (s *Splice) Close() { s.splice.Close() }

// Tunnel passes bytes both ways after a 101: see netconn.Tunnel. It gives up all of the exchange's
// buffers first, since a tunnel may be open for days.
func (x *Exchange) Tunnel(to *Link, limit time.Duration) (down int64, err error) {
	x.Forget()
	x.in, x.out = responseReader{}, nil
	x.Conn.End() // A client that has sent its last byte is still there.
	return netconn.Tunnel(&to.Conn, &x.Conn.Conn, limit, &buffers)
}
