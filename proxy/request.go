package proxy

import (
	"hash/maphash"
	"sync/atomic"
	"time"

	"gopher-equalizer/proxy/outcome"
	"gopher-equalizer/proxy/rewrite"
	"gopher-equalizer/proxy/route"
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
	way

	// head is the head that the backend gets, response the one that the client gets, and own a
	// response of ours.
	head     rewrite.Request
	response rewrite.Response
	own      rewrite.Reply
	exchange exchange
	// charges are the limits that count the request.
	charges charges
	// holder is whom the pool bounds to a share of a backend's connections.
	holder uint64
	// result is what happened so far.
	result outcome.Outcome
}

// way is where a request goes.
type way struct {
	// path is the request's, chosen the route that it has; nil if there is none. to is where it
	// goes.
	path   route.Path
	chosen *Route
	to     *Destination
}

func newRequest(s *shared, stream Stream) *request {
	r := &request{shared: s, stream: stream}
	r.exchange.init(stream, s.record.Contain)
	return r
}

// Begin is h1.Handler's.
func (r *request) Begin() {
	r.record.Began()
	r.snapshot = r.shared.snapshot.Load()
	r.result.From.Peer = r.stream.Peer()
	r.result.From.Addr = r.result.From.Peer
	r.result.Began = r.clock()
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
		Scheme:      "http",
		Rules:       &r.chosen.Rules,
		Path:        &r.path,
		RequestID:   who.RequestID,
		Via:         s.Via,
		Upgrade:     rewrite.PassesUpgrade(h),
	}
}

// loops reports whether the request came through us already.
func (r *request) loops() bool { return r.head.Loops() }

// beginResponse readies the head that the client gets: a final one, an interim one, or a 101.
func (r *request) beginResponse() {
	r.response = rewrite.Response{
		Received:  &r.exchange.Response,
		Scheme:    r.head.Scheme,
		Host:      r.head.Received.Host,
		Hidden:    r.to.Hidden,
		Authority: r.head.Authority,
		RequestID: r.head.RequestID,
		Rules:     &r.chosen.Rules.Response,
		Lines:     r.charges.fields,
	}
}

// clock is the time if it is going to be logged: reading it isn't free.
func (r *request) clock() (now time.Time) {
	if r.snapshot.AccessLog {
		now = time.Now()
	}
	return now
}

// since is the time since clock returned begin.
func (r *request) since(begin time.Time) time.Duration {
	if begin.IsZero() {
		return 0
	}
	return time.Since(begin)
}

// reset forgets the request.
func (r *request) reset() {
	r.snapshot, r.chosen, r.to, r.holder = nil, nil, nil, 0
	r.path.Reset()
	r.charges.reset()
	r.head, r.response = rewrite.Request{}, rewrite.Response{}
	r.exchange.forget()
	r.result.Reset()
}
