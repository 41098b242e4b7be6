package proxy

import (
	"time"

	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/outcome"
	"gopher-equalizer/proxy/rewrite"
)

// request is a request on its way through the pipeline. It belongs to a stream, and its memory
// serves the next request of that stream.
type request struct {
	*shared
	stream   Stream
	snapshot *Snapshot
	route    *Route

	// head is the head that the backend gets, and response the one that the client gets.
	head     rewrite.Request
	response rewrite.Response
	upload   upload
	exchange exchange
	decision limiter.Decision
	// own is a response of our own.
	own rewrite.Reply
	// result is what happened so far.
	result outcome.Outcome
	id     [identity.MaxRequestID]byte
}

// A Key makes no client_id that is too long for the limiter.
var _ [limiter.MaxClientID - identity.MaxClientID]struct{}

func newRequest(s *shared, stream Stream) *request {
	r := &request{shared: s, stream: stream}
	r.result.Limit.ClientID = make([]byte, 0, identity.MaxClientID)
	r.exchange.Init()
	r.upload.init(stream, &r.exchange.Exchange, s)
	return r
}

// Begin is h1.Handler's.
func (r *request) Begin() {
	r.record.Began()
	r.snapshot = r.shared.snapshot.Load()
	r.route = &r.snapshot.Route
	r.result.Client.Peer = r.stream.Peer()
	r.result.Client.Addr = r.result.Client.Peer
	r.result.Began = r.clock()
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
	r.snapshot, r.route = nil, nil
	r.head, r.response = rewrite.Request{}, rewrite.Response{}
	r.decision = limiter.Decision{}
	r.upload.reset()
	r.exchange.Forget()
	r.result.Reset()
}
