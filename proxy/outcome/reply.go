package outcome

import (
	"cmp"

	"gopher-equalizer/proxy/problem"
	"gopher-equalizer/proxy/rewrite"
)

// Reply makes the response of our own to a request that failed or was refused, and notes its
// status. The pipeline has begun those of Limited and of Own.
func (o *Outcome) Reply(own *rewrite.Reply) {
	switch f := o.Failure; f {
	case nil:
		p := problem.Encode(problem.Of(o.Refusal.Status, o.Refusal.Detail))
		o.Responds(p.Status())
		own.Begin(p.Status(), problem.ContentType, p.Body())
	case Limited, Own:
		o.Responds(own.Status)
	default:
		o.Responds(f.Status)
		f.begin(own)
	}
	own.RequestID = o.From.RequestID
}

// begin begins the response that a failure always has.
func (f *Failure) begin(own *rewrite.Reply) {
	own.Begin(cmp.Or(f.Problem.Status(), f.Status), problem.ContentType, f.Problem.Body())
	if f.RetryAfter > 0 {
		own.AddNumber("Retry-After", f.RetryAfter)
	}
	if f.Allow != "" {
		own.AddText("Allow", f.Allow)
	}
}
