package proxy

import (
	"errors"
	"fmt"
	"io"
)

// bodyKind is how the end of an answer's body is known.
type bodyKind int

const (
	bodySized bodyKind = iota
	bodyInChunks
	bodyUntilClose
)

// answerBody reads an answer's body for the server, which closes it in the end. With it ends the request.
type answerBody struct {
	request *request
	kind    bodyKind
	// left is how much of a sized body is to come.
	left   int64
	chunks chunkReader
	// keep says that the backend's connection can be used again after the body.
	keep bool
	// complete says that all of it was read.
	complete bool
	// size is how much of it was read.
	size int64
	// failure says that it broke, and err on what.
	failure *failure
	err     error
}

var errBodyPanic = errors.New("a panic while the answer was relayed")

// begin readies the body behind the header just read. keep says that the backend's connection can be
// used again after it.
func (b *answerBody) begin(r *request, keep bool) {
	h := &r.ctx.Response.Header
	b.request, b.keep = r, keep
	switch size := h.ContentLength(); size {
	case -2:
		b.kind = bodyUntilClose
	case -1:
		b.kind, b.chunks = bodyInChunks, chunkReader{br: r.exchange.br, trailers: h}
	default:
		b.kind, b.left = bodySized, int64(size)
	}
}

// arrived says that some of it has, so that Read won't wait.
func (b *answerBody) arrived() bool {
	if b.kind == bodyInChunks {
		return b.chunks.ready()
	}
	return b.request.exchange.br.Buffered() > 0
}

// Read returns what has arrived, and waits only if that is nothing.
func (b *answerBody) Read(p []byte) (n int, err error) {
	defer b.contain(&err)
	switch {
	case b.failure != nil:
		return 0, b.err
	case b.complete:
		return 0, io.EOF
	}
	n, err = b.decode(p)
	b.size += int64(n)
	switch {
	case err == io.EOF, b.kind == bodySized && b.left == 0, b.kind == bodyInChunks && b.chunks.ended && err == nil:
		// The connection is free for others while the client still takes what was read.
		b.complete = true
		b.request.exchange.close(endingIf(b.keep && b.kind != bodyUntilClose))
	case err != nil:
		b.failure, b.err = lateOrBad(err), err
	}
	return n, err
}

func (b *answerBody) decode(p []byte) (n int, err error) {
	br := b.request.exchange.br
	switch b.kind {
	case bodySized:
		n, err = br.Read(p[:min(int64(len(p)), b.left)])
		b.left -= int64(n)
		return n, noEOF(err)
	case bodyInChunks:
		return b.chunks.Read(p)
	default:
		return br.Read(p)
	}
}

// contain makes a panic an error, which cuts the answer.
func (b *answerBody) contain(err *error) {
	if v := recover(); v != nil {
		b.request.proxy.logPanic(v)
		b.failure, b.err = panicked, fmt.Errorf("%w: %v", errBodyPanic, v)
		*err = b.err
	}
}

// CloseWithError ends the request. err is why the body could not be sent, nil if it was.
func (b *answerBody) CloseWithError(err error) error {
	r := b.request
	if r == nil {
		return nil
	}
	b.request = nil
	if b.failure == nil && (err != nil || !b.complete) {
		b.failure, b.err = clientGone, err
	}
	if b.failure != nil {
		r.failure, r.cause = b.failure, b.err
		r.exchange.close(b.failure.ending())
		r.proxy.counters.cut.Add(1)
	}
	r.finish()
	return nil
}

// detach has CloseWithError do nothing.
func (b *answerBody) detach() { b.request = nil }

func (b *answerBody) reset() { *b = answerBody{} }

// chunkedBody is an answerBody that goes to the client in chunks.
type chunkedBody struct{ *answerBody }

// SupportsBodyWriteTo has fasthttp call WriteTo, which makes chunks of what has arrived and not of 4 KB.
func (chunkedBody) SupportsBodyWriteTo() bool { return true }

// WriteTo writes the body, each piece as it arrives.
func (b chunkedBody) WriteTo(w io.Writer) (sent int64, err error) {
	buffers := &b.request.proxy.buffers
	buf := buffers.Get()
	defer buffers.Put(buf)
	for {
		n, rerr := b.Read(buf[:])
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return sent, err
			}
			sent += int64(n)
		}
		if rerr == io.EOF {
			return sent, nil
		}
		if rerr != nil {
			return sent, rerr
		}
	}
}
