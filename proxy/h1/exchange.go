package h1

import (
	"fmt"
	"io"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/rewrite"
)

// Exchange is a request and its response on a connection of a backend's. Its memory serves many,
// one after the other: Init comes once, Begin before each.
type Exchange struct {
	// Conn is the connection; nil while there is none.
	Conn *netconn.Backend
	// Response is the head that was read last.
	Response http1.Answer

	request *rewrite.Request
	// out is the request's head, and its body as far as it has come.
	out []byte
	in  responseReader
	// head is the response's head as it came, heads counts those of the exchange.
	head  []byte
	heads int
	// doubtful reports that an interim head was one after which the connection can't be used again,
	// keep that it can be after the response that is read now.
	doubtful, keep bool
	body           http1.Body
}

// Init gives the exchange its memory.
func (x *Exchange) Init() {
	x.in = newResponseReader()
	x.out = make([]byte, 0, 2<<10)
}

// Begin begins an exchange on a connection. It bounds the response's head, and its trailers, to so
// many bytes.
func (x *Exchange) Begin(conn *netconn.Backend, maxHeader int) {
	x.Conn = conn
	x.in.reset()
	x.in.limit = maxHeader
	x.heads, x.doubtful = 0, false
}

// Send sends a request with the part of its body that is ready, which must stay as it is until the
// exchange ends. If that is all of it, Send also reads the first bytes of the response. It returns
// netconn.ErrStale if nothing was sent, as the connection can't be used.
func (x *Exchange) Send(r *rewrite.Request, ready []byte, complete bool, trailers []http1.Field) error {
	x.request = r
	x.out = x.appendBody(r.AppendHead(x.out[:0]), ready, complete, trailers)
	if complete {
		return x.ask()
	}
	if x.Conn.Stale() {
		return netconn.ErrStale
	}
	_, err := x.Conn.Write(x.out)
	return err
}

// appendBody appends the first part of the request's body.
func (x *Exchange) appendBody(dst, data []byte, complete bool, trailers []http1.Field) []byte {
	if x.request.Received.Size != http1.SizeChunked {
		return append(dst, data...)
	}
	if len(data) > 0 {
		dst = http1.AppendChunk(dst, data)
	}
	if complete {
		dst = http1.AppendTrailers(dst, trailers, x.request.PassesTrailer)
	}
	return dst
}

// Ask sends a request that is written out, and reads the first bytes of the response.
func (x *Exchange) Ask(request []byte) error {
	x.out = append(x.out[:0], request...)
	return x.ask()
}

func (x *Exchange) ask() error {
	n, err := x.Conn.Ask(x.out, x.in.room())
	x.in.came(n)
	return noEOF(err)
}

// Asked reports whether all that Send was given has been sent.
func (x *Exchange) Asked() bool { return x.Conn.Sent() == int64(len(x.out)) }

// WriteBody sends another part of the request's body.
func (x *Exchange) WriteBody(p Piece) (err error) {
	if x.request.Received.Size == http1.SizeChunked {
		_, err = x.Conn.Write(p.chunk(x.request.PassesTrailer))
	} else {
		_, err = x.Conn.Write(p.data())
	}
	return err
}

// MaxInterim is how many responses that aren't final may come before the one that is.
const MaxInterim = 16

// ReadHead reads the head of a response, interim or final, into Response. A part of it may have
// been read already. A response that is not acceptable, or one interim response too many, is a
// *http1.Refusal.
func (x *Exchange) ReadHead() (err error) {
	if x.heads == MaxInterim {
		detail := fmt.Sprintf("more than %d interim responses", MaxInterim)
		return x.Refuse("interim-count", detail, 0)
	}
	x.heads++
	if x.head, err = x.in.readHead(x.Conn, &x.Response); err != nil {
		return err
	}
	if !x.Response.Interim() {
		x.Conn.Relay()
	} else if !x.Response.KeepAlive {
		x.doubtful = true
	}
	return nil
}

// Refuse refuses the response whose head was read last. The fault is at byte at of the head.
func (x *Exchange) Refuse(reason, detail string, at int) *http1.Refusal {
	return refuseResponse(reason, detail, x.head, at)
}

// BeginBody has the body of the response that was read last be read, of a response to HEAD if that
// is so.
func (x *Exchange) BeginBody(toHead bool) {
	a, size := &x.Response, x.Response.Size
	none := !a.HasBody(toHead)
	x.keep = a.KeepAlive && !x.doubtful && (none || size != http1.SizeUntilClose) && !a.Contradicts()
	if none {
		size = http1.SizeNone
	}
	x.body.BeginResponse(size, x.in.limit)
}

// TakeBody takes the part of the body that came with the head. It stays good until ReadBody.
func (x *Exchange) TakeBody() ([]byte, error) {
	arrived := x.in.rest()
	n, err := x.decode(arrived)
	return arrived[:n], err
}

// ReadBody waits for some of the body: n bytes of data in p. The body may be complete then.
func (x *Exchange) ReadBody(p []byte) (n int, err error) {
	came, err := x.Conn.Read(p)
	if err != nil && (err != io.EOF || !x.body.End()) {
		return 0, noEOF(err)
	}
	return x.decode(p[:came])
}

// decode decodes what came. The connection isn't used again if more came than the body, or if the
// body may have had another end.
func (x *Exchange) decode(came []byte) (n int, err error) {
	n, used, err := x.body.Decode(came)
	x.keep = x.keep && used == len(came) && !x.body.MixesLineEnds()
	return n, inBody(err, len(x.head))
}

// Complete reports whether all of the body was read. Trailers are the fields behind it.
func (x *Exchange) Complete() bool          { return x.body.Complete() }
func (x *Exchange) Trailers() []http1.Field { return x.body.Trailers }

// Rest is how many bytes of a body of known size are to come; 0 of any other. Pass notes that n of
// them were read past the exchange.
func (x *Exchange) Rest() int64  { return x.body.Rest() }
func (x *Exchange) Pass(n int64) { x.body.Pass(n) }

// Keeps reports whether the connection can be used again once the body is complete.
func (x *Exchange) Keeps() bool { return x.keep }

// Unread is what came on the connection and was not read as a head.
func (x *Exchange) Unread() []byte { return x.in.rest() }

// Forget ends the exchange, and gives up what only a large response needed. Response is empty
// after it.
func (x *Exchange) Forget() {
	x.head, x.request = nil, nil
	x.Response.Reset() // It aliases what is given up.
	x.in.release()
}

// Lighten gives all buffers up. The exchange can't be used for another one.
func (x *Exchange) Lighten() {
	x.Forget()
	x.in, x.out = responseReader{}, nil
}
