package proxy

import (
	"fmt"
	"math/bits"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/problem"
	"gopher-equalizer/proxy/rewrite"
)

// LimitUse is a limit as a route uses it. It is immutable.
type LimitUse struct {
	// Name is the limit's, for 429 responses and the access log.
	Name string
	// Key is what identifies a client under the limit.
	Key   identity.Key
	Limit Limiter

	// Floods get 429s, so what is the same in all of them is made once: quoted is the name as a
	// structured field's string.
	quoted  string
	problem problem.Encoded
}

// NewLimitUse prepares the use of a limit.
func NewLimitUse(name string, key identity.Key, limit Limiter) LimitUse {
	return LimitUse{
		Name: name, Key: key, Limit: limit,
		quoted: quoteField(name),
		problem: problem.Encode(problem.Problem{
			// draft-ietf-httpapi-ratelimit-headers-11, section "Quota Exceeded".
			Type:   "https://iana.org/assignments/http-problem-types#quota-exceeded",
			Title:  "Request cannot be satisfied as assigned quota has been exceeded",
			Status: fasthttp.StatusTooManyRequests,
			Extra:  []problem.Member{{Name: "violated-policies", Value: []string{name}}},
		}),
	}
}

// take spends a token of the client's, and reports whether the request may pass.
func (r *request) take() bool {
	for i := range r.route.Limits {
		use, l := &r.route.Limits[i], &r.result.Limit
		l.Name = use.Name
		l.ClientID = use.Key.AppendClientID(l.ClientID[:0], r.head.Received, r.head.Client)
		r.decision = use.Limit.Take(http1.Text(l.ClientID))
		if l.Allowed = r.decision.Allowed; !l.Allowed {
			use.begin(&r.own, r.decision)
			return false
		}
	}
	return true
}

// begin begins the response to a client that is over the limit: Retry-After and the RateLimit
// fields (draft-ietf-httpapi-ratelimit-headers-11; the draft still moves). It doesn't allocate in
// steady state.
func (u *LimitUse) begin(own *rewrite.Reply, d limiter.Decision) {
	own.Begin(u.problem.Status(), problem.ContentType, u.problem.Body())
	wait := retrySeconds(d.RetryAfter)
	own.AddNumber("Retry-After", wait)
	var buf [256]byte
	own.Add("RateLimit", u.appendState(buf[:0], d.Remaining, wait))
	own.Add("RateLimit-Policy", u.appendPolicy(buf[:0], *d.Settings))
}

// appendState writes RateLimit: what is left, and in how many seconds there is more.
func (u *LimitUse) appendState(dst []byte, remaining, wait int64) []byte {
	dst = append(dst, u.quoted...)
	dst = appendParameter(dst, ";r=", remaining)
	return appendParameter(dst, ";t=", wait)
}

// appendPolicy writes RateLimit-Policy: the quota, and in how many seconds an empty bucket is full.
func (u *LimitUse) appendPolicy(dst []byte, s gcra.Settings) []byte {
	dst = append(dst, u.quoted...)
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

// quoteField writes a string of RFC 9651, section 3.3.3, which is ASCII: bytes that it can't hold
// become %XX.
func quoteField(s string) string {
	quoted := []byte{'"'}
	for _, c := range []byte(s) {
		switch {
		case c == '"' || c == '\\':
			quoted = append(quoted, '\\', c)
		case c < ' ' || c >= 0x7f:
			quoted = fmt.Appendf(quoted, "%%%02X", c)
		default:
			quoted = append(quoted, c)
		}
	}
	return string(append(quoted, '"'))
}
