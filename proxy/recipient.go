package proxy

import (
	"github.com/valyala/fasthttp"

	"gopher-equalizer/proxy/problem"
	"gopher-equalizer/proxy/rewrite"
)

// allowed are the methods that a recipient of Max-Forwards: 0 tells of. Others go on to the
// backends, too; what these allow only they know.
const allowed = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

// noTrace answers a TRACE that may be forwarded no further. It is not reflected: what servers in
// front add to a request isn't for its client, nor a cookie for a script, and no list of such
// fields is complete.
var noTrace = &failure{
	status:  fasthttp.StatusMethodNotAllowed,
	reason:  "trace",
	problem: problem.Encode(problem.Of(fasthttp.StatusMethodNotAllowed, "TRACE is not answered here")),
}

// endsHere reports whether we are the final recipient of a TRACE or OPTIONS request.
func (r *request) endsHere() bool { return r.header.MaxForwards == 0 }

// mayForward reports whether the request may go on to a backend. If not, it is answered as its
// final recipient does (RFC 9110, section 7.6.2).
func (r *request) mayForward() bool {
	if !r.endsHere() {
		return true
	}
	if string(r.header.Method) == "TRACE" {
		r.failure, r.status = noTrace, noTrace.status
		r.beginReply(noTrace.problem)
		r.out = rewrite.AppendField(r.out, headerAllow, allowed)
		r.endReply(noTrace.problem)
		return false
	}
	r.status = fasthttp.StatusNoContent
	r.beginStatus(r.status)
	r.out = rewrite.AppendField(r.out, headerAllow, allowed)
	r.endReply(problem.Encoded{})
	return false
}
