package proxy

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"gopher-equalizer/proxy/netconn"
)

// smallBody is the largest body that is read before a connection to a backend is taken. It then goes
// out together with the head, and can be sent again.
const smallBody = 8 << 10

// upload is a request's body on its way to the backend.
type upload struct {
	// size is as in requestHead.bodySize.
	size int64
	// small is all of a small body.
	small []byte
	// read is how much of it came from the client; complete says that this is all.
	read     int64
	complete bool
	// refused says that the backend answered without taking all of it.
	refused bool
}

var errTooLarge = errors.New("the body is larger than the limit")

// prepare finds out how the body is framed, and reads a small one.
func (r *request) prepare() outcome {
	u := &r.upload
	u.size = bodyNone
	if r.ctx.Request.IsBodyStream() {
		u.size = int64(r.head.header.ContentLength())
	}
	r.head.bodySize = u.size
	if u.size < 0 || u.size > smallBody {
		u.complete = u.size == bodyNone
		return outcome{}
	}
	u.small = slices.Grow(u.small[:0], int(u.size))[:u.size]
	n, err := io.ReadFull(r.ctx.RequestBodyStream(), u.small)
	u.read = int64(n)
	if err != nil {
		return r.uploadFailed(err)
	}
	u.complete = true
	return outcome{}
}

// sendBody streams the body that prepare left to the backend, each piece as it comes: with its length if
// that is known, else in chunks.
func (r *request) sendBody() outcome {
	u := &r.upload
	buf := r.proxy.buffers.Get()
	defer r.proxy.buffers.Put(buf)
	for !u.complete {
		data, err := u.next(r.ctx.RequestBodyStream(), buf)
		if err == nil && r.proxy.tooLarge(u.read) {
			err = errTooLarge
		}
		if err != nil {
			return r.uploadFailed(err)
		}
		if _, err := r.exchange.conn.Write(data); err != nil {
			return r.broken(fmt.Errorf("sending the body: %w", err))
		}
	}
	return outcome{}
}

// next reads a piece of the body, ready to be sent.
func (u *upload) next(body io.Reader, buf *[netconn.BufferSize]byte) (data []byte, err error) {
	n, err := body.Read(buf[chunkHead : len(buf)-chunkTail])
	u.read += int64(n)
	if err == io.EOF {
		err = nil
		u.complete = true
		if u.size >= 0 && u.read < u.size {
			err = io.ErrUnexpectedEOF
		}
	}
	data = buf[chunkHead : chunkHead+n]
	if u.size == bodyChunked {
		data = frameChunk(buf[:], n, u.complete)
	}
	return data, err
}

// uploadFailed is the outcome when the client didn't send its body as it should have.
func (r *request) uploadFailed(err error) outcome {
	f := clientGone
	switch r.client.Err() {
	case netconn.ErrTimeout:
		f = bodyLate
	case nil:
		f = badBody
	}
	if err == errTooLarge {
		f = bodyTooLarge
	}
	r.upload.complete = false
	// What is malformed is not logged: the error may quote a trailer.
	return outcome{failure: f, cause: r.client.Err()}
}

// tooLarge says whether a body of size, as far as it is known, is larger than the limit.
func (p *Proxy) tooLarge(size int64) bool {
	limit := p.settings.MaxBodyBytes
	return limit > 0 && size > limit
}

// received says that nothing of the body is left to come from the client.
func (r *request) received() bool {
	n := r.head.header.ContentLength()
	return r.upload.complete || n == 0 || n == int(bodyNone)
}

// empty says that there is no body, or one of no bytes.
func (u *upload) empty() bool { return u.size == 0 || u.size == bodyNone }

func (u *upload) reset() { *u = upload{small: u.small[:0]} }
