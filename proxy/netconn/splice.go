package netconn

import (
	"errors"
	"sync/atomic"
)

// ErrCantSplice is the error of a Splice where the kernel doesn't support it after all. Nothing was
// taken from the connection.
var ErrCantSplice = errors.New("splice is not possible here")

// Splice moves the bytes of a body from one connection to another within the kernel, without a copy
// in our memory.
type Splice struct {
	from, to *Conn
	pipe     pipe
	pipes    *pipes
}

// pipe is a buffer in the kernel.
type pipe interface {
	// fill takes what has come to a link, at most that many bytes, and waits if nothing has. The
	// pipe must be empty.
	fill(from link, most int) (int, error)
	// drain sends some of what the pipe holds, or all.
	drain(to link) (int, error)
	// held is how many bytes the pipe holds.
	held() int
	close()
}

// newSplice returns nil where no splice is possible.
func newSplice(from, to *Conn, pipes *pipes) *Splice {
	if !pipes.take() {
		return nil
	}
	p := newPipe(from.bare(), to.bare())
	if p == nil {
		pipes.give()
		return nil
	}
	return &Splice{from, to, p, pipes}
}

// pipes bounds how many pipes there are.
type pipes struct {
	// max is the bound; 0 is none.
	max, n atomic.Int64
}

// take reports whether there may be one more pipe. give must give it back.
func (p *pipes) take() bool {
	if n, most := p.n.Add(1), p.max.Load(); most > 0 && n > most {
		p.give()
		return false
	}
	return true
}

func (p *pipes) give() { p.n.Add(-1) }

// Read waits for bytes of the body, and takes at most that many. Write must follow each Read. After
// ErrCantSplice, the connection's own Read goes on.
func (s *Splice) Read(most int64) (n int, err error) {
	n, err = s.from.receive(func() (int, error) { return s.pipe.fill(s.from.link, int(min(most, spliceMost))) })
	return s.from.received(n, err)
}

// Write sends all that Read took. It doesn't need the connection that the bytes came from.
func (s *Splice) Write() error {
	n, err := s.to.push(func(int) (int, error) { return s.pipe.drain(s.to.link) }, s.pipe.held())
	_, err = s.to.sent(n, err)
	return err
}

// Close gives the pipe back to the kernel, with anything in it.
func (s *Splice) Close() {
	s.pipe.close()
	s.pipes.give()
}

// spliceMost bounds what is asked for at once. A pipe takes what its slots have room for, which may
// be more or less than its size: it has 16 slots, or 2 where a user without privileges has a
// thousand pipes already (pipe(7), pipe-user-pages-soft).
const spliceMost = 1 << 20
