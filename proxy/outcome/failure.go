package outcome

import (
	"github.com/valyala/fasthttp"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/problem"
)

// Failure is a way for a request to fail, and what its client is told: never a backend's name or
// address. It is an error, so that a step of the pipeline can return it; Because adds the cause.
type Failure struct {
	// Status is what is logged and counted.
	Status int
	// Reason is logged: a few lower-case words joined by hyphens.
	Reason string
	// Problem is the body of the response. Its status is what the client gets.
	Problem problem.Encoded
	// RetryAfter is the number of seconds after which another try may succeed; 0 is unknown.
	RetryAfter int64
	// Allow is the value of the Allow field; "" is none.
	Allow string
	// Closes reports that the client's connection can't be used for another request.
	Closes bool

	// number is one more than its place in numbered; 0 isn't counted.
	number uint32
}

// numbered are the failures that are counted by their reason: all that have one.
var numbered []*Failure

func number(f *Failure) *Failure {
	numbered = append(numbered, f)
	f.number = uint32(len(numbered))
	return f
}

// statusClientGone is nginx's status, for logs only, of a request whose client didn't wait for the
// response.
const statusClientGone = 499

// allowed are the methods that a final recipient tells of. Others are forwarded, too; what the
// methods here do is up to the backends.
const allowed = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

// All the ways for a request to fail. NoTrace is for a TRACE that may be forwarded no further. Its
// request is not reflected: the fields that servers in front add aren't for its client, cookies
// aren't for a script, and no list of such fields is complete.
var (
	NoBackend   = unavailable("no-backend", "No backend is available", "no backend is healthy", 5)
	BackendBusy = unavailable("backend-busy", "The backend is busy", "all connections to the backend are taken", 1)
	ClientShare = unavailable("client-share", "Too many requests at once", "this client's share of the connections is taken", 1)
	QueueFull   = unavailable("queue-full", "Too many requests wait", "as many requests as may wait for a backend do", 1)
	QueueLate   = unavailable("queue-late", "No backend had room in time", "all backends were busy for too long", 1)
	BackendBad  = failed(502, "backend-broken", "The backend broke", "the backend gave no valid response")
	BackendLate = failed(504, "backend-late", "The backend was late", "the backend did not respond in time")
	Looping     = failed(508, "loop", "The request is in a loop", "the request was forwarded by this very server before")
	Panicked    = closing(fasthttp.StatusInternalServerError, "panic", "")
	NoTrace     = notAllowed("trace", "TRACE is not answered here")
	NoRoute     = unserved(fasthttp.StatusNotFound, "no-route", "there is nothing at this host and path")
	// WrongMethod is a request for which there is a route by another method. The pipeline knows by
	// which.
	WrongMethod = unserved(fasthttp.StatusMethodNotAllowed, "method", "the method is not allowed here")

	// Misdirected is a request for another host than the one that the client's TLS was made for.
	Misdirected = unserved(fasthttp.StatusMisdirectedRequest, "misdirected", "this connection was made for another host")
	// InClear is a request in clear for a host that requires a certificate of its clients.
	InClear = unserved(fasthttp.StatusMisdirectedRequest, "in-clear", "this host wants a certificate of the client, and so https")
	// Outdated is a request over a connection that couldn't begin any more as it did, since TLS
	// wants more of clients now.
	Outdated = closing(fasthttp.StatusMisdirectedRequest, "outdated", "this connection was made before TLS wanted more of its clients: make another one")
	// NotTLS is what came from a client that doesn't speak TLS where it must.
	NotTLS = closing(fasthttp.StatusBadRequest, "not-tls", "this address is served by TLS: the URL begins with https://")

	HeaderLate   = closing(fasthttp.StatusRequestTimeout, "header-late", "the request's header did not arrive in time")
	BadBody      = closing(fasthttp.StatusBadRequest, "body-malformed", "the request's body is malformed")
	BodyTooLarge = closing(fasthttp.StatusRequestEntityTooLarge, "body-size", tooLarge)
	BodyLate     = closing(fasthttp.StatusRequestTimeout, "body-late", "the request's body did not arrive in time")
	ClientSlow   = closing(fasthttp.StatusRequestTimeout, "rate", "the request's body arrived too slowly")
	ClientGone   = gone()

	// FinalRecipient is no failure, but an OPTIONS that may be forwarded no further and ends here.
	FinalRecipient = &Failure{Status: fasthttp.StatusNoContent, Allow: allowed}

	// Own is no failure, but a response that a route gives itself. The pipeline knows it.
	Own = &Failure{}

	// Limited is a request over its client's limit. The pipeline knows the response to it.
	Limited = &Failure{Status: fasthttp.StatusTooManyRequests}
)

