package h2

import (
	"errors"
	"time"

	"gopher-equalizer/proxy/h2/message"
	"gopher-equalizer/proxy/http1"
)

// stream is a request's stream on a connection, from its whole head until its exchange has ended,
// whichever of the two sides ends it before. It is small: those that wait to run hold no more. The
// connection's mu guards all but what is noted otherwise.
type stream struct {
	conn *connection
	id   uint32
	priority
	// head is the text of the request's head, textLen how much of that it is, and headErr why
	// there is none, or none that is acceptable. They don't change.
	head    *[]byte
	textLen int
	headErr error
	// turn serves it; nil before it runs.
	turn *Turn

	// endedIn and endedOut report whether the client's END_STREAM was received, and ours sent.
	endedIn, endedOut bool
	// broken is why nothing more comes or goes; nil while it does. wasCut reports whether we are
	// the reason.
	broken error
	wasCut bool
	// open reports whether the stream counts for the client as open, asks that its request isn't
	// admitted yet, and lasts that its response may go on for days.
	open, asks, lasts bool

	// in is what has come of the body, length how long that is, as the head says, and came how
	// much of it has come.
	in           inflow
	length, came int64
	// short is the fault of a body that ended before that.
	short    *Fault
	trailers *message.Trailers
	fields   []http1.Field
	// recvWindow is how much more the client may send, and unsaid by how much more it may than it
	// was told.
	recvWindow, unsaid int
	// sendWindow is how much more we may send. It may be below 0 (RFC 9113, section 6.9.2).
	sendWindow int

	// chained is the next stream of the table, queued the next one that waits to run. The runner's
	// mu guards all but chained.
	chained, queued *stream
	// waits is since when it waits to run, if it doesn't at once, and wave the wave that it is of.
	waits time.Time
	wave  uint64
}

// unknownLength is the length of a body whose head doesn't say it.
const unknownLength = -1

// Why a stream is broken, besides faults of the client's.
var (
	errReset = errors.New("the client has reset the stream")
	errCut   = errors.New("the stream was cut")
	errLost  = errors.New("the client has ended the connection")
	errEnded = errors.New("the response has ended")
)

// text is the request's head.
func (s *stream) text() []byte {
	if s.head == nil {
		return nil
	}
	return (*s.head)[:s.textLen]
}

// keep keeps the text of a head.
func (s *stream) keep(text []byte) {
	s.head, s.textLen = memory.Get(len(text)), len(text)
	copy(*s.head, text)
}

// discard gives up the stream, and what it holds.
func (s *stream) discard() {
	if s.head != nil {
		memory.Put(s.head)
	}
	s.in.drop()
	if s.trailers != nil {
		trailersPool.Put(s.trailers)
	}
	*s = stream{}
	streams.Put(s)
}

// table finds the streams of a connection by their identifiers.
type table struct {
	// chains are linked streams; there are as many as a power of two.
	chains []*stream
	n      int
}

const leastChains = 8

// chain is where a stream is. A client's identifiers are odd, and come in order.
func (t *table) chain(id uint32) *(*stream) { return &t.chains[int(id>>1)&(len(t.chains)-1)] }

// find returns a stream; nil if there is none.
func (t *table) find(id uint32) *stream {
	if t.n == 0 {
		return nil
	}
	s := *t.chain(id)
	for s != nil && s.id != id {
		s = s.chained
	}
	return s
}

func (t *table) add(s *stream) {
	if t.n >= len(t.chains) {
		t.grow()
	}
	head := t.chain(s.id)
	s.chained, *head = *head, s
	t.n++
}

func (t *table) grow() {
	old := t.chains
	t.chains = make([]*stream, max(leastChains, 2*len(old)))
	for _, s := range old {
		for s != nil {
			next, head := s.chained, t.chain(s.id)
			s.chained, *head = *head, s
			s = next
		}
	}
}

func (t *table) remove(s *stream) {
	at := t.chain(s.id)
	for *at != s {
		at = &(*at).chained
	}
	*at = s.chained
	s.chained = nil
	t.n--
}

// each calls f with each stream, which f may not remove.
func (t *table) each(f func(*stream)) {
	if t.n == 0 {
		return
	}
	for _, s := range t.chains {
		for ; s != nil; s = s.chained {
			f(s)
		}
	}
}

// past remembers how the last streams ended.
type past struct {
	ends [32]uint32
	next int
}

// note notes the end of a stream; ours is one by our reset.
func (p *past) note(id uint32, ours bool) {
	if ours {
		id |= 1 << 31
	}
	p.ends[p.next] = id
	p.next = (p.next + 1) % len(p.ends)
}

// find reports whether a stream is known to have ended, and whether by our reset.
func (p *past) find(id uint32) (known, ours bool) {
	for _, end := range p.ends {
		if end&^(1<<31) == id {
			return true, end != id
		}
	}
	return false, false
}
