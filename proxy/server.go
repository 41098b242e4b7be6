package proxy

import (
	"errors"
	"math"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/proxy/netconn"
)

// newServer is fasthttp's server with its own limits, defaults and timeouts off, so that what we
// forward stays as it came. It only serves connections: accepting and stopping are ours.
func newServer(p *Proxy) *fasthttp.Server {
	return &fasthttp.Server{
		Handler:        p.handle,
		ExpectHandler:  p.expect,
		ErrorHandler:   p.reject,
		HeaderReceived: p.headerReceived,
		ConnState:      noteState,

		ReadBufferSize:     int(p.settings.MaxHeaderBytes),
		Concurrency:        math.MaxInt32,
		StreamRequestBody:  true,
		MaxRequestBodySize: 1, // How much of a streamed body it reads ahead of us; it limits nothing.

		DisablePreParseMultipartForm:  true,
		DisableHeaderNamesNormalizing: true,
		NoDefaultServerHeader:         true,
		NoDefaultDate:                 true,
		NoDefaultContentType:          true,
		LazyRequestTime:               true,
		SecureErrorLogMessage:         true,
	}
}

// noteState tells a client's connection where requests begin and end.
func noteState(conn net.Conn, state fasthttp.ConnState) {
	switch state {
	case fasthttp.StateActive:
		conn.(*client).Active()
	case fasthttp.StateIdle:
		conn.(*client).Idle()
	}
}

// headerReceived is called between a request's header and its body, and knows the header only. The timeout that it returns
// for a request with a body becomes a call of netconn.Client.SetReadDeadline, which takes it for the sign that it is.
func (p *Proxy) headerReceived(h *fasthttp.RequestHeader) (c fasthttp.RequestConfig) {
	size := h.ContentLength()
	if size == 0 || size == int(bodyNone) {
		return c
	}
	if p.tooLarge(int64(size)) || expectsContinue(h) {
		// fasthttp knows only this spelling. With it, expect is called before any of the body is
		// read, which is when one that is too large must be refused.
		h.Set(fasthttp.HeaderExpect, "100-continue")
	}
	c.ReadTimeout = time.Hour
	return c
}

// expect admits a request whose client awaits a 100 before it sends the body. What is
// refused has been answered; the server sends the response as it is.
func (p *Proxy) expect(ctx *fasthttp.RequestCtx) (status int) {
	r := p.begin(ctx)
	defer func() {
		r.contain(recover())
		if !r.admitted {
			status = ctx.Response.StatusCode()
			r.conclude()
		}
	}()
	if r.admit() {
		r.client.waiting = r
	}
	return fasthttp.StatusContinue
}

// reject answers what the server could not read.
func (p *Proxy) reject(ctx *fasthttp.RequestCtx, err error) {
	r := p.begin(ctx)
	defer r.end()
	r.unread = true
	// The server's error may quote the header, secrets and all; so it isn't logged.
	r.fail(r.unreadable(err), r.client.Err())
}

// unreadable is why a request could not be read.
func (r *request) unreadable(err error) *failure {
	var tooLarge *fasthttp.ErrSmallBuffer
	switch cause := r.client.Err(); {
	case errors.As(err, &tooLarge):
		return headerTooLarge
	case cause == netconn.ErrTimeout && r.client.ReadingBody():
		return bodyLate
	case cause == netconn.ErrTimeout:
		return headerLate
	case cause != nil:
		return clientGone
	}
	return badHeader
}
