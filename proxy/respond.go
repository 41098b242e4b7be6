package proxy

import (
	"cmp"

	"gopher-equalizer/proxy/outcome"
	"gopher-equalizer/proxy/problem"
)

// respond sends the response of our own to a request that failed or was refused.
func (r *request) respond() {
	o := &r.result
	switch f := o.Failure; f {
	case nil:
		o.Responds(o.Refusal.Status)
		r.beginProblem(problem.Encode(problem.Of(o.Refusal.Status, o.Refusal.Detail)))
	case outcome.Limited: // The limit knows it, and has begun it.
		o.Responds(f.Status)
	default:
		o.Responds(f.Status)
		r.beginFailure(f)
	}
	r.own.RequestID = o.Client.RequestID
	r.record.Ended(o)
	_ = r.stream.Reply(&r.own) // A client that is gone has no use for it.
}

func (r *request) beginProblem(p problem.Encoded) {
	r.own.Begin(p.Status(), problem.ContentType, p.Body())
}

// beginFailure begins the response that a failure always has.
func (r *request) beginFailure(f *outcome.Failure) {
	r.own.Begin(cmp.Or(f.Problem.Status(), f.Status), problem.ContentType, f.Problem.Body())
	if f.RetryAfter > 0 {
		r.own.AddNumber("Retry-After", f.RetryAfter)
	}
	if f.Allow != "" {
		r.own.AddText("Allow", f.Allow)
	}
	if f.Closes {
		r.stream.Last()
	}
}
