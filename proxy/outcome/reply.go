package outcome

import (
	"cmp"

	"gopher-equalizer/proxy/problem"
)

// Reply is a response of our own.
type Reply interface {
	Begin(status int, contentType string, body []byte)
	AddNumber(name string, value int64)
	AddText(name, value string)
}

// Reply makes the response of our own to a request that failed or was refused, and notes its
// status. The pipeline has begun those of Limited and of Own, and has noted the latter's status.
func (o *Outcome) Reply(own Reply) {
	switch f := o.Failure; f {
	case nil:
		p := problem.Encode(problem.Of(o.Refusal.Status, o.Refusal.Detail))
		o.Responds(p.Status())
		own.Begin(p.Status(), problem.ContentType, p.Body())
	case Own:
	case Limited:
		o.Responds(f.Status)
	default:
		o.Responds(f.Status)
		f.begin(own)
	}
}

// begin begins the response that a failure always has.
func (f *Failure) begin(own Reply) {
	own.Begin(cmp.Or(f.Problem.Status(), f.Status), problem.ContentType, f.Problem.Body())
	if f.RetryAfter > 0 {
		own.AddNumber("Retry-After", f.RetryAfter)
	}
	if f.Allow != "" {
		own.AddText("Allow", f.Allow)
	}
}
