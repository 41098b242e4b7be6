package netconn

import (
	"errors"
	"sync/atomic"
)

// ErrCantSplice is what a Splice fails with where the kernel doesn't do it after all. Nothing was
// taken from the connection then.
var ErrCantSplice = errors.New("splice is not possible here")

// Splice takes the bytes of a body from one connection to another without a copy of them in our
// memory.
type Splice struct {
	from, to *Conn
	pipe     pipe
	pipes    *pipes
}

// pipe is a buffer in the kernel.
type pipe interface {
	// fill takes what has come to a link, at most so many bytes, and waits if nothing has. The pipe
	// must be empty.
	fill(from link, most int) (int, error)
	// drain sends some of what it holds, or all.
	drain(to link) (int, error)
	// held is how many bytes it holds.
	held() int
	close()
}

// newSplice returns nil if there can be none.
func newSplice(from, to *Conn, pipes *pipes) *Splice {
	if !pipes.take() {
		return nil
	}
	p := newPipe(from.layer.bare(), to.layer.bare())
	if p == nil {
		pipes.give()
		return nil
	}
	return &Splice{from, to, p, pipes}
}

// pipes bounds how many pipes there are.
type pipes struct {
	// max is the bound; 0 is none.
	max int64
	n   atomic.Int64
}

// take reports whether there may be one more pipe, which give must give back.
func (p *pipes) take() bool {
	if n := p.n.Add(1); p.max > 0 && n > p.max {
		p.give()
		return false
	}
	return true
}

func (p *pipes) give() { p.n.Add(-1) }

// Read waits for bytes of the body, and takes so many at most. Each time, Write comes next; but
// after ErrCantSplice, the connection's own Read.
func (s *Splice) Read(most int64) (n int, err error) {
	n, err = s.from.receive(func() (int, error) { return s.pipe.fill(s.from.link, int(min(most, spliceMost))) })
	return s.from.received(n, err)
}

// Write sends on all that Read took. The connection that it came from isn't needed for that any
// more.
func (s *Splice) Write() error {
	n, err := s.to.push(func(int) (int, error) { return s.pipe.drain(s.to.link) }, s.pipe.held())
	_, err = s.to.sent(n, err)
	return err
}

// Close gives back what the kernel lent, and anything in it.
func (s *Splice) Close() {
	s.pipe.close()
	s.pipes.give()
}

// spliceMost bounds what is asked for at once. A pipe takes what its slots have room for, which may
// be more or less than its size: it has 16 slots, or 2 where a user without privileges has a
// thousand pipes already (pipe(7), pipe-user-pages-soft).
const spliceMost = 1 << 20
