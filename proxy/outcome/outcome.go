package outcome

import (
	"errors"
	"net/netip"
	"time"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/identity"
)

// Outcome is what happened to one request. Its memory serves the next one: see Reset.
type Outcome struct {
	// Head is the request's, as far as it could be read; nil if it couldn't.
	Head *http1.Request
	// From is who sent it.
	From Sender
	// Route is the name of its route; "" if it has none. Traffic counts the requests that go the
	// same way; nil is those that have no route.
	Route   string
	Traffic *Traffic
	// Limits are those that counted it.
	Limits []Limit
	// Sent is where the request went; its Backend is nil if it went nowhere.
	Sent Forwarding
	// Times are how long it took, from when its first bytes came.
	Times Times
	// Status is the response's, or what stands for one that couldn't be given (499).
	Status int
	// Size is how many bytes of the response's body the client was sent.
	Size int64
	Why
	// Broken reports that the response ended early, WasCut that we cut its connection.
	Broken, WasCut bool

	counted bool
}

// Why is why a request failed or was refused.
type Why struct {
	// Failure is why it failed; nil if it didn't, or was refused. Cause is for the log.
	Failure *Failure
	Cause   error
	// Refusal is why the request or the response to it was refused; nil if neither was.
	Refusal *http1.Refusal
}

// Explain returns what a step's error says: the failure, and its cause if there is one. A request
// that was refused has a refusal and no failure.
func Explain(err error) Why {
	switch err := err.(type) {
	case nil:
		return Why{}
	case *Failure:
		return Why{Failure: err}
	case *caused:
		var refusal *http1.Refusal
		errors.As(err.cause, &refusal)
		return Why{Failure: err.failure, Cause: err.cause, Refusal: refusal}
	case *http1.Refusal:
		return Why{Refusal: err}
	}
	return Why{Failure: Panicked, Cause: err} // No step returns another error.
}

// Sender is who sent a request.
type Sender struct {
	// Peer is who connected, Addr the client that the trusted proxies in front tell of.
	Peer, Addr netip.Addr
	// RequestID is the value of X-Request-ID; empty before it is known.
	RequestID []byte
	// Trace is the trace that the request belongs to; empty if that isn't known.
	Trace identity.Trace
}

// Limit is a limit that counted a request.
type Limit struct {
	Name     string
	ClientID []byte
	// Allowed reports whether the limit is no reason to refuse.
	Allowed bool
	// Shared reports whether the client shared a bucket, as there was no room for one of its own.
	Shared bool
	// Near reports whether the limit let the request pass and left less than a fifth of the bucket.
	Near bool

	takes *Takes
}

// Text is the ClientID, for a callee that keeps nothing of it.
func (l *Limit) Text() string { return http1.Text(l.ClientID) }

// Forwarding is where a request was forwarded to.
type Forwarding struct {
	// Backend is the last that was tried.
	Backend *balancer.Backend
	// Waited is from the beginning of the last attempt, with the connect, to the response's head.
	Waited time.Duration
	// Before are the attempts that a retry followed, and NoRetry is why none followed the last one,
	// if there could have been one.
	Before  []Attempt
	NoRetry error
}

// Attempt is one try at a backend, and why it was not enough.
type Attempt struct {
	Backend *balancer.Backend
	Cause   error
}

// Reset readies o for another request, and keeps its memory.
func (o *Outcome) Reset() {
	before, limits, id, trace := o.Sent.Before, o.Limits, o.From.RequestID, o.From.Trace
	clear(before)
	*o = Outcome{}
	o.Sent.Before, o.Limits, o.From.RequestID, o.From.Trace = before[:0], limits[:0], id[:0], trace[:0]
}

// AddLimit adds a limit that counts the request, and what counts its takes. It has the memory of
// another one's ClientID.
func (o *Outcome) AddLimit(name string, takes *Takes) *Limit {
	n := len(o.Limits)
	if n < cap(o.Limits) {
		o.Limits = o.Limits[:n+1]
	} else {
		o.Limits = append(o.Limits, Limit{})
	}
	l := &o.Limits[n]
	*l = Limit{Name: name, ClientID: l.ClientID[:0], takes: takes}
	return l
}

// Responds notes the status of the response, or what stands for it.
func (o *Outcome) Responds(status int) { o.Status = status }

// Fail notes why the request failed, as a step of the pipeline has returned it.
func (o *Outcome) Fail(err error) { o.Why = Explain(err) }

// Retry notes that another attempt follows, and the failure of the one before.
func (o *Outcome) Retry(failure error) {
	o.Sent.Before = append(o.Sent.Before, Attempt{o.Sent.Backend, Explain(failure).Cause})
}

// Closes reports whether the client's connection can't be used for another request.
func (o *Outcome) Closes() bool { return o.Failure != nil && o.Failure.Closes }

// atStop reports whether what looks like a client that left, or like the end of a tunnel, is a
// connection that we cut.
func (o *Outcome) atStop() bool {
	return o.WasCut && (o.Failure == ClientGone || o.Status == http1.StatusSwitching)
}

// limited is the reason of a request that is over its limits.
const limited = "limited"

// Reason is why the request failed or was refused, and the name of the field that is at fault; both
// are "" if it was served.
func (o *Outcome) Reason() (reason, field string) {
	switch f := o.Failure; {
	case o.Refusal != nil:
		return o.Refusal.Reason, o.Refusal.Field
	case f == Limited:
		return limited, ""
	case f != nil:
		return f.Reason, ""
	}
	return "", ""
}
