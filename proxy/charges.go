package proxy

import (
	"time"

	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/problem"
)

// charges are the limits that count a request, and what they say. Its memory serves the next one.
type charges struct {
	limits []*LimitUse
	// uses has the same limits.
	uses []limiter.Use
}

// add adds a limit that counts a client. The clientID must stay as it is.
func (c *charges) add(u *LimitUse, clientID []byte) {
	c.limits = append(c.limits, u)
	c.uses = append(c.uses, limiter.Use{Limit: u.Limit, ClientID: http1.Text(clientID), Cost: u.Cost})
}

func (c *charges) reset() {
	clear(c.uses)
	c.limits, c.uses = c.limits[:0], c.uses[:0]
}

// longestWait is how long it takes until no limit refuses any more.
func (c *charges) longestWait() (wait time.Duration) {
	for i := range c.uses {
		if d := &c.uses[i].Decision; !d.Allowed {
			wait = max(wait, d.RetryAfter)
		}
	}
	return wait
}

// appendFields writes the lines of RateLimit and RateLimit-Policy.
func (c *charges) appendFields(dst []byte) []byte {
	dst = append(dst, "RateLimit: "...)
	for i := range c.uses {
		dst = appendState(appendComma(dst, i), c.limits[i].quoted, &c.uses[i].Decision)
	}
	dst = append(dst, "\r\nRateLimit-Policy: "...)
	for i := range c.uses {
		dst = appendPolicy(appendComma(dst, i), c.limits[i].quoted, *c.uses[i].Decision.Settings)
	}
	return append(dst, "\r\n"...)
}

func appendComma(dst []byte, before int) []byte {
	if before > 0 {
		dst = append(dst, ", "...)
	}
	return dst
}

// quotaExceeded is what all 429s have in common.
var quotaExceeded = problem.Encode(problem.QuotaExceeded())

// appendProblem writes the problem that names the limits that refuse.
func (c *charges) appendProblem(dst []byte) []byte {
	dst = append(dst, quotaExceeded.Open()...)
	dst = append(dst, `,"violated-policies":`...)
	separator := byte('[')
	for i := range c.uses {
		if !c.uses[i].Decision.Allowed {
			dst = append(append(dst, separator), c.limits[i].member...)
			separator = ','
		}
	}
	return append(dst, "]}\n"...)
}