// failed is a failure on the backends' side.
func failed(status int, name, title, detail string) *Failure {
	return number(&Failure{Status: status, Reason: name, Problem: problem.Encode(problem.Problem{
		Type:   problem.Namespace + name,
		Title:  title,
		Status: status,
		Detail: detail,
	})})
}

// unavailable is a 503, which may pass in some seconds.
func unavailable(name, title, detail string, retryAfter int64) *Failure {
	f := failed(503, name, title, detail)
	f.RetryAfter = retryAfter
	return f
}

// closing is a failure after which the begin of the client's next request is unknown.
func closing(status int, reason, detail string) *Failure {
	f := unserved(status, reason, detail)
	f.Closes = true
	return f
}

// unserved is a request that nobody is there for.
func unserved(status int, reason, detail string) *Failure {
	return number(&Failure{Status: status, Reason: reason, Problem: problem.Encode(problem.Of(status, detail))})
}

// notAllowed is a 405 that is the same for all requests.
func notAllowed(reason, detail string) *Failure {
	f := unserved(fasthttp.StatusMethodNotAllowed, reason, detail)
	f.Allow = allowed
	return f
}

// gone is the failure of a client that ended its side before its request was complete, or before
// the request could be sent. Some only stopped sending, and can still read what was wrong.
func gone() *Failure {
	f := closing(fasthttp.StatusBadRequest, "client-gone", "the connection ended before the request could be sent on")
	f.Status = statusClientGone
	return f
}

// Error implements error.
func (f *Failure) Error() string { return f.Reason }

// Because is the failure with its cause, which is for the log; without one if cause is nil.
func (f *Failure) Because(cause error) error {
	if cause == nil {
		return f
	}
	return &caused{f, cause}
}

// caused is a failure with its cause.
type caused struct {
	failure *Failure
	cause   error
}

func (c *caused) Error() string   { return c.failure.Reason + ": " + c.cause.Error() }
func (c *caused) Unwrap() []error { return []error{c.failure, c.cause} }

// IsFailure reports whether err is a failure, with or without its cause.
func IsFailure(err error) bool {
	switch err.(type) {
	case *Failure, *caused:
		return true
	}
	return false
}

// IsRefusal reports whether err is why a message was refused, and no failure.
func IsRefusal(err error) bool {
	_, is := err.(*http1.Refusal)
	return is
}

// TooLarge is the failure of a request whose body turns out to be too large, when so many of its
// bytes were read.
func TooLarge(offset int) error {
	f := BodyTooLarge
	return f.Because(http1.Refuse(f.Status, f.Reason, "the body is larger than the limit", nil, offset))
}

// RefuseSize refuses a request for the size that its head says.
func RefuseSize(h *http1.Request) error {
	why := h.RefuseLength(BodyTooLarge.Status, BodyTooLarge.Reason)
	why.Detail = tooLarge
	return why
}

const tooLarge = "the request's body is too large"

// RefusePath refuses a request for its path, which backends may read in ways that matter here.
func RefusePath(h *http1.Request) error {
	return h.RefuseTarget("ambiguous-path", "the path can be read in several ways, and not all of them are treated alike here")
}

// Recipient is the end of a request that may be forwarded no further.
func Recipient(h *http1.Request) error {
	if string(h.Method) == "TRACE" {
		return NoTrace
	}
	return FinalRecipient
}

// ours reports whether the failure is not the client's fault.
func (f *Failure) ours() bool { return f != nil && f.Status >= 500 }
