package proxy

// The headers that we write, as we spell them.
const (
	headerHost             = "Host"
	headerConnection       = "Connection"
	headerContentLength    = "Content-Length"
	headerContentType      = "Content-Type"
	headerTransferEncoding = "Transfer-Encoding"
	headerDate             = "Date"
	headerExpect           = "Expect"
	headerUpgrade          = "Upgrade"
	headerTE               = "TE"
	headerForwardedFor     = "X-Forwarded-For"
	headerForwardedProto   = "X-Forwarded-Proto"
	headerForwardedHost    = "X-Forwarded-Host"
	headerForwardedPort    = "X-Forwarded-Port"
	headerMaxForwards      = "Max-Forwards"
	headerVia              = "Via"
	headerAllow            = "Allow"
	headerRealIP           = "X-Real-IP"
	headerRequestID        = "X-Request-ID"
	headerRetryAfter       = "Retry-After"

	// draft-ietf-httpapi-ratelimit-headers-11; the draft still moves.
	headerRateLimit       = "RateLimit"
	headerRateLimitPolicy = "RateLimit-Policy"
)
