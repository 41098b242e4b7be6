package netconn

import (
	"io"
	"sync"
)

// sealedSize is how much of what a client sends by TLS is read at once within a wait for a request.
// Of a bulk, it is BufferSize: a record of a large body is larger than sealedSize, and each reading
// in vain costs an allocation.
const sealedSize = 4 << 10

// sealedBuffers and bulkBuffers lend the memory for it.
var (
	sealedBuffers = sync.Pool{New: func() any { return new([sealedSize]byte) }}
	bulkBuffers   Buffers
)

// sealed is what was read within a wait, until TLS takes it. It lends the memory that the link
// reads it into.
type sealed struct {
	// records tells whether a bulk comes.
	records *records
	// buf or bulk is the memory; both are nil while there is nothing.
	buf  *[sealedSize]byte
	bulk *[BufferSize]byte
	rest []byte
}

func (s *sealed) Lend() []byte {
	switch {
	case s.buf != nil:
	case s.bulk != nil, s.records.last >= largeRecord:
		if s.bulk == nil {
			s.bulk = bulkBuffers.Get()
		}
		return s.bulk[:]
	default:
		s.buf = sealedBuffers.Get().(*[sealedSize]byte)
	}
	return s.buf[:]
}

// came notes that n bytes were read.
func (s *sealed) came(n int) { s.rest = s.Lend()[:n] }

func (s *sealed) GiveBack() {
	if s.buf != nil {
		sealedBuffers.Put(s.buf)
	}
	if s.bulk != nil {
		bulkBuffers.Put(s.bulk)
	}
	s.buf, s.bulk, s.rest = nil, nil, nil
}

func (s *sealed) take(p []byte) int {
	n := copy(p, s.rest)
	if s.rest = s.rest[n:]; len(s.rest) == 0 {
		s.GiveBack()
	}
	return n
}

// each is the state of a readEach of TLS's.
type each struct {
	lender  Lender
	arrived func(n int) (wait bool)
	// came is secure.came. It is made once, since a method value is an allocation.
	came func(n int) (wait bool)
	// n and err are the result, once the wait is over.
	n   int
	err error
}

// readEach waits and reads as the link does, and has TLS open what came from within that wait. TLS
// gets to see only what was read, so it never waits itself. It isn't asked before the wait if it
// has nothing: it would take a buffer for what may come, and this goroutine a larger stack.
func (s *secure) readEach(l Lender, arrived func(n int) (wait bool)) (int, error) {
	c := s.carrier
	s.each.lender, s.each.arrived, s.each.n, s.each.err = l, arrived, 0, nil
	wait, err := c.dry, error(nil)
	if !wait {
		wait = s.handOver()
	}
	if wait {
		_, err = c.conn.receive(func() (int, error) { return c.conn.link.readEach(&c.sealed, s.each.came) })
	}
	s.each.lender, s.each.arrived = nil, nil
	if len(c.sealed.rest) == 0 {
		c.sealed.GiveBack() // A link that failed may have kept it.
	}
	switch {
	case s.each.err != nil:
		return 0, s.each.err
	case err == io.EOF:
		return 0, c.cut
	}
	return s.each.n, err
}

// came is called from within the link's wait, when n bytes were read.
func (s *secure) came(n int) (wait bool) {
	s.carrier.sealed.came(n)
	return s.handOver()
}

// handOver hands over what TLS has, and what it can open of what came. It reports whether to wait
// for more. A Read that finds nothing is an allocation of crypto/tls, so it makes none after a
// record that came alone, which is how most requests come.
func (s *secure) handOver() (wait bool) {
	for {
		s.carrier.drained = false // Else a Read of what TLS has would leave it as it was.
		room := s.each.lender.Lend()
		n, err := s.readHere(room)
		if n == 0 {
			s.each.lender.GiveBack()
			if err != errNothing {
				s.each.err = err
			}
			s.carrier.dry = err == errNothing
			return s.carrier.dry
		}
		s.each.n = n
		wait = s.each.arrived(n)
		s.carrier.dry = n < len(room) && s.drained() // TLS has read nothing else, also not for arrived.
		if !wait || s.carrier.dry {
			return wait
		}
	}
}

// readHere is Read, but fails with errNothing instead of reading from the link.
func (s *secure) readHere(p []byte) (int, error) {
	s.carrier.here = true
	defer func() { s.carrier.here = false }()
	return s.Read(p)
}
