package proxy

import (
	"encoding/json"
	"fmt"
	"net/netip"

	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/outcome"
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
	// takes counts what the limit says.
	takes *outcome.Takes
}

// A Key makes no client_id that is too long for the limiter.
var _ [limiter.MaxClientID - identity.MaxClientID]struct{}

// NewLimitUse prepares the use of a limit, at a cost of one token.
func NewLimitUse(name string, key identity.Key, limit *limiter.Limit) LimitUse {
	member, _ := json.Marshal(name) // A string always has a form in JSON.
	return LimitUse{Name: name, Key: key, Limit: limit, Cost: 1, quoted: quoteField(name), member: string(member)}
}

// byPreflight is what exempts a browser's preflight.
const byPreflight = route.None - 1

// exemption is what has the limit not count a request: one of Exempt, from 0, byPreflight, or
// route.None. ambiguous reports that backends may read its path as one that the limit counts, and
// as one that it doesn't.
func (u *LimitUse) exemption(h *http1.Request, client netip.Addr, path *route.Path) (by int, ambiguous bool) {
	if u.ExemptPreflights && !u.Key.IsAddress() && route.IsPreflight(h.Method, h.Fields) {
		return byPreflight, false
	}
	return u.Exempt.Find(client, h.Method, path)
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
