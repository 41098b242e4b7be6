package proxy

import (
	"slices"
	"time"

	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy/problem"
)

// charges are the limits that count a request, and what they say. Its memory serves the next one.
type charges struct {
	limits []*LimitUse
	// uses has the same limits.
	uses []limiter.Use
	// fields are the lines that tell of them, if the response is to carry them.
	fields []byte
	// problem is the body of a 429.
	problem []byte
}

// add adds a limit that counts a client. The clientID must stay as it is.
func (c *charges) add(u *LimitUse, clientID string) {
	c.limits = append(c.limits, u)
	n := len(c.uses)
	c.uses = slices.Grow(c.uses, 1)[:n+1] // A Use is large, and this one is zero: see reset.
	use := &c.uses[n]
	use.Limit, use.ClientID, use.Cost = u.Limit, clientID, u.Cost
}

func (c *charges) reset() {
	clear(c.uses)
	c.limits, c.uses, c.fields = c.limits[:0], c.uses[:0], c.fields[:0]
}

// refuse begins the response to a client that is over limits.
func (c *charges) refuse(own reply) {
	c.problem = c.appendProblem(c.problem[:0])
	own.Begin(quotaExceeded.Status(), problem.ContentType, c.problem)
	own.AddNumber("Retry-After", retrySeconds(c.longestWait()))
}

// reply is a response of our own that is begun.
type reply interface {
	Begin(status int, contentType string, body []byte)
	AddNumber(name string, value int64)
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
