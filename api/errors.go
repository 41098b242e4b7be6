package api

import (
	"errors"
	"fmt"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy/problem"
)

// What the API itself refuses, as the limiter's errors are what the limiter refuses.
var (
	errBadRequest   = errors.New("bad request")
	errUnauthorized = errors.New("unauthorized")
	errForbidden    = errors.New("forbidden")
	errNoCall       = errors.New("no such call")
	errMethod       = errors.New("method not allowed")
	errTimeout      = errors.New("request timeout")
	errUnlimited    = errors.New("nothing is limited")
	errTooLarge     = errors.New("body too large")
	errMediaType    = errors.New("unsupported media type")
	errHeaderSize   = errors.New("header too large")
	errNotReady     = errors.New("not ready")
)

// refusal is an error whose text is fit for whoever asked.
type refusal struct {
	kind   error // one of the above, or the limiter's
	detail string
	extra  []problem.Member
	header field
}

// field is a header field of an answer; the zero field is none.
type field struct{ name, value string }

func (r refusal) Error() string { return r.detail }

func (r refusal) Unwrap() error { return r.kind }

// with adds a member to the problem, besides those of RFC 9457.
func (r refusal) with(member string, value any) refusal {
	r.extra = append(r.extra, problem.Member{Name: member, Value: value})
	return r
}

func refuse(kind error, format string, args ...any) refusal {
	return refusal{kind: kind, detail: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) refusal { return refuse(errBadRequest, format, args...) }

// problemType precedes the name of a fault in a problem's type (RFC 9457, section 3.1.1).
const problemType = "urn:gopher-equalizer:"

// fault is how one kind of error is answered.
type fault struct {
	kind   error
	status int
	name   string // the last part of the problem's type
	title  string
	detail string // "": the error's own text is fit for whoever asked
	header field
}

// faults is the one place that says which error is which answer. The first that fits counts: a write
// that failed in two ways is in doubt before it is anything else.
func faults() []fault {
	return []fault{
		{kind: limiter.ErrInDoubt, status: fasthttp.StatusServiceUnavailable, name: "in-doubt", title: "Unknown whether it was stored",
			detail: "the connection to the store broke around the commit: unknown whether it was stored; GET the bucket to see"},
		{kind: limiter.ErrStore, status: fasthttp.StatusServiceUnavailable, name: "store-unavailable", title: "The store is not available",
			detail: "the store did not take the write: nothing was changed"},
		{kind: limiter.ErrClosed, status: fasthttp.StatusServiceUnavailable, name: "stopping", title: "Stopping",
			detail: "this process is stopping and takes no more writes: nothing was changed"},
		{kind: limiter.ErrSettings, status: fasthttp.StatusBadRequest, name: "bad-settings", title: "A bucket can't have these settings"},
		{kind: limiter.ErrNotFound, status: fasthttp.StatusNotFound, name: "no-bucket", title: "No such bucket",
			detail: "the client has no bucket: its next request starts one on the defaults"},
		{kind: limiter.ErrManaged, status: fasthttp.StatusConflict, name: "managed-already", title: "The bucket is managed already",
			detail: "an operator wrote this bucket before: PUT or PATCH it, or DELETE it first"},
		{kind: limiter.ErrFull, status: fasthttp.StatusInsufficientStorage, name: "full", title: "No room for another bucket",
			detail: "there are as many buckets as max_buckets allows: nothing was changed"},
		{kind: limiter.ErrBusy, status: fasthttp.StatusTooManyRequests, name: "busy", title: "Another listing is under way",
			detail: "listings run one at a time: try again", header: field{fasthttp.HeaderRetryAfter, "1"}},

		{kind: errBadRequest, status: fasthttp.StatusBadRequest, name: "bad-request", title: "Bad request"},
		{kind: errUnauthorized, status: fasthttp.StatusUnauthorized, name: "unauthorized", title: "Unauthorized",
			header: field{fasthttp.HeaderWWWAuthenticate, "Bearer"}},
		{kind: errForbidden, status: fasthttp.StatusForbidden, name: "forbidden", title: "Forbidden"},
		{kind: errNoCall, status: fasthttp.StatusNotFound, name: "no-such-call", title: "No such call"},
		{kind: errMethod, status: fasthttp.StatusMethodNotAllowed, name: "method-not-allowed", title: "Method not allowed"},
		{kind: errTimeout, status: fasthttp.StatusRequestTimeout, name: "request-timeout", title: "Request timeout"},
		{kind: errUnlimited, status: fasthttp.StatusConflict, name: "nothing-limited", title: "Nothing is limited"},
		{kind: errTooLarge, status: fasthttp.StatusRequestEntityTooLarge, name: "body-too-large", title: "The body is too large"},
		{kind: errMediaType, status: fasthttp.StatusUnsupportedMediaType, name: "unsupported-media-type", title: "Unsupported media type"},
		{kind: errHeaderSize, status: fasthttp.StatusRequestHeaderFieldsTooLarge, name: "header-too-large", title: "The header is too large"},
		{kind: errNotReady, status: fasthttp.StatusServiceUnavailable, name: "not-ready", title: "Not ready"},
	}
}
