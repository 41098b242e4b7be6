package proxy

import (
	"time"

	"gopher-equalizer/proxy/outcome"
	"gopher-equalizer/proxy/problem"
)

// charge spends the request's tokens under all limits that count it, or under none of them.
func (r *request) charge() error {
	for i := range r.route.Limits {
		use := &r.route.Limits[i]
		exempt, ambiguous := use.exempts(r.head.Received, r.head.Client, &r.path)
		switch {
		case ambiguous:
			return r.ambiguous()
		case !exempt:
			r.count(use)
		}
	}
	if len(r.taken) == 0 {
		return nil
	}
	allowed := take(r.taken)
	for i := range r.taken {
		r.result.Limits[i].Allowed = r.taken[i].Allowed
	}
	if !allowed || r.route.ShowLimits {
		r.limits = appendLimits(r.limits[:0], r.taken)
	}
	if !allowed {
		r.refuse()
		return outcome.Limited
	}
	return nil
}

// count finds out whom a limit counts the request for.
func (r *request) count(use *LimitUse) {
	l := r.result.AddLimit(use.Name)
	l.ClientID = use.Key.AppendClientID(l.ClientID[:0], r.head.Received, r.head.Client)
	r.taken = append(r.taken, taken{use: use, clientID: l.ClientID})
}

// refuse begins the response to a client that is over limits.
func (r *request) refuse() {
	r.problem = appendQuotaExceeded(r.problem[:0], r.taken)
	r.own.Begin(quotaExceeded.Status(), problem.ContentType, r.problem)
	r.own.AddNumber("Retry-After", retrySeconds(longestWait(r.taken)))
}

// longestWait is how long it takes until no limit refuses any more.
func longestWait(all []taken) (wait time.Duration) {
	for i := range all {
		if !all[i].Allowed {
			wait = max(wait, all[i].RetryAfter)
		}
	}
	return wait
}

// appendQuotaExceeded writes the problem of a request that some limits refuse.
func appendQuotaExceeded(dst []byte, all []taken) []byte {
	dst = append(dst, quotaExceeded.Open()...)
	dst = append(dst, `,"violated-policies":`...)
	separator := byte('[')
	for i := range all {
		if !all[i].Allowed {
			dst = append(append(dst, separator), all[i].use.member...)
			separator = ','
		}
	}
	return append(dst, "]}\n"...)
}

// appendLimits writes RateLimit and RateLimit-Policy, of all limits that count the request.
func appendLimits(dst []byte, all []taken) []byte {
	dst = append(dst, "RateLimit: "...)
	for i := range all {
		dst = appendState(appendComma(dst, i), all[i].use.quoted, &all[i].Decision)
	}
	dst = append(dst, "\r\nRateLimit-Policy: "...)
	for i := range all {
		dst = appendPolicy(appendComma(dst, i), all[i].use.quoted, *all[i].Settings)
	}
	return append(dst, "\r\n"...)
}

func appendComma(dst []byte, before int) []byte {
	if before > 0 {
		dst = append(dst, ", "...)
	}
	return dst
}
