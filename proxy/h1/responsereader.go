package h1

import (
	"errors"
	"fmt"
	"io"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/proxy/http1"
)

// responseBuffer is the memory that a response is read into, until its header is larger.
const responseBuffer = 16 << 10

// notAResponse is the reason of a refusal of what can't be the beginning of a response.
const notAResponse = "not-a-response"

// IsNoResponse reports whether err says that what came can't be the beginning of a response.
func IsNoResponse(err error) bool {
	var why *http1.Refusal
	return errors.As(err, &why) && why.Reason == notAResponse
}

// responseReader reads the heads of a backend's responses, and has what came behind them. It
// doesn't allocate in steady state.
type responseReader struct {
	memory elastic
	// limit bounds a head.
	limit int
	// memory[start:end] is what has come and wasn't used yet; scanned bytes of it hold no end of a
	// head.
	start, end, scanned int
}

func newResponseReader() responseReader {
	return responseReader{memory: elastic{own: make([]byte, responseBuffer)}}
}

// reset forgets what has come.
func (r *responseReader) reset() { r.start, r.end, r.scanned = 0, 0, 0 }

// release gives up memory that only a large head needed, with all that is in it.
func (r *responseReader) release() {
	r.reset()
	r.memory.shrink()
}

// room is where the next bytes go, and came says how many have.
func (r *responseReader) room() []byte { return r.memory.bytes()[r.end:] }
func (r *responseReader) came(n int)   { r.end += n }

// rest is what has come and wasn't used yet.
func (r *responseReader) rest() []byte { return r.memory.bytes()[r.start:r.end] }

// readHead reads a head, interim or not. A part of it may have been read already. It stays good
// until the next call. What is refused comes with a *http1.Refusal.
func (r *responseReader) readHead(from io.Reader, a *http1.Response) (head []byte, err error) {
	for {
		head, why := r.takeHead()
		if head != nil {
			why = a.Parse(head)
		}
		switch {
		case why != nil:
			return nil, why
		case head != nil:
			return head, nil
		}
		if err := r.fill(from); err != nil {
			return nil, noEOF(err)
		}
	}
}

// takeHead takes a head out if all of it is there; nil if not. It refuses one that is too large, or
// that can't be one.
func (r *responseReader) takeHead() (head []byte, why *http1.Refusal) {
	rest := r.rest()
	if r.scanned == len(rest) {
		return nil, nil
	}
	n := http1.HeadEnd(rest, r.scanned)
	switch {
	case n > r.limit:
		return nil, r.tooLarge("", n)
	case n > 0:
		r.start += n
		r.scanned = 0
		return rest[:n], nil
	case !http1.BeginsResponse(rest):
		return nil, refuseResponse(notAResponse, "what came is not an HTTP/1 response", rest, 0)
	case len(rest) >= r.limit:
		return nil, r.tooLarge("more than ", len(rest))
	}
	r.scanned = len(rest)
	return nil, nil
}

// tooLarge names the bound, and by how much a head is over it.
func (r *responseReader) tooLarge(moreThan string, n int) *http1.Refusal {
	detail := fmt.Sprintf("the response's header has %s%d bytes, and max_response_header is %d",
		moreThan, n, r.limit)
	return refuseResponse("header-size", detail, r.rest(), r.limit)
}

// refuseResponse refuses a response for what its text alone doesn't say. The fault is at b[at].
func refuseResponse(reason, detail string, b []byte, at int) *http1.Refusal {
	return http1.Refuse(fasthttp.StatusBadGateway, reason, detail, b, at)
}

// fill waits for more of the head.
func (r *responseReader) fill(from io.Reader) error {
	if r.end == len(r.memory.bytes()) {
		r.makeRoom()
	}
	n, err := from.Read(r.room())
	if r.came(n); n > 0 {
		return nil
	}
	return err
}

// makeRoom moves what is there to the front, or to twice as much memory.
func (r *responseReader) makeRoom() {
	rest := r.rest()
	if r.start > 0 {
		copy(r.memory.bytes(), rest)
	} else {
		r.memory.grow(2*len(rest), rest)
	}
	r.start, r.end = 0, len(rest)
}
