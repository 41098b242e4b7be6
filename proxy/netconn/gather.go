package netconn

import "sync"

const (
	// recordSize is the largest payload of a TLS record.
	recordSize = 16 << 10
	// gatherSize has room for the records of a piece of a body, with a head before it.
	gatherSize = BufferSize + 8<<10
)

// gathers lend the memory that records are gathered in.
var gathers = sync.Pool{New: func() any { return new([gatherSize]byte) }}

// outbox is where a carrier's records go: to the link, each by itself, or all of one Write at once.
// A system call costs more than what TLS does with a record.
type outbox struct {
	mu sync.Mutex
	// buf gathers the first n bytes; nil while nothing is gathered.
	buf *[gatherSize]byte
	n   int
	// failed is why gathered records, which TLS took for sent, were not. Nothing may follow them.
	failed error
	// send sends records.
	send func(p []byte) (int, error)
}

// write sends a record, or gathers it. Besides a Write, TLS writes what a Read makes it say.
func (o *outbox) write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.failed != nil {
		return 0, o.failed
	}
	if o.buf == nil {
		return o.send(p)
	}
	if len(p) > len(o.buf)-o.n {
		if _, err := o.flush(); err != nil {
			return 0, err
		}
	}
	o.n += copy(o.buf[o.n:], p)
	return len(p), nil
}

// gather collects records until sendAll.
func (o *outbox) gather() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf = gathers.Get().(*[gatherSize]byte)
}

// sendAll sends what was gathered, and returns how many bytes of it were sent.
func (o *outbox) sendAll() (sent int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	sent, err = o.flush()
	gathers.Put(o.buf)
	o.buf = nil
	return sent, err
}

// flush sends what is gathered. The caller holds mu.
func (o *outbox) flush() (sent int, err error) {
	if o.failed != nil || o.n == 0 {
		return 0, o.failed
	}
	sent, o.failed = o.send(o.buf[:o.n])
	o.n = 0
	return sent, o.failed
}
