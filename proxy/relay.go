package proxy

import (
	"bytes"
	"errors"
	"io"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/rewrite"
)

// relayed is an answer's body on its way to the client.
type relayed struct {
	body http1.Body
	// chunked says that it goes out in chunks, raw that it goes out as it is and ends with the
	// connection. Else its size is known.
	chunked, raw bool
	// none says that there is no body, whatever the header says.
	none bool
	// keep says that the backend's connection can be used again after it.
	keep bool
}

// relay makes the backend's answer the client's. The backend's connection is free before the client
// has taken the last of it.
func (r *request) relay() {
	x, b := &r.exchange, &r.relayed
	r.status = x.answer.Status
	if x.answer.Status == http1.StatusSwitching {
		r.tunnel()
		return
	}
	r.beginRelay()
	arrived := x.in.rest()
	n, used, err := b.body.Decode(arrived)
	if err != nil {
		r.endExchange(broke)
		r.fail(backendBad, inBody(err, len(x.head)))
		return
	}
	b.decoded(used, len(arrived))
	if b.body.Complete() {
		r.endRelay()
	} else if r.header.Expect && !r.upload.settled() {
		// The backend gave its answer without asking for the body, or the client has begun to send
		// it nevertheless: there is no telling what it sends next.
		r.last = true
	}
	if !b.body.Complete() && r.isEventStream() {
		r.session.Lasts()
	}
	r.reserve(len(x.head) + len(arrived))
	r.out = r.appendResponseHead(r.out[:0])
	r.out = r.appendPiece(r.out, arrived[:n])
	if err := r.write(r.out); err != nil {
		r.leftBehind(err)
		return
	}
	r.size += int64(n)
	if !b.body.Complete() {
		r.stream()
	}
}

// isEventStream reports whether the response is server-sent events, which end when one side has
// enough, and whose clients come back for more.
func (r *request) isEventStream() bool {
	for i := range r.exchange.answer.Fields {
		if f := &r.exchange.answer.Fields[i]; http1.Is(f.Name, "content-type") {
			mediaType, _, _ := bytes.Cut(f.Value, []byte(";"))
			return http1.Is(bytes.TrimSpace(mediaType), "text/event-stream")
		}
	}
	return false
}

// beginRelay finds out how the body is framed, on both sides.
func (r *request) beginRelay() {
	a, b := &r.exchange.answer, &r.relayed
	size := a.Size
	b.none = !a.HasBody(r.header.IsHead())
	b.keep = a.KeepAlive && !r.exchange.doubtful && (b.none || size != http1.SizeUntilClose) && !a.Contradicts()
	b.chunked = r.header.HTTP11 && (size == http1.SizeChunked && (!b.none || a.HasBody(false)) || size == http1.SizeUntilClose && !b.none)
	b.raw = !r.header.HTTP11 && size < 0 && !b.none
	if b.none {
		size = http1.SizeNone
	}
	b.body.BeginResponse(size, r.proxy.settings.MaxResponseHeader)
	r.last = r.last || r.proxy.wantsClose()
}

// decoded notes that the body used so many of the bytes that came. The connection isn't used again
// if there are more, or if the body may have had another end.
func (b *relayed) decoded(used, came int) {
	b.keep = b.keep && used == came && !b.body.MixesLineEnds()
}

// endRelay ends the exchange once the body has come. What came behind it, or is there by now, is
// nobody's answer, so such a connection is never used again.
func (r *request) endRelay() {
	how := dropped
	if r.relayed.keep {
		how = kept
	}
	r.endExchange(how)
	r.count()
}

// appendResponseHead appends the head that the client gets: a final one, an interim one, or a 101.
func (r *request) appendResponseHead(dst []byte) []byte {
	hidden, answering := r.proxy.settings.Backends, [...]string{r.backend.Authority()}
	if len(hidden) == 0 {
		hidden = answering[:]
	}
	head := rewrite.Response{
		Received:  &r.exchange.answer,
		Scheme:    r.head.Scheme,
		Host:      r.header.Host,
		Hidden:    hidden,
		RequestID: r.head.RequestID,
		Chunked:   r.relayed.chunked,
	}
	dst = head.AppendHead(dst)
	if r.exchange.answer.Status >= 200 {
		dst = r.appendPersistence(dst, !r.relayed.raw)
	}
	return append(dst, "\r\n"...)
}

