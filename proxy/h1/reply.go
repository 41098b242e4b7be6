package h1

import (
	"github.com/valyala/fasthttp"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/rewrite"
)

// reply is a response on its way to the client.
type reply struct {
	// out is what is sent next, in its own memory or in what memory has borrowed.
	out, own []byte
	memory   elastic
	head     *rewrite.Response
	framing  framing
	// begun reports that a part of the response left, last that the connection ends with it.
	begun, last bool
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

func (r *reply) init() {
	r.own = make([]byte, 0, 1<<10)
	r.out = r.own
}

func (r *reply) reset() {
	r.shrink()
	r.head, r.framing = nil, sized
	r.begun, r.last, r.sent = false, false, 0
}

// outSpare is how much longer a response's head may get on its way, as a rule.
const outSpare = 4 << 10

// reserve has out hold n bytes of a response and what we add to them, without an allocation.
func (r *reply) reserve(n int) {
	if n += outSpare; n <= cap(r.out) || n <= 1<<leastLent {
		return
	}
	if r.memory.borrowed == nil {
		r.own = r.out
	}
	r.memory.grow(n, nil)
	r.out = r.memory.bytes()[:0]
}

// shrink gives up what only a large response needed.
func (r *reply) shrink() {
	if r.memory.borrowed != nil {
		r.memory.shrink()
		r.out = r.own
	}
	r.out = r.out[:0]
}

// Begun reports whether a part of the response has left. Nothing else may be sent in its place.
func (t *Turn) Begun() bool { return t.reply.begun }

// Sent is how many bytes of the response's body have left. Passed adds those that were sent by the
// Link itself.
func (t *Turn) Sent() int64    { return t.reply.sent }
func (t *Turn) Passed(n int64) { t.reply.sent += n }

// Last has the connection end with this request.
func (t *Turn) Last() { t.reply.last = true }

// Cut ends the response before its end. A client that would take the connection's end for the
// body's gets a reset.
func (t *Turn) Cut() {
	t.Last()
	if t.reply.framing == untilClose {
		t.Abort()
	}
}

// Inform sends an interim response. HTTP/1.0 knows none, so such a client gets nothing, and sent is
// false.
func (t *Turn) Inform(h *rewrite.Response) (sent bool, err error) {
	if !t.request.head.HTTP11 {
		return false, nil
	}
	r := &t.reply
	r.reserve(h.Received.Length())
	r.out = append(h.AppendHead(r.out[:0]), "\r\n"...)
	n, err := t.Client.Write(r.out)
	if err != nil {
		r.begun = n > 0 // Half of it is there, and nothing may follow.
		return false, err
	}
	if h.Received.Status == fasthttp.StatusContinue {
		t.Owe()
	}
	return true, nil
}

// Respond sends the head of a final response, or of a 101, and the first part of its body. It
// writes into h how the body is framed. h must stay as it is until the response has ended.
func (t *Turn) Respond(h *rewrite.Response, first []byte, last bool, trailers []http1.Field) error {
	if t.request.head.HasBody() {
		t.Forgive() // Maybe nobody waits for the rest of it.
	}
	t.compose(h, first, last, trailers)
	return t.write(t.reply.out, len(first))
}

// compose writes a response's head and the first part of its body to out.
func (t *Turn) compose(h *rewrite.Response, first []byte, last bool, trailers []http1.Field) {
	r := &t.reply
	if h.Received.Status == http1.StatusSwitching || t.server.WantsClose() {
		t.Last()
	}
	r.head, r.framing = h, framingOf(h.Received, &t.request.head)
	h.Chunked = r.framing == chunked || r.framing == bodiless
	r.reserve(h.Received.Length() + len(first))
	r.out = h.AppendHead(r.out[:0])
	if h.Received.Status >= 200 {
		t.appendPersistence(r.framing != untilClose)
	}
	r.out = r.appendFirst(append(r.out, "\r\n"...), first, last, trailers)
}

// framingOf is how the client of a request gets a response's body.
func framingOf(a *http1.Answer, request *http1.Request) framing {
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
func (r *reply) appendFirst(dst, data []byte, last bool, trailers []http1.Field) []byte {
	if r.framing != chunked {
		return append(dst, data...)
	}
	if len(data) > 0 {
		dst = http1.AppendChunk(dst, data)
	}
	if last {
		dst = http1.AppendTrailers(dst, trailers, r.head.PassesTrailer)
	}
	return dst
}

// WriteBody sends another part of the body.
func (t *Turn) WriteBody(p Piece) error {
	if t.reply.framing == chunked {
		return t.write(p.chunk(t.reply.head.PassesTrailer), p.N)
	}
	return t.write(p.data(), p.N)
}

// Reply sends a response of our own. The request's body, as far as it hasn't come, won't be read by
// anybody.
func (t *Turn) Reply(own *rewrite.Reply) error {
	r := &t.reply
	t.Admitted()
	if t.server.WantsClose() || !t.canSkipBody() {
		t.Last()
	}
	r.out = own.AppendHead(r.out[:0])
	t.appendPersistence(true)
	r.out = append(r.out, "\r\n"...)
	data := own.Body
	if t.request.head.IsHead() {
		data = nil
	}
	r.out = append(r.out, data...)
	err := t.write(r.out, len(data))
	if err != nil {
		t.Last()
	}
	return err
}

// appendPersistence adds whether the connection stays open. With sized, the response's end can be
// told without its closing.
func (t *Turn) appendPersistence(sized bool) {
	r := &t.reply
	if !sized {
		t.Last()
	}
	switch {
	case r.last:
		r.out = append(r.out, "Connection: close\r\n"...)
	case !t.request.head.HTTP11:
		r.out = append(r.out, "Connection: keep-alive\r\n"...)
	}
}

// write sends b, which has n bytes of the body in it.
func (t *Turn) write(b []byte, n int) error {
	t.reply.begun = true
	_, err := t.Client.Write(b)
	if err == nil {
		t.reply.sent += int64(n)
	}
	return err
}
