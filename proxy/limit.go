package proxy

import (
	"encoding/json"
	"net/netip"

	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/route"
)

// LimitUse is a limit as a route uses it. It is immutable.
type LimitUse struct {
	// Name is the limit's, for the RateLimit fields and the access log.
	Name string
	// Key is what identifies a client under the limit.
	Key   identity.Key
	Limit *limiter.Limit
	// Cost is how many tokens a request takes.
	Cost int64
	// Exempt are the requests that the limit doesn't count. ExemptPreflights adds browsers'
	// preflights, which carry no header of the client's, unless the Key is an address: anybody can
	// send what looks like a preflight.
	Exempt           route.Exemptions
	ExemptPreflights bool

	// quoted and member are the name as a string of a structured field, and of JSON.
	quoted, member string
}

// A Key makes no client_id that is too long for the limiter.
var _ [limiter.MaxClientID - identity.MaxClientID]struct{}

// NewLimitUse prepares the use of a limit, at a cost of one token.
func NewLimitUse(name string, key identity.Key, limit *limiter.Limit) LimitUse {
	member, _ := json.Marshal(name) // A string always has a form in JSON.
	return LimitUse{Name: name, Key: key, Limit: limit, Cost: 1, quoted: quoteField(name), member: string(member)}
}

// exempts reports whether the limit doesn't count a request. ambiguous reports that backends may
// read its path as one that the limit counts, and as one that it doesn't.
func (u *LimitUse) exempts(h *http1.Request, client netip.Addr, path *route.Path) (exempt, ambiguous bool) {
	if u.ExemptPreflights && !u.Key.IsAddress() && route.IsPreflight(h.Method, h.Fields) {
		return true, false
	}
	return u.Exempt.Cover(client, h.Method, path)
}
