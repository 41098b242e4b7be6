package h2

import (
	"strings"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/proxy/h2/message"
	"gopher-equalizer/proxy/http1"
)

// block is a field block that is coming: HEADERS, and any CONTINUATION. All of it is decoded,
// whatever becomes of it, since the blocks that follow refer to it. It is the reader's alone.
type block struct {
	coming bool
	stream uint32
	// use is what it is for, endStream whether the stream ends with it.
	use       use
	endStream bool
	// bytes is how many have come, frames in how many frames.
	bytes, frames int
	head          *message.Head
	trailers      *message.Trailers
	// length is what its content-length says, and priority what it says of that.
	length   int64
	priority priority
}

// use is what a block is for.
type use uint8

const (
	// dropped: nothing. The stream takes none, or the block is at fault.
	dropped use = iota
	aRequest
	theTrailers
)

const (
	// mostContinuations bounds the frames of a block, so that it can't come in tiny ones.
	mostContinuations = 32
	// blockSpare is how much larger a block may be than the head that it stands for may be as text,
	// as it is when it is refused with a 431.
	blockSpare = 16 << 10
)

// beginHeaders takes the header of HEADERS.
func (c *connection) beginHeaders(h *header) (need int, why *Fault) {
	if h.has(flagPadded) {
		need = 1
	}
	if h.has(flagPriority) {
		need += 5
	}
	if h.stream%2 == 0 {
		return need, &Fault{ProtocolError, "HEADERS on a stream that is not a client's"}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.block = block{coming: true, stream: h.stream, endStream: h.has(flagEndStream), length: unknownLength, priority: unranked}
	c.headDue = c.client.Due(c.client.Limits().Header)
	s := c.streams.find(h.stream)
	switch {
	case s != nil && s.broken == nil && s.open: // Its goroutine may come back later than its end.
		why = c.beginTrailers(s)
	case h.stream <= c.lastID:
		why = c.strayHeaders(h)
	default:
		c.lastID = h.stream
		why = c.beginRequest()
	}
	limit := c.server.limits.Load().MaxHeader
	switch c.block.use {
	case aRequest:
		c.block.head = headsPool.Get().(*message.Head)
		c.block.head.Reset(limit, http1.MaxFields)
	case theTrailers:
		c.block.trailers = trailersPool.Get().(*message.Trailers)
		c.block.trailers.Reset(limit, http1.MaxFields)
	default:
		limit = 0
	}
	c.decoder.begin(limit)
	return need, why
}

// beginRequest begins a stream, or refuses it. The caller holds mu.
func (c *connection) beginRequest() *Fault {
	if c.leaving.state == left {
		return nil // The client was told that it isn't taken.
	}
	if c.open >= c.limits.MaxStreams || c.streams.n >= 2*c.limits.MaxStreams {
		c.out.reset(c.block.stream, RefusedStream)
		c.past.note(c.block.stream, true)
		c.server.counters.refused.Add(1)
		return c.charge(oddRefused)
	}
	c.asking++
	c.heading = true
	c.block.use = aRequest
	c.idleDue = 0
	c.settle()
	if c.client.MustEnd() {
		c.leaveUnheard()
	}
	return nil
}

// beginTrailers begins the trailers of a request's body. The caller holds mu.
func (c *connection) beginTrailers(s *stream) *Fault {
	switch {
	case s.endedIn:
		return c.streamError(s, &Fault{StreamClosed, "HEADERS come behind the end of a stream"})
	case !c.block.endStream:
		return c.streamError(s, &Fault{ProtocolError, "trailers don't end their stream"})
	}
	c.block.use = theTrailers
	return nil
}

// strayHeaders takes HEADERS for a stream that has ended. Those that were on their way when we
// reset it are no fault.
func (c *connection) strayHeaders(h *header) *Fault {
	if i := c.remnants.find(h.stream); i >= 0 {
		return c.dropTrailers(i, h)
	}
	switch known, ours := c.past.find(h.stream); {
	case known && ours:
		return c.charge(oddClosed)
	case known:
		return &Fault{StreamClosed, "HEADERS come on a stream that has ended"}
	}
	return &Fault{ProtocolError, "streams don't begin in their order"}
}

// headersFields takes the fields that HEADERS begin with.
func (c *connection) headersFields(h *header, b []byte) (padding, more int, why *Fault) {
	if h.has(flagPadded) {
		padding, b = int(b[0]), b[1:]
	}
	if h.has(flagPriority) && id(b) == h.stream {
		why = &Fault{ProtocolError, "a stream depends on itself"}
	}
	return padding, 0, why
}

// beginContinuation takes the header of CONTINUATION.
func (c *connection) beginContinuation(h *header) *Fault {
	if !c.block.coming {
		return &Fault{ProtocolError, "CONTINUATION continues nothing"}
	}
	if c.block.frames++; c.block.frames > mostContinuations {
		return &Fault{EnhanceYourCalm, "a head in too many frames"}
	}
	return c.odd(oddContinuation)
}

// takeFragment decodes a part of a block.
func (c *connection) takeFragment(p []byte) *Fault {
	if c.block.bytes += len(p); c.block.bytes > c.server.limits.Load().MaxHeader+blockSpare {
		return &Fault{EnhanceYourCalm, "a head that is too large even to be refused"}
	}
	switch err := c.decoder.decode(p); {
	case err == errTooLong:
		return &Fault{EnhanceYourCalm, "a field that is too large even to be refused"}
	case err != nil:
		return &Fault{CompressionError, err.Error()}
	}
	return nil
}

// takeField takes a field as it is decoded.
func (c *connection) takeField(name, value string) {
	b := &c.block
	if b.use == theTrailers {
		b.trailers.Field(name, value)
		return
	}
	switch name {
	case "content-length":
		b.length = lengthOf(value)
	case "priority":
		b.priority = parsePriority(value)
	}
	b.head.Field(name, value)
}

// lengthOf reads a content-length. What isn't one is refused with the head.
func lengthOf(value string) (n int64) {
	if len(value) == 0 || len(value) > 18 {
		return unknownLength
	}
	for _, digit := range []byte(value) {
		if digit < '0' || digit > '9' {
			return unknownLength
		}
		n = 10*n + int64(digit-'0')
	}
	return n
}

// endBlock takes the end of a block.
func (c *connection) endBlock() *Fault {
	if err := c.decoder.end(); err != nil {
		return &Fault{CompressionError, err.Error()}
	}
	var why *Fault
	switch b := &c.block; b.use {
	case aRequest:
		why = c.takeRequest()
	case theTrailers:
		why = c.takeTrailers()
	}
	c.closeBlock()
	return why
}

// closeBlock ends a block, whole or not.
func (c *connection) closeBlock() {
	b := &c.block
	if b.head != nil {
		headsPool.Put(b.head)
	}
	if b.trailers != nil {
		trailersPool.Put(b.trailers)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgetHeading()
	c.headDue = 0
	*b = block{}
}

// takeRequest has the request of a block run. If it is malformed, its stream is reset; it runs all
// the same, to be counted and logged.
func (c *connection) takeRequest() (why *Fault) {
	b := &c.block
	s := streams.Get().(*stream)
	*s = stream{
		conn: c, id: b.stream, priority: b.priority, length: b.length, endedIn: b.endStream,
		open: true, asks: true, recvWindow: c.limits.StreamWindow,
	}
	text, err := b.head.End(b.endStream)
	malformed, is := err.(*message.Malformed)
	switch {
	case is:
		s.headErr = refusalOf(malformed)
	case err != nil:
		s.headErr = err
	default:
		s.keep(text)
	}
	if b.endStream {
		s.length = unknownLength // Which it is no more: a length without a body was checked.
	}
	c.mu.Lock()
	if !c.heading { // There was no more time for it.
		c.mu.Unlock()
		s.discard()
		return nil
	}
	s.sendWindow = c.firstSend
	c.streams.add(s)
	c.server.counters.streams.Add(1)
	c.open++
	c.asking++
	c.taken = s.id
	c.settle()
	switch {
	case c.lost || c.failed != nil:
		c.breakOff(s, errLost)
	case is:
		why = c.streamError(s, &Fault{ProtocolError, malformed.Detail})
	}
	if c.server.settings.WantsClose(c.intake) {
		c.leave()
	}
	lone := c.isLone(s)
	c.mu.Unlock()
	if lone {
		c.lone = s
	} else {
		c.server.runner.submit(s)
	}
	return why
}

// refusalOf makes a refusal, for counts and logs, of why a head is malformed.
func refusalOf(m *message.Malformed) *http1.Refusal {
	why := http1.Refuse(fasthttp.StatusBadRequest, m.Reason, m.Detail, nil, 0)
	why.Field = strings.Clone(m.Field) // It is a view of what was decoded.
	return why
}

// takeTrailers takes the trailers of a block, with which the request's body ends.
func (c *connection) takeTrailers() *Fault {
	b := &c.block
	fields, err := b.trailers.End()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams.find(b.stream)
	switch {
	case s == nil || s.broken != nil:
		return nil
	case err != nil:
		return c.streamError(s, &Fault{ProtocolError, err.Error()})
	}
	s.trailers, s.fields, b.trailers = b.trailers, fields, nil
	return c.endIn(s)
}
