package proxy

import (
	"gopher-equalizer/proxy/outcome"
)

// respond begins the response that the route gives itself.
func (r *request) respond() error {
	if redirect := r.route.Redirect; redirect != nil {
		redirect.Begin(&r.own, r.head.Received.Host, &r.path)
	} else {
		r.route.Respond.Begin(&r.own)
	}
	return outcome.Own
}

// dress adds to a response of our own what depends on the request's route.
func (r *request) dress() {
	if r.result.Failure == outcome.WrongMethod {
		var buf [256]byte
		r.own.Add("Allow", r.appendAllow(buf[:0]))
	}
	if r.route == nil {
		return
	}
	r.own.Lines = r.limits
	if r.result.Failure == outcome.Own {
		r.own.Rules = &r.route.Rules.Response
		return
	}
	if page, ok := r.route.ErrorPages[r.own.Status]; ok {
		r.own.ReplaceBody(page.ContentType, page.Body)
	}
	r.route.ExposeTo.Expose(&r.own, r.head.Received.Fields)
}
