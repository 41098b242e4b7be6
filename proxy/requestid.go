package proxy

import "github.com/valyala/fasthttp"

// appendRequestID appends the id that the request has in logs, towards the backend and in the answer: the
// X-Request-ID of a trusted peer if it is sane, else a new one. It doesn't allocate if dst has room for 128 bytes.
func appendRequestID(dst []byte, h *fasthttp.RequestHeader, trustedPeer bool) []byte { return dst }
