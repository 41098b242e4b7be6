package h1

import (
	"gopher-equalizer/proxy/http1"
)

// skippedBody is how much of a body that nobody wants is read so that the connection can be kept.
const skippedBody = 64 << 10

// body is a request's body on its way in.
type body struct {
	http1.Body
	size int64
	// read is how many bytes of data were read.
	read int64
	// expect reports that the client awaits a 100 before it sends the body, streamed that ReadBody
	// was called.
	expect, streamed bool
}

func (b *body) begin(h *http1.Request) {
	b.size, b.expect = h.Size, h.Expect
	b.Begin(h.Size)
}

// reset forgets the body. It is incomplete until a head has been read.
func (b *body) reset() {
	*b = body{Body: b.Body}
	b.Begin(http1.SizeChunked)
}

// Complete reports whether all of the body was read. Trailers are the fields behind it.
func (t *Turn) Complete() bool          { return t.body.Complete() }
func (t *Turn) Trailers() []http1.Field { return t.body.Trailers }

// TakeBody takes what has come of the body. It stays good until more is read. The error is a
// *http1.Refusal.
func (t *Turn) TakeBody() ([]byte, error) {
	data, err := t.in.decode(&t.body.Body)
	t.body.read += int64(len(data))
	if t.body.expect && len(data) > 0 {
		t.Owe() // It doesn't wait for the 100.
	}
	return data, inBody(err, len(t.request.raw))
}

// AwaitBody waits for more of the body, for TakeBody to take.
func (t *Turn) AwaitBody() error { return t.in.fill(t.Client) }

// AwaitBodyUntil is AwaitBody up to a moment, as Soon returns it. It fails with netconn.ErrNotYet
// then.
func (t *Turn) AwaitBodyUntil(moment int64) error { return t.in.fillBy(t.Client, moment) }

// ReadBody waits for some of the body: n bytes of data in p. The body may be complete then. What
// comes behind it is the next request, and is kept.
func (t *Turn) ReadBody(p []byte) (n int, err error) {
	b := &t.body
	b.streamed = true
	if b.size >= 0 {
		p = p[:min(int64(len(p)), b.size-b.read)]
	} else {
		p = p[:min(len(p), t.in.spare())] // The next request must fit into the inbox.
	}
	came, err := t.Read(p)
	if err != nil {
		return 0, noEOF(err)
	}
	n, used, err := b.Decode(p[:came])
	if err != nil {
		return 0, inBody(err, len(t.request.raw))
	}
	t.in.put(p[used:came])
	b.read += int64(n)
	return n, nil
}

// Behind takes what came behind the request.
func (t *Turn) Behind() []byte {
	behind := t.in.bytes()
	t.in.clear()
	return behind
}

// canSkipBody reports whether the rest of a body that nobody wants is so short that reading it is
// cheaper than another connection.
func (t *Turn) canSkipBody() bool {
	b := &t.body
	return b.Complete() || !b.streamed && !b.expect && b.size-b.read <= skippedBody
}

// skipBody reads the rest of a body that nobody wants. It reports false if that is too much, or if
// the client doesn't send it.
func (t *Turn) skipBody() bool {
	b := &t.body
	for skipped := 0; !b.Complete(); {
		if skipped > skippedBody || !t.canSkipBody() {
			return false
		}
		data, err := t.in.decode(&b.Body)
		skipped += len(data)
		switch {
		case err == nil && b.Complete():
			return true
		case err != nil || t.AwaitBody() != nil:
			return false
		}
	}
	return true
}
