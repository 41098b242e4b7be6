package proxy

import (
	"errors"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/outcome"
)

// Handle serves the request. It is h1.Handler's.
func (r *request) Handle() {
	if err := r.handle(); err != nil {
		r.finish(err)
	}
	r.reset()
}

// handle serves the request. The error is a panic that finish hasn't heard of.
func (r *request) handle() (err error) {
	defer r.record.Contain(&err)
	r.finish(r.run())
	return nil
}

// run takes the request all the way. Each step returns why the request ends there, an
// *outcome.Failure or a *http1.Refusal, and finish answers it.
func (r *request) run() error {
	if err := r.read(); err != nil {
		return err
	}
	if err := r.identify(); err != nil {
		return err
	}
	if err := r.admit(); err != nil {
		return err
	}
	if err := r.forward(); err != nil {
		return err
	}
	return r.relay()
}

// read reads the request's head, and refuses what isn't clearly one, or has a body that is known to
// be too large.
func (r *request) read() error {
	head, err := r.stream.ReadHead()
	r.result.Head = head
	if err != nil {
		r.stream.Last()
		return unreadable(err)
	}
	r.head.Received = head
	if err := r.upload.begin(head, r.route.MaxBody); err != nil {
		r.stream.Last()
		return err
	}
	return nil
}

// unreadable is the failure of a request whose head could not be read.
func unreadable(err error) error {
	var why *http1.Refusal
	switch {
	case errors.As(err, &why), errors.Is(err, outcome.Panicked):
		return err
	case err == netconn.ErrTimeout:
		return outcome.HeaderLate.Because(err)
	}
	return outcome.ClientGone.Because(err)
}

// admit spends the request's tokens, once it is known that it can be served.
func (r *request) admit() error {
	final := r.head.Received.MaxForwards == 0
	if !final && !r.route.Pool.Healthy() {
		return outcome.NoBackend
	}
	allowed := r.take()
	r.stream.Admitted()
	switch {
	case !allowed:
		return outcome.Limited
	case final:
		return recipient(r.head.Received)
	}
	return nil
}

// recipient is the end of a request that may be forwarded no further: we are its final recipient
// (RFC 9110, section 7.6.2).
func recipient(h *http1.Request) error {
	if string(h.Method) == "TRACE" {
		return outcome.NoTrace
	}
	return outcome.FinalRecipient
}

// finish ends the request, for whatever reason, and is the only one that answers failures, counts
// and logs.
func (r *request) finish(err error) {
	o := &r.result
	if err != nil {
		o.Fail(err)
	}
	r.end(endingFor(o.Failure))
	switch {
	case err == nil:
	case r.stream.Begun(): // What comes next would be taken for a part of the response.
		o.Broken = true
		r.stream.Last()
		r.stream.Cut()
	default:
		r.respond()
	}
	o.Size = r.stream.Sent()
	o.AtStop = (o.Failure == outcome.ClientGone || o.Status == http1.StatusSwitching) && r.stream.WasCut()
	r.record.Record(o, r.snapshot.AccessLog)
}
