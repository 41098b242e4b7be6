package proxy

import (
	"hash/maphash"
	"sync/atomic"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/outcome"
	"gopher-equalizer/proxy/rewrite"
)

// shared is what all requests of a proxy use.
type shared struct {
	snapshot atomic.Pointer[Snapshot]
	record   *outcome.Recorder
	// seed is what clients are hashed with for their share of a backend's connections.
	seed maphash.Seed
}

// request is a request on its way through the pipeline. It belongs to a stream, and its memory
// serves the next request of that stream.
type request struct {
	*shared
	stream   Stream
	snapshot *Snapshot
	// listener is how the clients of its listener are served, and arrived how they were when its
	// connection began.
	listener, arrived *Listener
	way

	// head is the head that the backend gets, response the one that the client gets, and own a
	// response of ours.
	head     rewrite.Request
	response rewrite.Response
	own      rewrite.Reply
	exchange exchange
	// charges are the limits that count the request.
	charges charges
	// client is what the pool knows of who sent it, and lines has the memory for responseLines.
	client balancer.Client
	lines  []byte
	// result is what happened so far.
	result outcome.Outcome
	// traced reports that the request begins a trace.
	traced bool
}

func newRequest(s *shared, stream Stream) *request {
	r := &request{shared: s, stream: stream}
	r.exchange.init(stream, s.record.Contain)
	return r
}

// Begin is h1.Handler's.
func (r *request) Begin() {
	r.record.Began()
	arrival := r.stream.Intake().(*arrival)
	r.snapshot, r.listener, r.arrived = r.shared.snapshot.Load(), arrival.now(), &arrival.as
	r.result.From.Peer = r.stream.Peer()
	r.result.From.Addr = r.result.From.Peer
	r.result.Times.Begin(r.stream.Waited())
}

// begin begins the request whose head was received, and reports whether its body may be as large as
// that says.
func (r *request) begin() bool { return r.exchange.begin(&r.head, r.chosen.MaxBody) }

// compose makes the head that the backend gets, except for what depends on the backend.
func (r *request) compose() {
	h, s, who := r.head.Received, r.snapshot, &r.result.From
	r.head = rewrite.Request{
		Received:    h,
		Peer:        who.Peer,
		Client:      who.Addr,
		TrustedPeer: s.Trusted.Contains(who.Peer),
		Scheme:      r.scheme(),
		Rules:       &r.chosen.Rules,
		Path:        &r.path,
		RequestID:   who.RequestID,
		Traceparent: r.begunTrace(),
		Via:         s.Via,
		Upgrade:     rewrite.PassesUpgrade(h),
		ClientCert:  certOf(r.stream.Secured()).toBackends(),
	}
}

// begunTrace is the traceparent of a trace that the request begins; nil if it begins none.
func (r *request) begunTrace() []byte {
	if !r.traced {
		return nil
	}
	return r.result.From.Trace
}

// scheme is the scheme of the request's URL.
func (r *request) scheme() string {
	if r.stream.Secured() != nil {
		return "https"
	}
	return "http"
}

// hsts is the value of Strict-Transport-Security for the response. In clear it means nothing (RFC
// 6797, section 7.2).
func (r *request) hsts() string {
	if r.stream.Secured() == nil {
		return ""
	}
	return r.listener.HSTS
}

// beginResponse readies the head that the client gets: a final one, an interim one, or a 101.
func (r *request) beginResponse() {
	r.response = rewrite.Response{
		Received:  &r.exchange.Response,
		Scheme:    r.head.Scheme,
		Host:      r.head.Received.Host,
		Hidden:    r.to.hidden(),
		Authority: r.head.Authority,
		RequestID: r.head.RequestID,
		Rules:     &r.chosen.Rules.Response,
		Lines:     r.responseLines(),
		HSTS:      r.hsts(),
	}
}

// reset forgets the request.
func (r *request) reset() {
	r.snapshot, r.listener, r.arrived, r.chosen, r.to, r.traced = nil, nil, nil, nil, nil, false
	r.client = balancer.Client{}
	r.path.Reset()
	r.charges.reset()
	r.head, r.response = rewrite.Request{}, rewrite.Response{}
	r.exchange.forget()
	r.result.Reset()
}
