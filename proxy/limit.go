package proxy

import (
	"encoding/json"
	"net/netip"

	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/problem"
	"gopher-equalizer/proxy/route"
)

// LimitUse is a limit as a route uses it. It is immutable.
type LimitUse struct {
	// Name is the limit's, for the RateLimit fields and the access log.
	Name string
	// Key is what identifies a client under the limit.
	Key   identity.Key
	Limit Limiter
	// Exempt are the requests that the limit doesn't count. ExemptPreflights adds browsers'
	// preflights, which carry no header of the client's, unless the Key is an address: anybody can
	// send what looks like a preflight.
	Exempt           route.Exemptions
	ExemptPreflights bool

	// quoted and member are the name as a string of a structured field, and of JSON.
	quoted, member string
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
	member, _ := json.Marshal(name) // A string always has a form in JSON.
	return LimitUse{Name: name, Key: key, Limit: limit, quoted: quoteField(name), member: string(member)}
}

// exempts reports whether the limit doesn't count a request. ambiguous reports that backends may
// read its path as one that the limit counts, and as one that it doesn't.
func (u *LimitUse) exempts(h *http1.Request, client netip.Addr, path *route.Path) (exempt, ambiguous bool) {
	if u.ExemptPreflights && !u.Key.IsAddress() && route.IsPreflight(h.Method, h.Fields) {
		return true, false
	}
	return u.Exempt.Cover(client, h.Method, path)
}

// taken is a limit as one request has used it.
type taken struct {
	use      *LimitUse
	clientID []byte
	limiter.Decision
}

// take spends tokens under several limits.
func take(all []taken) (allowed bool) {
	allowed = true
	for i := range all {
		t := &all[i]
		t.Decision = t.use.Limit.Take(http1.Text(t.clientID), 1)
		allowed = allowed && t.Allowed
	}
	return allowed
}

// quotaExceeded is what all 429s have in common.
var quotaExceeded = problem.Encode(problem.QuotaExceeded())
