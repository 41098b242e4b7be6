package proxy

// The headers that we write, as we spell them.
const (
	headerHost             = "Host"
	headerContentLength    = "Content-Length"
	headerTransferEncoding = "Transfer-Encoding"
	headerForwardedFor     = "X-Forwarded-For"
	headerForwardedProto   = "X-Forwarded-Proto"
	headerForwardedHost    = "X-Forwarded-Host"
	headerRealIP           = "X-Real-IP"
	headerRequestID        = "X-Request-ID"
	headerRetryAfter       = "Retry-After"

	// draft-ietf-httpapi-ratelimit-headers-11; the draft still moves.
	headerRateLimit       = "RateLimit"
	headerRateLimitPolicy = "RateLimit-Policy"
)
