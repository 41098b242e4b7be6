package proxy

// The names of fields that only our own responses have.
const (
	headerAllow       = "Allow"
	headerContentType = "Content-Type"
	headerRetryAfter  = "Retry-After"

	// draft-ietf-httpapi-ratelimit-headers-11; the draft still moves.
	headerRateLimit       = "RateLimit"
	headerRateLimitPolicy = "RateLimit-Policy"
)
