package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/proxy/problem"
)

// writeJSON responds with a value. <, > and & stay as they are, since nobody embeds this in HTML.
func writeJSON(ctx *fasthttp.RequestCtx, status int, value any) error {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return fmt.Errorf("encoding the response: %w", err)
	}
	ctx.SetStatusCode(status)
	ctx.SetContentType("application/json")
	ctx.SetBody(body.Bytes())
	return nil
}

// fail responds with the problem that an error is. An error that faults doesn't have is logged, and
// the caller sees nothing of it.
func (s *snapshot) fail(ctx *fasthttp.RequestCtx, err error) {
	for _, f := range faults() {
		if errors.Is(err, f.kind) {
			f.write(ctx, err)
			return
		}
	}
	s.log.Error().Err(err).Bytes("method", ctx.Method()).Msg("an admin call failed")
	internalError(ctx)
}

// write responds with the fault of an error.
func (f fault) write(ctx *fasthttp.RequestCtx, err error) {
	p := problem.Problem{Type: problem.Namespace + f.name, Title: f.title, Status: f.status, Detail: f.detail}
	own := refusal{}
	if errors.As(err, &own) {
		p.Detail, p.Extra = own.detail, own.extra
	} else if p.Detail == "" {
		p.Detail = err.Error()
	}
	problem.Write(ctx, p)
	header := &ctx.Response.Header
	switch f.status {
	case fasthttp.StatusUnauthorized:
		header.Set(fasthttp.HeaderWWWAuthenticate, "Bearer")
	case fasthttp.StatusMethodNotAllowed:
		header.Set(fasthttp.HeaderAllow, own.allow)
	case fasthttp.StatusPreconditionFailed:
		if own.tag != "" {
			header.Set(fasthttp.HeaderETag, own.tag)
		}
	case fasthttp.StatusTooManyRequests:
		header.Set(fasthttp.HeaderRetryAfter, "1")
	}
}

func internalError(ctx *fasthttp.RequestCtx) {
	problem.Write(ctx, problem.Of(fasthttp.StatusInternalServerError, "a fault of ours: the log says more"))
}

// recoverPanic is deferred around every call. fasthttp would let a panic end the process.
func (s *snapshot) recoverPanic(ctx *fasthttp.RequestCtx) {
	if v := recover(); v != nil {
		s.log.Error().Interface("panic", v).Bytes("method", ctx.Method()).Bytes("stack", debug.Stack()).Msg("an admin call panicked")
		internalError(ctx)
	}
}

// protect keeps responses out of caches, and browsers from guessing their type.
func protect(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	ctx.Response.Header.Set(fasthttp.HeaderXContentTypeOptions, "nosniff")
}

// malformed responds to what fasthttp couldn't read. fasthttp's errors quote the request, which may
// hold secrets, so nothing of them is sent or logged.
func (s *snapshot) malformed(ctx *fasthttp.RequestCtx, err error) {
	defer protect(ctx)
	s.fail(ctx, readError(err))
}

func readError(err error) error {
	var small *fasthttp.ErrSmallBuffer
	var netErr net.Error
	switch {
	case errors.As(err, &small):
		return refuse(errHeaderSize, "want a request header of at most %d bytes", maxHeader)
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return refuse(errTooLarge, "want a body of at most %d bytes", maxBody)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return refuse(errTimeout, "the request was not complete after %v", readTimeout)
	}
	return badRequest("the request is not well-formed HTTP/1.1, or its Host or path is not valid")
}
