package netconn

import "errors"

// ErrCantSplice says that the kernel doesn't do it after all. Nothing was taken from the backend.
var ErrCantSplice = errors.New("splice is not possible here")

// Splice takes the bytes of a body from a backend to a client without a copy of them in our memory.
type Splice struct {
	from *Backend
	to   *Client
	pipe pipe
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

// NewSplice returns nil where there is no such way: by TLS, on some systems, with no descriptors
// left for it, or with as many as ClientLimits allow. The caller must Close it.
func NewSplice(from *Backend, to *Client) *Splice {
	if from.secure != nil || !to.all.takePipe() {
		return nil
	}
	p := newPipe(from.link, to.link)
	if p == nil {
		to.all.givePipe()
		return nil
	}
	return &Splice{from, to, p}
}

// takePipe reports whether there may be one more pipe, which givePipe must give back.
func (all *Clients) takePipe() bool {
	if n := all.pipes.Add(1); all.limits.Pipes > 0 && n > int64(all.limits.Pipes) {
		all.givePipe()
		return false
	}
	return true
}

func (all *Clients) givePipe() { all.pipes.Add(-1) }

// Read waits for bytes of the body, and takes so many at most. Each time, Write comes next; but
// after ErrCantSplice, the backend's own Read.
func (s *Splice) Read(most int64) (n int, err error) {
	n, err = s.from.receiveBy(func() (int, error) { return s.pipe.fill(s.from.link, int(min(most, spliceMost))) })
	s.from.received += int64(n)
	return n, err
}

// Write sends the client all that Read took. The backend isn't needed for it any more.
func (s *Splice) Write() error {
	_, err := s.to.push(func(int) (int, error) { return s.pipe.drain(s.to.link) }, s.pipe.held(), s.to.all.limits.Write, 0)
	return err
}

// Close gives back what the kernel lent, and anything in it.
func (s *Splice) Close() {
	s.pipe.close()
	s.to.all.givePipe()
}

// spliceMost bounds what is asked for at once. A pipe takes what its slots have room for, which may
// be more or less than its size: it has 16 slots, or 2 where a user without privileges has a
// thousand pipes already (pipe(7), pipe-user-pages-soft).
const spliceMost = 1 << 20
