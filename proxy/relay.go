package proxy

import (
	"net"

	"github.com/valyala/fasthttp"
)

// relay makes the backend's answer the client's. A body that has arrived already is copied, and the backend's
// connection is free before the client's is written to; others are streamed.
func (r *request) relay() {
	resp := &r.ctx.Response
	r.answered = true
	keep := !resp.Header.ConnectionClose() && !r.upload.refused
	r.cleanHeader()
	if r.upload.refused {
		r.closeAfter()
	}
	size := resp.Header.ContentLength()
	arrived := r.exchange.br.Buffered()
	r.body.begin(r, keep)
	switch {
	case r.hasNoBody():
		r.exchange.close(endingIf(keep))
	case size >= 0 && size <= arrived:
		r.copyBody(size)
	case size >= 0:
		r.stream(&r.body, size, true)
	case r.head.header.IsHTTP11():
		r.stream(chunkedBody{&r.body}, -1, !r.body.arrived())
	default:
		r.relayRaw()
	}
}

// cleanHeader makes the answer's header what the client may see.
func (r *request) cleanHeader() {
	hidden, answering := r.proxy.settings.Backends, [...]string{r.backend.Authority()}
	if len(hidden) == 0 {
		hidden = answering[:]
	}
	cleanAnswer(&r.ctx.Response.Header, &answerHead{
		scheme:    r.head.scheme,
		host:      requestHost(r.head.header),
		backends:  hidden,
		requestID: r.head.requestID,
	})
}

// hasNoBody goes by RFC 9112, section 6.3: such an answer ends with its header, whatever that says.
func (r *request) hasNoBody() bool {
	status := r.ctx.Response.StatusCode()
	return r.ctx.IsHead() || status == fasthttp.StatusNoContent || status == fasthttp.StatusNotModified
}

// copyBody takes a body that has arrived.
func (r *request) copyBody(size int) {
	data, _ := r.exchange.br.Peek(size)
	r.ctx.Response.SetBody(data)
	_, _ = r.exchange.br.Discard(size)
	r.body.size = int64(size)
	r.exchange.close(endingIf(r.body.keep))
}

// bodyStream is what the server reads an answer's body from.
type bodyStream = fasthttp.ReadCloserWithError

// stream has the server send a body as it arrives. With flush, the header goes ahead of it: an event
// stream's must not wait for the first event, and only an empty buffer hands a sized body over to
// netconn.Client.ReadFrom.
func (r *request) stream(body bodyStream, size int, flush bool) {
	r.relayed = true
	r.ctx.Response.SetBodyStream(body, size)
	r.ctx.Response.ImmediateHeaderFlush = flush
}

// relayRaw sends a body of unknown length to a client that doesn't know chunks: as it is, up to
// the connection's end. The server has no such answer, so this takes the connection from it.
func (r *request) relayRaw() {
	r.relayed = true
	r.ctx.SetConnectionClose()
	r.ctx.HijackSetNoResponse(true)
	r.ctx.Hijack(func(net.Conn) { r.copyRaw() })
}

// copyRaw runs in a goroutine of the server's, where a panic would end the process.
func (r *request) copyRaw() {
	defer func(p *Proxy) {
		if v := recover(); v != nil {
			p.logPanic(v)
		}
	}(r.proxy)
	err := r.sendRaw()
	if err != nil {
		// Without a reset, what came so far would look like all of it.
		r.client.Abort()
	}
	_ = r.body.CloseWithError(err)
}

// sendRaw sends the answer. A panic is an error, so that the request ends by it.
func (r *request) sendRaw() (err error) {
	defer r.body.contain(&err)
	h := &r.ctx.Response.Header
	h.Del(fasthttp.HeaderTransferEncoding)
	if _, err := r.client.Write(h.Header()); err != nil {
		return err
	}
	_, err = r.client.ReadFrom(&r.body)
	return err
}
