package proxy

import (
	"gopher-equalizer/proxy/outcome"
	"gopher-equalizer/proxy/problem"
)

// charge spends the request's tokens under all limits that count it, or under none of them.
func (r *request) charge() error {
	if err := r.findCharges(); err != nil || len(r.charges.uses) == 0 {
		return err
	}
	allowed := r.route.Take(r.charges.uses)
	for i := range r.charges.uses {
		r.result.Limits[i].Allowed = r.charges.uses[i].Decision.Allowed
	}
	if !allowed || r.route.ShowLimits {
		r.limits = r.charges.appendFields(r.limits[:0])
	}
	if !allowed {
		r.refuse()
		return outcome.Limited
	}
	return nil
}

// findCharges finds the limits that count the request, and whom they count it for.
func (r *request) findCharges() error {
	for i := range r.route.Limits {
		use := &r.route.Limits[i]
		exempt, ambiguous := use.exempts(r.head.Received, r.head.Client, &r.path)
		switch {
		case ambiguous:
			return r.ambiguous()
		case exempt:
			continue
		}
		l := r.result.AddLimit(use.Name)
		l.ClientID = use.Key.AppendClientID(l.ClientID[:0], r.head.Received, r.head.Client)
		r.charges.add(use, l.ClientID)
	}
	return nil
}

// refuse begins the response to a client that is over limits.
func (r *request) refuse() {
	r.problem = r.charges.appendProblem(r.problem[:0])
	r.own.Begin(quotaExceeded.Status(), problem.ContentType, r.problem)
	r.own.AddNumber("Retry-After", retrySeconds(r.charges.longestWait()))
}
