package proxy

import (
	"math/bits"
	"strconv"
	"time"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
)

// This file has the values of Retry-After and of the RateLimit fields, of
// draft-ietf-httpapi-ratelimit-headers-11; the draft still moves.

// appendState writes a limit's member of RateLimit: what is left, and in how many seconds there is
// enough for a request, where there isn't now.
func appendState(dst []byte, limit string, d *limiter.Decision) []byte {
	dst = append(dst, limit...)
	dst = appendParameter(dst, ";r=", d.Remaining)
	if d.Allowed && d.RetryAfter == 0 {
		return dst
	}
	return appendParameter(dst, ";t=", retrySeconds(d.RetryAfter))
}

// appendPolicy writes a limit's member of RateLimit-Policy: the quota, and in how many seconds an
// empty bucket is full.
func appendPolicy(dst []byte, limit string, s gcra.Settings) []byte {
	dst = append(dst, limit...)
	dst = appendParameter(dst, ";q=", s.Capacity)
	return appendParameter(dst, ";w=", fillSeconds(s))
}

// appendParameter writes a parameter's integer, of at most 15 digits (RFC 9651, section 3.3.1).
func appendParameter(dst []byte, key string, n int64) []byte {
	const most = 999_999_999_999_999
	return strconv.AppendInt(append(dst, key...), min(n, most), 10)
}

// retrySeconds rounds up, to at least 1: a client that waits so long finds a token.
func retrySeconds(wait time.Duration) int64 {
	return max(1, ceilSeconds(wait))
}

// fillSeconds is capacity / rate, rounded up once: going by the rounded cost of a token would make
// a second too many of three tokens a second.
func fillSeconds(s gcra.Settings) int64 {
	high, low := bits.Mul64(uint64(s.Capacity), uint64(s.Refill.Per))
	span, rest := bits.Div64(high, low, uint64(s.Refill.Amount)) // Fits: Settings.Validate keeps it below 2^61 ns.
	if rest > 0 {
		span++
	}
	return ceilSeconds(time.Duration(span))
}

func ceilSeconds(d time.Duration) int64 {
	seconds := int64(d / time.Second)
	if d%time.Second > 0 {
		seconds++
	}
	return seconds
}
