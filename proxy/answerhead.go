package proxy

import "github.com/valyala/fasthttp"

// answerHead is what cleanAnswer needs to know about the request and the pool.
type answerHead struct {
	// scheme is how the client reached us, "http" or "https".
	scheme string
	// host is requestHost's.
	host []byte
	// backends are the authorities (host:port) of the pool's backends, which stay hidden.
	backends []string
	// requestID is appendRequestID's.
	requestID []byte
}

// cleanAnswer makes the header that a backend sent the one that its client gets: nothing that
// concerns only the backend's connection, no backend's authority in Location and Content-Location,
// and X-Request-ID if the backend set none. All else stays. It forgets the backend's Connection: close, so look at ConnectionClose
// before; Transfer-Encoding is left to fasthttp, which frames the body.
func cleanAnswer(h *fasthttp.ResponseHeader, a *answerHead) {}
