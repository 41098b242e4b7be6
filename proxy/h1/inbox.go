package h1

import (
	"bytes"
	"io"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/netconn"
)

// inboxSpare is how much an inbox holds besides the largest header.
const inboxSpare = 4 << 10

// inbox is what has come from a client and wasn't used yet.
type inbox struct {
	buf []byte
	// start and end are where it is in buf, and from start on scanned bytes hold no end of a head.
	start, end, scanned int
	// head is where the head of the request ends that is being served: before it nothing is
	// written.
	head int
}

func (in *inbox) room() []byte  { return in.buf[in.end:] }
func (in *inbox) bytes() []byte { return in.buf[in.start:in.end] }
func (in *inbox) size() int     { return in.end - in.start }
func (in *inbox) clear()        { in.start, in.end, in.scanned, in.head = 0, 0, 0, 0 }

// shift moves what is there to the front, over the head before.
func (in *inbox) shift() {
	n := copy(in.buf, in.bytes())
	in.clear()
	in.end = n
}

// skipEmptyLines goes on behind those that may come before a request (RFC 9112, section 2.2).
func (in *inbox) skipEmptyLines() {
	for bytes.HasPrefix(in.bytes(), []byte("\r\n")) {
		in.start += len("\r\n")
		in.scanned = 0 // It may have been half of the line.
	}
}

// rewind makes room behind the head once all is used.
func (in *inbox) rewind() {
	if in.start == in.end {
		in.start, in.end = in.head, in.head
	}
}

// spare is how many bytes put has room for: inboxSpare at least once all is used.
func (in *inbox) spare() int {
	in.rewind()
	return len(in.room())
}

// put adds what was read beyond a body's end.
func (in *inbox) put(b []byte) { in.end += copy(in.room(), b) }

// fill waits for more.
func (in *inbox) fill(from io.Reader) error {
	in.rewind()
	return in.filled(from.Read(in.room()))
}

// fillBy waits for more of a body, up to a moment: see netconn.Client.ReadBy.
func (in *inbox) fillBy(from *netconn.Client, moment int64) error {
	in.rewind()
	return in.filled(from.ReadBy(in.room(), moment))
}

func (in *inbox) filled(n int, err error) error {
	in.end += n
	return noEOF(err)
}

// decode takes what is there of a body, and returns the data.
func (in *inbox) decode(body *http1.Body) ([]byte, error) {
	arrived := in.bytes()
	n, used, err := body.Decode(arrived)
	in.start += used
	return arrived[:n], err
}

// takeHead takes a request's head out if all of it is there, and it isn't larger than limit. The
// random bytes of a TLS hello may have an empty line, which makes no head of it.
func (in *inbox) takeHead(limit int) []byte {
	if in.scanned == in.size() {
		return nil
	}
	n := http1.HeadEnd(in.bytes(), in.scanned)
	if n <= 0 || n > limit || bytes.HasPrefix(in.bytes(), helloPrefix) {
		in.scanned = in.size()
		return nil
	}
	head := in.bytes()[:n]
	in.start += n
	in.head = in.start
	return head
}

// readHead reads a request's head, and takes it out. It returns io.ErrUnexpectedEOF if the client
// ended before the head did, and a *http1.Refusal if what came can't be a head or is too large.
func (in *inbox) readHead(from io.Reader, limit int) ([]byte, error) {
	for {
		in.skipEmptyLines()
		if head := in.takeHead(limit); head != nil {
			return head, nil
		}
		if why := in.refuse(limit); why != nil {
			return nil, why
		}
		if err := in.fill(from); err != nil {
			return nil, err
		}
	}
}

// refuse returns why no head can become of what is there; nil if one can. RFC 9112, section 3, has
// a status of its own for a request line that alone is too large.
func (in *inbox) refuse(limit int) *http1.Refusal {
	begin := in.bytes()
	switch {
	case bytes.HasPrefix(begin, helloPrefix):
		return http1.Refuse(fasthttp.StatusBadRequest, "tls",
			"the client speaks TLS, but this address is served in clear", begin, 0)
	case len(begin) > 0 && !http1.BeginsRequest(begin):
		return http1.Refuse(fasthttp.StatusBadRequest, "not-a-request",
			"the request's header is malformed", begin, methodEnd(begin))
	case len(begin) < limit && len(in.room()) > 0:
		return nil
	case bytes.IndexByte(begin[:min(len(begin), limit)], '\n') < 0:
		return http1.Refuse(fasthttp.StatusRequestURITooLong, "request-line-size",
			"the request line is too long", begin, limit)
	}
	return http1.Refuse(fasthttp.StatusRequestHeaderFieldsTooLarge, "header-size",
		"the request's header is too large", begin, limit)
}

// helloPrefix is how the first message of a client by TLS begins: a record of a handshake.
var helloPrefix = []byte{0x16, 0x03}

// methodEnd is where b ends to be the beginning of a request.
func methodEnd(b []byte) int {
	for i := range b {
		if !http1.IsToken(b[i : i+1]) {
			return i
		}
	}
	return len(b)
}
