package proxy

import (
	"github.com/valyala/fasthttp"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/problem"
	"gopher-equalizer/proxy/rewrite"
)

// failure is a way for a request to fail, and what its client is told: never whose
// backend or address it was.
type failure struct {
	// status is what is logged and counted; reason is logged, a few lower-case words joined by
	// hyphens.
	status  int
	reason  string
	problem problem.Encoded
	// retryAfter is in how many seconds another try may go better; 0: nobody knows.
	retryAfter int64
	// closes says that the client's connection can't be used for another request.
	closes bool
}

// statusClientGone is nginx's status, for logs only, of a request whose client didn't wait for the
// answer.
const statusClientGone = 499

var (
	noBackend   = unavailable("no-backend", "No backend is available", "no backend is healthy", 5)
	backendBusy = unavailable("backend-busy", "The backend is busy", "all connections to the backend are taken", 1)
	clientShare = unavailable("client-share", "Too many requests at once", "this client's share of the connections is taken", 1)
	backendBad  = failed(502, "backend-broken", "The backend broke", "the backend gave no valid response")
	backendLate = failed(504, "backend-late", "The backend was late", "the backend did not respond in time")
	looping     = failed(508, "loop", "The request is in a loop", "the request was forwarded by this very server before")
	panicked    = closing(fasthttp.StatusInternalServerError, "panic", "")

	badHeader      = closing(fasthttp.StatusBadRequest, "not-a-request", "the request's header is malformed")
	lineTooLong    = closing(fasthttp.StatusRequestURITooLong, "request-line-size", "the request line is too long")
	headerTooLarge = closing(fasthttp.StatusRequestHeaderFieldsTooLarge, "header-size", "the request's header is too large")
	headerLate     = closing(fasthttp.StatusRequestTimeout, "header-late", "the request's header did not arrive in time")
	badBody        = closing(fasthttp.StatusBadRequest, "body-malformed", "the request's body is malformed")
	bodyTooLarge   = closing(fasthttp.StatusRequestEntityTooLarge, "body-size", "the request's body is too large")
	bodyLate       = closing(fasthttp.StatusRequestTimeout, "body-late", "the request's body did not arrive in time")
	clientSlow     = closing(fasthttp.StatusRequestTimeout, "rate", "the request's body arrived too slowly")
	clientGone     = gone()
)

// refusal is what is told of a message that fails in this way before it is parsed, or behind its
// head; the fault is at b[at].
func (f *failure) refusal(b []byte, at int) *http1.Refusal {
	return http1.Refuse(f.status, f.reason, "", b, at)
}

// failed is a failure on the backends' side.
func failed(status int, name, title, detail string) *failure {
	return &failure{status: status, reason: name, problem: problem.Encode(problem.Problem{
		Type:   problem.Namespace + name,
		Title:  title,
		Status: status,
		Detail: detail,
	})}
}

// unavailable is a 503, which may pass in some seconds.
func unavailable(name, title, detail string, retryAfter int64) *failure {
	f := failed(503, name, title, detail)
	f.retryAfter = retryAfter
	return f
}

// closing is a failure after which nobody knows where the client's next request begins.
func closing(status int, reason, detail string) *failure {
	return &failure{status: status, reason: reason, problem: problem.Encode(problem.Of(status, detail)), closes: true}
}

// gone is the failure of a client that ended its side before its request was whole, or before the
// request could be sent. Some only stopped sending, and can still read what was wrong.
func gone() *failure {
	f := closing(fasthttp.StatusBadRequest, "client-gone", "the connection ended before the request could be sent on")
	f.status = statusClientGone
	return f
}

// ours says that it is not the client's fault.
func (f *failure) ours() bool { return f != nil && f.status >= 500 }

// fail answers with a failure, whose cause is for the log. It returns false, for the
// steps of the pipeline that end with it. An answer that has begun is cut instead: what comes next
// would be taken for a part of it.
func (r *request) fail(f *failure, cause error) bool {
	r.failure, r.cause = f, cause
	r.last = r.last || f.closes
	if f == clientSlow {
		r.proxy.counters.tooSlow.Add(1)
	}
	if r.begun {
		r.cut()
		return false
	}
	r.status = f.status
	r.beginReply(f.problem)
	if f.retryAfter > 0 {
		r.out = rewrite.AppendNumber(r.out, headerRetryAfter, f.retryAfter)
	}
	r.endReply(f.problem)
	return false
}

// cut ends the connection in the middle of an answer.
func (r *request) cut() {
	r.last = true
	r.proxy.counters.cut.Add(1)
	if r.relayed.raw {
		// Without a reset, what came so far would look like all of it.
		r.session.Abort()
	}
}

// refuse answers a request that isn't clearly one.
func (r *request) refuse(why *http1.Refusal) bool {
	r.last = true
	r.unread = r.header.Version == nil
	r.status = why.Status
	r.sendProblem(problem.Encode(problem.Of(why.Status, why.Detail)))
	return false
}

// unreadable is why a request's head could not be read.
func (r *request) unreadable(err error) *failure {
	r.unread = true
	switch err {
	case errHeaderSize:
		r.refusal = headerTooLarge.refusal(r.in.bytes(), int(r.proxy.settings.MaxHeaderBytes))
		return headerTooLarge
	case errLineSize:
		r.refusal = lineTooLong.refusal(r.in.bytes(), int(r.proxy.settings.MaxHeaderBytes))
		return lineTooLong
	case errNoRequest:
		r.refusal = badHeader.refusal(r.in.bytes(), methodEnd(r.in.bytes()))
		return badHeader
	case netconn.ErrTimeout:
		return headerLate
	}
	return clientGone
}

// methodEnd is where b ends to be what a request begins with.
func methodEnd(b []byte) int {
	for i := range b {
		if !http1.IsToken(b[i : i+1]) {
			return i
		}
	}
	return len(b)
}
