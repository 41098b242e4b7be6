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
	Response http1.Response

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
// exchange ends. If that is all of it, Send also reads the first bytes of the response. It reports
// whether nothing was sent, as the connection can't be used.
func (x *Exchange) Send(r *rewrite.Request, ready []byte, complete bool, trailers []http1.Field) (stale bool, err error) {
	x.request = r
	x.out = x.appendBody(r.AppendHead(x.out[:0]), ready, complete, trailers)
	switch {
	case complete:
		err = x.ask()
	case x.Conn.Stale():
		return true, nil
	default:
		_, err = x.Conn.Write(x.out)
	}
	switch {
	case err == nil:
		return false, nil
	case err == netconn.ErrStale:
		return true, nil
	case x.Conn.BytesSent() == int64(len(x.out)):
		return false, fmt.Errorf("awaiting the response: %w", err)
	}
	return false, fmt.Errorf("sending the request: %w", err)
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

// Ask sends a request of our own without a body, the connection's only one, and reads the head of
// the final response.
func (x *Exchange) Ask(head []byte) error {
	x.out = append(x.out[:0], head...)
	if err := x.ask(); err != nil {
		return err
	}
	for {
		if err := x.ReadHead(); err != nil || !x.Response.Interim() {
			return err
		}
	}
}

func (x *Exchange) ask() error {
	n, err := x.Conn.Ask(x.out, x.in.room())
	x.in.came(n)
	return noEOF(err)
}

// WriteBody sends another part of the request's body.
func (x *Exchange) WriteBody(p Piece) (err error) {
	if x.request.Received.Size == http1.SizeChunked {
		_, err = x.Conn.Write(p.chunk(x.request.PassesTrailer))
	} else {
		_, err = x.Conn.Write(p.Data())
	}
	return err
}

// MaxInterim is how many responses that aren't final may come before the one that is.
const MaxInterim = 16

// ReadHead reads the head of a response, interim or final, into Response. A part of it may have
// been read already. A response that is not acceptable, such as one interim response too many or a
// 101 that nobody asked for, is a *http1.Refusal.
func (x *Exchange) ReadHead() (err error) {
	if x.heads == MaxInterim {
		detail := fmt.Sprintf("more than %d interim responses", MaxInterim)
		return x.refuse("interim-count", detail, 0)
	}
	x.heads++
	a := &x.Response
	if x.head, err = x.in.readHead(x.Conn, a); err != nil {
		return err
	}
	switch {
	case a.Switches():
		x.Conn.Relay()
		if why := x.checkSwitch(); why != nil {
			return why
		}
	case !a.Interim():
		x.Conn.Relay()
	case !a.KeepAlive:
		x.doubtful = true
	}
	return nil
}

// checkSwitch returns why the 101 is no response to the request; nil if it is one.
func (x *Exchange) checkSwitch() *http1.Refusal {
	if x.request == nil {
		return x.Response.CheckSwitch(new(http1.Request), false)
	}
	return x.Response.CheckSwitch(x.request.Received, x.request.Upgrade)
}

// refuse refuses the response whose head was read last. The fault is at byte at of the head.
func (x *Exchange) refuse(reason, detail string, at int) *http1.Refusal {
	return refuseResponse(reason, detail, x.head, at)
}

// RefuseSwitch refuses a 101 that comes before the request has ended.
func (x *Exchange) RefuseSwitch() *http1.Refusal {
	const detail = "the response switches protocols before the request has ended"
	return x.refuse("switch-early", detail, len("HTTP/1.1 "))
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

// Complete reports whether all of the body was read.
func (x *Exchange) Complete() bool { return x.body.Complete() }

// Trailers are the fields behind the body, once it is complete.
func (x *Exchange) Trailers() []http1.Field { return x.body.Trailers }

// Rest is how many bytes of a body of known size are to come; 0 of any other.
func (x *Exchange) Rest() int64 { return x.body.Rest() }

// Late reports whether the backend made no progress in time.
func (x *Exchange) Late() bool { return x.Conn.Err() == netconn.ErrTimeout }

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

// Drain reads the response's body, up to a limit, of a response to HEAD if that is so. It returns
// its beginning, up to kept bytes. A body that ends early or late is no error; one that is
// malformed is.
func (x *Exchange) Drain(toHead bool, kept, limit int) (beginning []byte, err error) {
	x.BeginBody(toHead)
	keep := func(data []byte) {
		beginning = append(beginning, data[:min(len(data), kept-len(beginning))]...)
	}
	data, err := x.TakeBody()
	keep(data)
	var buf [4 << 10]byte
	for read := len(data); err == nil && !x.Complete() && read < limit; {
		var n int
		n, err = x.ReadBody(buf[:])
		keep(buf[:n])
		read += n
	}
	if why, malformed := err.(*http1.Refusal); malformed {
		return nil, why
	}
	return beginning, nil
}
