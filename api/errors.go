package api

import (
	"errors"
	"fmt"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/proxy/problem"
)

// The kinds of errors of the API itself. The others are the limiter's.
var (
	errBadRequest   = errors.New("bad request")
	errUnauthorized = errors.New("unauthorized")
	errForbidden    = errors.New("forbidden")
	errNoCall       = errors.New("no such call")
	errStandby      = errors.New("the process stands by")
	errMethod       = errors.New("method not allowed")
	errTimeout      = errors.New("request timeout")
	errUnshared     = errors.New("nothing is shared")
	errUnlimited    = errors.New("nothing is limited")
	errTooLarge     = errors.New("body too large")
	errMediaType    = errors.New("unsupported media type")
	errHeaderSize   = errors.New("header too large")
	errNotReady     = errors.New("not ready")
	errWatched      = errors.New("too many streams")
	errPrecondition = errors.New("precondition failed")
	errNoRefusal    = errors.New("no such refusal")
	errMistakes     = errors.New("mistakes in the configuration")
)

// refusal is an error whose text the caller may see.
type refusal struct {
	kind   error // one of the above, or the limiter's
	detail string
	extra  []problem.Member
	allow  string // with errMethod, the methods that are allowed
	tag    string // with errPrecondition, that of the bucket
}

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

// fault is the response to one kind of error.
type fault struct {
	kind   error
	status int
	name   string // the last part of the problem's type
	title  string
	detail string // "" stands for the error's own text, which the caller may see
}

// faults is the one place that maps errors to responses. The first that matches counts, so a write
// that failed in two ways is in doubt before it is anything else.
func faults() []fault {
	return []fault{
		{limiter.ErrInDoubt, fasthttp.StatusServiceUnavailable, "in-doubt", "Unknown whether it was stored", "the connection to the store broke around the commit: unknown whether it was stored; GET the bucket to see"},
		{limiter.ErrStore, fasthttp.StatusServiceUnavailable, "store-unavailable", "The store is not available", "the store did not take the write: nothing was changed"},
		{limiter.ErrClosed, fasthttp.StatusServiceUnavailable, "stopping", "Stopping", "this process is stopping and takes no more writes: nothing was changed"},
		{gcra.ErrSettings, fasthttp.StatusBadRequest, "bad-settings", "A bucket can't have these settings", ""},
		{limiter.ErrNotFound, fasthttp.StatusNotFound, "no-bucket", "No such bucket", "the client has no bucket: its next request starts one on the defaults"},
		{limiter.ErrNoLimit, fasthttp.StatusNotFound, "no-limit", "No such limit", "there is no such limit"},
		{limiter.ErrManaged, fasthttp.StatusConflict, "managed-already", "The bucket is managed already", "an operator wrote this bucket before: PUT or PATCH it, or DELETE it first"},
		{limiter.ErrFull, fasthttp.StatusInsufficientStorage, "full", "No room for another bucket", "there are as many buckets as max_buckets allows: nothing was changed"},
		{limiter.ErrBusy, fasthttp.StatusTooManyRequests, "busy", "Another listing is under way", "listings run one at a time: try again"},
		{balancer.ErrNoBackend, fasthttp.StatusNotFound, "no-backend", "No such backend", "there is no such backend any more: GET /backends to see"},
		{errNoRefusal, fasthttp.StatusNotFound, "no-refusal", "No such refusal", ""},
		{errMistakes, fasthttp.StatusUnprocessableEntity, "bad-configuration", "The configuration can't be used", ""},
		{ErrReloading, fasthttp.StatusConflict, "reloading", "Another reload is under way", ""},
		{ErrStarting, fasthttp.StatusServiceUnavailable, "starting", "Starting", "this process is starting: nothing was changed; ask again when GET /readyz is 200"},
		{errStandby, fasthttp.StatusServiceUnavailable, "standby", "Standing by", "this process waits for the store, which another process holds: ask that one"},
		{ErrStopping, fasthttp.StatusServiceUnavailable, "stopping", "Stopping", "this process is stopping: nothing was changed"},

		{errBadRequest, fasthttp.StatusBadRequest, "bad-request", "Bad request", ""},
		{errUnauthorized, fasthttp.StatusUnauthorized, "unauthorized", "Unauthorized", ""},
		{errForbidden, fasthttp.StatusForbidden, "forbidden", "Forbidden", ""},
		{errNoCall, fasthttp.StatusNotFound, "no-such-call", "No such call", ""},
		{errMethod, fasthttp.StatusMethodNotAllowed, "method-not-allowed", "Method not allowed", ""},
		{errPrecondition, fasthttp.StatusPreconditionFailed, "precondition-failed", "The precondition failed", ""},
		{errTimeout, fasthttp.StatusRequestTimeout, "request-timeout", "Request timeout", ""},
		{errUnshared, fasthttp.StatusNotFound, "not-shared", "Nothing is shared", ""},
		{errUnlimited, fasthttp.StatusConflict, "nothing-limited", "Nothing is limited", ""},
		{errTooLarge, fasthttp.StatusRequestEntityTooLarge, "body-too-large", "The body is too large", ""},
		{errMediaType, fasthttp.StatusUnsupportedMediaType, "unsupported-media-type", "Unsupported media type", ""},
		{errHeaderSize, fasthttp.StatusRequestHeaderFieldsTooLarge, "header-too-large", "The header is too large", ""},
		{errWatched, fasthttp.StatusTooManyRequests, "too-many-streams", "Too many streams", ""},
		{errNotReady, fasthttp.StatusServiceUnavailable, "not-ready", "Not ready", ""},
	}
}
