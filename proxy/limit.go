package proxy

import (
	"gopher-equalizer/limiter"
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

// Limiter is what the proxy needs of limiter.Limit.
type Limiter interface {
	// Take spends tokens of the client's bucket, if they are there. It must not keep clientID.
	Take(clientID string, cost int64) limiter.Decision
}

// A Key makes no client_id that is too long for the limiter.
var _ [limiter.MaxClientID - identity.MaxClientID]struct{}

// NewLimitUse prepares the use of a limit.
func NewLimitUse(name string, key identity.Key, limit Limiter) LimitUse {
	return LimitUse{
		Name: name, Key: key, Limit: limit,
		quoted:  quoteField(name),
		problem: problem.Encode(problem.QuotaExceeded(name)),
	}
}

// take spends a token of a client's. If there is none, it begins the response that says so.
func (u *LimitUse) take(clientID string, own *rewrite.Reply) (allowed bool) {
	d := u.Limit.Take(clientID, 1)
	if !d.Allowed {
		u.refuse(own, d)
	}
	return d.Allowed
}

// refuse begins the response to a client that is over the limit. It doesn't allocate in steady
// state.
func (u *LimitUse) refuse(own *rewrite.Reply, d limiter.Decision) {
	own.Begin(u.problem.Status(), problem.ContentType, u.problem.Body())
	wait := retrySeconds(d.RetryAfter)
	own.AddNumber("Retry-After", wait)
	var buf [256]byte
	own.Add("RateLimit", appendState(buf[:0], u.quoted, d.Remaining, wait))
	own.Add("RateLimit-Policy", appendPolicy(buf[:0], u.quoted, *d.Settings))
}
