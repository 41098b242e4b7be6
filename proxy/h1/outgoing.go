package h1

import (
	"github.com/valyala/fasthttp"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/rewrite"
)

// outgoing is a response on its way to the client.
type outgoing struct {
	line     *line
	settings *Settings
	// to is the request that it responds to.
	to *incoming
	// out is what is sent next, in its own memory or in what memory has borrowed.
	out, own []byte
	memory   elastic
	response *rewrite.Response
	framing  framing
	// started reports that a part of the response left, last that the connection ends with it.
	started, last bool
	// sent is how many bytes of its body left.
	sent int64
}

// framing is how the client finds the end of a response's body.
type framing int

const (
	// sized: the head says its size, or that there is none.
	sized framing = iota
	// chunked: it comes in chunks.
	chunked
	// bodiless: a response to HEAD, whose body would come in chunks.
	bodiless
	// untilClose: the connection's end is its end.
	untilClose
)

func (o *outgoing) init(l *line, s *Settings, to *incoming) {
	o.line, o.settings, o.to = l, s, to
	o.own = make([]byte, 0, 1<<10)
	o.out = o.own
}

func (o *outgoing) reset() {
	o.shrink()
	o.response, o.framing = nil, sized
	o.started, o.last, o.sent = false, false, 0
}

// outSpare is how much longer a response's head may get on its way, as a rule.
const outSpare = 12 << 10

// reserve has out hold n bytes of a response and what we add to them, without an allocation.
func (o *outgoing) reserve(n int) {
	if n += outSpare; n <= cap(o.out) || n <= leastLarge {
		return
	}
	if o.memory.borrowed == nil {
		o.own = o.out
	}
	o.memory.grow(n, nil)
	o.out = o.memory.bytes()[:0]
}

// shrink gives up what only a large response needed.
func (o *outgoing) shrink() {
	if o.memory.borrowed != nil {
		o.memory.shrink()
		o.out = o.own
	}
	o.out = o.out[:0]
}

// Begun reports whether a part of the response has left. Nothing else may be sent in its place.
func (o *outgoing) Begun() bool { return o.started }

// Sent is how many bytes of the response's body have left. Passed adds those that were sent by the
// Link itself.
func (o *outgoing) Sent() int64    { return o.sent }
func (o *outgoing) Passed(n int64) { o.sent += n }

// Last has the connection end with this request.
func (o *outgoing) Last() { o.last = true }

// Cut ends the response before its end. A client that would take the connection's end for the
// body's gets a reset.
func (o *outgoing) Cut() {
	o.Last()
	if o.framing == untilClose {
		o.line.client.Abort()
	}
}

// Inform sends an interim response. HTTP/1.0 knows none, so such a client gets nothing, and sent is
// false.
func (o *outgoing) Inform(h *rewrite.Response) (sent bool, err error) {
	if !o.to.head.HTTP11 {
		return false, nil
	}
	o.reserve(h.Received.Length())
	o.out = append(h.AppendHead(o.out[:0]), "\r\n"...)
	n, err := o.line.client.Write(o.out)
	if err != nil {
		o.started = n > 0 // Half of it is there, and nothing may follow.
		return false, err
	}
	if h.Received.Status == fasthttp.StatusContinue {
		o.line.client.Owe()
	}
	return true, nil
}

// Respond sends the head of a final response, or of a 101, and the first part of its body. It
// writes into h how the body is framed. h must stay as it is until the response has ended.
func (o *outgoing) Respond(h *rewrite.Response, first []byte, last bool, trailers []http1.Field) error {
	if o.to.head.HasBody() {
		o.line.client.Forgive() // Maybe nobody waits for the rest of it.
	}
	o.compose(h, first, last, trailers)
	return o.write(o.out, len(first))
}

// compose writes a response's head and the first part of its body to out.
func (o *outgoing) compose(h *rewrite.Response, first []byte, last bool, trailers []http1.Field) {
	if h.Received.Status == http1.StatusSwitching || o.settings.WantsClose() {
		o.Last()
	}
	o.response, o.framing = h, framingOf(h.Received, &o.to.head)
	h.Chunked = o.framing == chunked || o.framing == bodiless
	o.reserve(h.Received.Length() + len(first))
	o.out = h.AppendHead(o.out[:0])
	if h.Received.Status >= 200 {
		o.appendPersistence(o.framing != untilClose)
	}
	o.out = o.appendFirst(append(o.out, "\r\n"...), first, last, trailers)
}

// framingOf is how the client of a request gets a response's body.
func framingOf(a *http1.Response, request *http1.Request) framing {
	body := a.HasBody(request.IsHead())
	switch {
	case !request.HTTP11 && a.Size < 0 && body:
		return untilClose
	case !request.HTTP11:
	case body && (a.Size == http1.SizeChunked || a.Size == http1.SizeUntilClose):
		return chunked
	case a.Size == http1.SizeChunked && a.HasBody(false):
		return bodiless
	}
	return sized
}

// appendFirst appends the first part of a body.
func (o *outgoing) appendFirst(dst, data []byte, last bool, trailers []http1.Field) []byte {
	if o.framing != chunked {
		return append(dst, data...)
	}
	if len(data) > 0 {
		dst = http1.AppendChunk(dst, data)
	}
	if last {
		dst = http1.AppendTrailers(dst, trailers, o.response.PassesTrailer)
	}
	return dst
}

// WriteBody sends another part of the body.
func (o *outgoing) WriteBody(p Piece) error {
	if o.framing == chunked {
		return o.write(p.chunk(o.response.PassesTrailer), p.N)
	}
	return o.write(p.Data(), p.N)
}

// Reply sends a response of our own. The request's body, as far as it hasn't come, won't be read by
// anybody.
func (o *outgoing) Reply(own *rewrite.Reply) error {
	o.line.client.Admitted()
	if o.settings.WantsClose() || !o.to.canSkip() {
		o.Last()
	}
	o.out = own.AppendHead(o.out[:0])
	o.appendPersistence(true)
	o.out = append(o.out, "\r\n"...)
	data := own.Body
	if o.to.head.IsHead() {
		data = nil
	}
	o.out = append(o.out, data...)
	err := o.write(o.out, len(data))
	if err != nil {
		o.Last()
	}
	return err
}

// appendPersistence adds whether the connection stays open. With sized, the response's end can be
// told without its closing.
func (o *outgoing) appendPersistence(sized bool) {
	if !sized || !o.to.head.KeepAlive {
		o.Last()
	}
	switch {
	case o.last:
		o.out = append(o.out, "Connection: close\r\n"...)
	case !o.to.head.HTTP11:
		o.out = append(o.out, "Connection: keep-alive\r\n"...)
	}
}

// write sends b, which has n bytes of the body in it.
func (o *outgoing) write(b []byte, n int) error {
	o.started = true
	_, err := o.line.client.Write(b)
	if err == nil {
		o.sent += int64(n)
	}
	return err
}
