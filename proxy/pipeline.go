package proxy

import "gopher-equalizer/proxy/outcome"

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

// run takes the request all the way. Each step returns why the request ends there, a failure or a
// refusal, and finish answers it.
func (r *request) run() error {
	if err := r.read(); err != nil {
		return err
	}
	if err := r.enter(); err != nil {
		return err
	}
	if err := r.choose(); err != nil {
		return err
	}
	if err := r.admit(); err != nil {
		return err
	}
	if r.chosen.respondsItself() {
		return r.respond()
	}
	if err := r.forward(); err != nil {
		return err
	}
	return r.relay()
}

// respond begins the response that the route gives itself.
func (r *request) respond() error {
	if redirect := r.chosen.Redirect; redirect != nil {
		redirect.Begin(&r.own, r.head.Received.Host, &r.path)
	} else {
		r.chosen.Respond.Begin(&r.own)
	}
	r.result.Responds(r.own.Status)
	return outcome.Own
}

// finish ends the request, for whatever reason, and is the only one that answers failures, counts
// and logs.
func (r *request) finish(err error) {
	o := &r.result
	if err != nil {
		o.Fail(err)
		r.record.Failed(o)
		r.abandon(err)
		r.answer()
	}
	o.Size, o.WasCut = r.stream.Sent(), r.stream.WasCut()
	r.record.Record(o, &r.snapshot.Log)
}

// answer sends the response of our own to a request that failed. A response that has begun is cut
// instead: what comes next would be taken for a part of it.
func (r *request) answer() {
	o := &r.result
	if o.Closes() {
		r.stream.Last()
	}
	if o.Broken = r.stream.Begun(); o.Broken {
		r.stream.Cut()
		return
	}
	o.Reply(&r.own)
	r.dress()
	r.record.Ended(o)
	_ = r.stream.Reply(&r.own) // A client that is gone has no use for it.
}

// dress adds to a response of our own what depends on the request and on its route.
func (r *request) dress() {
	r.own.RequestID, r.own.HSTS = r.result.From.RequestID, r.hsts()
	if r.result.Failure == outcome.WrongMethod {
		var buf [256]byte
		r.own.Add("Allow", r.appendAllow(buf[:0]))
	}
	if r.chosen == nil {
		return
	}
	r.own.Lines = r.charges.fields
	if r.result.Failure == outcome.Own {
		r.own.Rules = &r.chosen.Rules.Response
		return
	}
	if page, ok := r.chosen.ErrorPages[r.own.Status]; ok {
		r.own.ReplaceBody(page.MediaType, page.Content)
	}
	r.chosen.ExposeTo.Expose(&r.own, r.head.Received.Fields)
}