// appendPiece appends a piece of the body, and the body's end if it is complete.
func (r *request) appendPiece(dst, data []byte) []byte {
	b := &r.relayed
	switch {
	case !b.chunked || b.none:
		return append(dst, data...)
	case len(data) > 0:
		dst = http1.AppendChunk(dst, data)
	}
	if b.body.Complete() {
		dst = http1.AppendTrailers(dst, b.body.Trailers, r.passesTrailer)
	}
	return dst
}

// passesTrailer reports whether a field of the response's trailer section goes on to the client.
func (r *request) passesTrailer(f http1.Field) bool {
	head := rewrite.Response{Received: &r.exchange.answer}
	return head.PassesTrailer(f)
}

// relayInterim passes an interim answer on. HTTP/1.0 knows none.
func (r *request) relayInterim() error {
	if !r.header.HTTP11 {
		return nil
	}
	r.reserve(len(r.exchange.head))
	r.out = r.appendResponseHead(r.out[:0])
	n, err := r.session.Write(r.out)
	if err != nil {
		r.begun = n > 0 // Half of it is there, and nothing may follow.
		return err
	}
	r.proxy.counters.informational.Add(1)
	if r.exchange.answer.Status == fasthttp.StatusContinue {
		r.session.Owe()
	}
	return nil
}

// spliceFrom is from which size on a body goes past our memory: a pipe for it costs as much as
// copying some buffers does. At 1 MB it takes a third or more off what the request costs.
const spliceFrom = 4 * netconn.BufferSize

// stream sends the rest of the body, each piece as it arrives.
func (r *request) stream() {
	if r.relayed.body.Rest() >= spliceFrom {
		if s := netconn.NewSplice(r.exchange.conn, r.session.Client); s != nil {
			defer s.Close()
			if r.splice(s) {
				return
			}
		}
	}
	r.copy()
}

// splice sends the rest of a body of known size, within the kernel, and says no if that turns out
// not to be possible.
func (r *request) splice(s *netconn.Splice) (did bool) {
	for b := &r.relayed.body; !b.Complete(); {
		n, err := s.Read(b.Rest())
		if err == netconn.ErrCantSplice {
			return false
		}
		if err != nil {
			r.brokeOff(noEOF(err))
			return true
		}
		if b.Pass(int64(n)); b.Complete() {
			r.endRelay()
		}
		if err := s.Write(); err != nil {
			r.leftBehind(err)
			return true
		}
		r.size += int64(n)
	}
	return true
}

// copy sends the rest of a body through a buffer.
func (r *request) copy() {
	buf := r.proxy.buffers.Get()
	defer r.proxy.buffers.Put(buf)
	for b := &r.relayed; !b.body.Complete(); {
		piece, n, err := r.nextPiece(buf[:])
		if err != nil {
			r.brokeOff(err)
			return
		}
		if err := r.write(piece); err != nil {
			r.leftBehind(err)
			return
		}
		r.size += int64(n)
	}
}

// nextPiece waits for a piece of the body, and returns it ready to be sent; n bytes of it are data.
func (r *request) nextPiece(buf []byte) (piece []byte, n int, err error) {
	b := &r.relayed
	room := buf[http1.ChunkHead : len(buf)-http1.ChunkTail-len(http1.LastChunk)]
	came, err := r.exchange.conn.Read(room)
	if err != nil && (err != io.EOF || !b.body.End()) {
		return nil, 0, noEOF(err)
	}
	n, used, err := b.body.Decode(room[:came])
	if err != nil {
		return nil, 0, inBody(err, len(r.exchange.head))
	}
	b.decoded(used, came)
	if b.body.Complete() {
		r.endRelay()
	}
	if !b.chunked {
		return room[:n], n, nil
	}
	from, to := http1.FrameChunk(buf, http1.ChunkHead, n)
	if b.body.Complete() {
		return http1.AppendTrailers(buf[from:to], b.body.Trailers, r.passesTrailer), n, nil
	}
	return buf[from:to], n, nil
}

// brokeOff cuts the answer, since the rest of it doesn't come.
func (r *request) brokeOff(err error) {
	f := lateOrBad(err)
	r.upload.stop(r)
	switch {
	case r.upload.failure != nil:
		f, err = r.upload.failure, r.upload.cause
	case errors.Is(err, netconn.ErrAbandoned):
		f = clientGone
	}
	r.endExchange(f.ending())
	r.fail(f, err)
}

// leftBehind ends a request whose client takes no more of the answer. The reset has the system drop
// what it holds for a client that doesn't read.
func (r *request) leftBehind(err error) {
	r.endExchange(dropped)
	f := clientGone
	if err == netconn.ErrTooSlow {
		f = clientSlow
	}
	r.session.Abort()
	r.fail(f, err)
}
