package proxy

import (
	"fmt"
	"runtime/debug"
	"time"

	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/rewrite"
)

// request is a request on its way, from its header to its line in the access log. It is pooled:
// what it holds in memory serves the next request.
type request struct {
	proxy   *Proxy
	session *session
	in      inbox

	// raw is the head as it came, header what it says, and refusal why that is not acceptable.
	raw     []byte
	header  http1.Request
	refusal *http1.Refusal
	// whole says that all of the request is here, and that nothing else of the client is needed to
	// answer it.
	whole bool
	// What admit found out.
	head     rewrite.Request
	clientID []byte
	decision limiter.Decision
	attempts balancer.Attempts
	backend  *balancer.Backend

	upload   upload
	exchange exchange

	// out is what goes to the client next, relayed the answer's body on its way there.
	out       []byte
	outMemory elastic
	relayed   relayed
	// status is the answer's, size how much of its body was sent. begun says that a part of the
	// answer left.
	status int
	size   int64
	begun  bool
	// counted says that the request was counted as ended.
	counted bool
	// last says that the connection ends with this request.
	last bool

	// What is logged besides. unread says that there was no header to be read.
	unread  bool
	started time.Time
	waited  time.Duration
	retries int
	// tried are the attempts that a retry followed.
	tried   []pastAttempt
	failure *failure
	cause   error

	idBuffer [identity.MaxRequestID]byte
}

// A Key makes no client_id that is too long for the limiter.
var _ [limiter.MaxClientID - identity.MaxClientID]struct{}

func newRequest(p *Proxy) *request {
	r := &request{
		proxy:    p,
		in:       inbox{buf: make([]byte, p.settings.MaxHeaderBytes+inboxSpare)},
		clientID: make([]byte, 0, identity.MaxClientID),
		out:      make([]byte, 0, 1<<10),
	}
	r.exchange.init(p.settings.MaxResponseHeader, &p.lender)
	r.upload.init()
	return r
}

// arrived looks at what is here of a request, and reports whether it is whole.
func (r *request) arrived() (whole bool) {
	if r.in.skipEmptyLines(); r.in.size() == 0 {
		return false
	}
	r.begin()
	r.look()
	return r.whole
}

func (r *request) look() {
	defer func() {
		if v := recover(); v != nil {
			r.contain(v) // serve finishes it.
		}
	}()
	if head := r.in.takeHead(int(r.proxy.settings.MaxHeaderBytes)); head != nil {
		r.parse(head)
		h := &r.header
		r.whole = r.refusal == nil && h.Size == http1.SizeNone && !h.Expect && !rewrite.PassesUpgrade(h)
	}
}

func (r *request) parse(head []byte) {
	r.raw, r.refusal = head, r.header.Parse(head)
	if r.refusal != nil {
		r.refusal.See(head)
	}
}

// serve reads the request, whose first bytes are here, and answers it. It reports whether
// another one may follow on the connection.
func (r *request) serve() (more bool) {
	r.begin()
	defer func() {
		if v := recover(); v != nil {
			r.contain(v)
			more = r.finish()
		}
	}()
	r.handle()
	return r.finish()
}

// isOpen says that begin was called.
func (r *request) isOpen() bool { return r.head.Received != nil }

// begin starts a request, unless it was started.
func (r *request) begin() {
	if r.isOpen() {
		return
	}
	p, peer := r.proxy, r.session.Peer()
	p.counters.total.Add(1)
	r.head = rewrite.Request{
		Received: &r.header,
		Peer:     peer,
		Client:   peer,
		Key:      p.settings.Key,
		Scheme:   "http",
		Host:     p.settings.Host,
		Via:      p.via,
	}
	r.started = r.clock()
}

// clock is the time if it is going to be logged: reading it isn't free.
func (r *request) clock() (now time.Time) {
	if r.proxy.settings.AccessLog {
		now = time.Now()
	}
	return now
}

// since is the time since clock said begin.
func (r *request) since(begin time.Time) time.Duration {
	if begin.IsZero() {
		return 0
	}
	return time.Since(begin)
}

// contain answers 500 after a panic with v, whatever the request was doing.
func (r *request) contain(v any) {
	r.proxy.logPanic(v)
	r.upload.stop(r)
	r.exchange.close(dropped)
	r.fail(panicked, fmt.Errorf("panic: %v", v))
}

func (p *Proxy) logPanic(v any) {
	p.counters.panics.Add(1)
	p.log.Error().Str("panic", fmt.Sprint(v)).Bytes("stack", debug.Stack()).Msg("a request panicked")
}

// finish counts and logs the request, and reports whether another one may follow on its connection.
func (r *request) finish() (more bool) {
	p := r.proxy
	r.count()
	more = !r.last && r.skipBody() && r.session.Next()
	if !more && r.leavesUnread() {
		r.session.LeaveUnread()
	}
	if p.settings.AccessLog || r.failure.ours() {
		r.log(r.status)
	}
	r.keepRefusal()
	r.reset()
	return more
}

// leavesUnread says that the client sends more than will be read: the rest of its body, or requests
// behind the last one.
func (r *request) leavesUnread() bool {
	return !r.upload.body.Complete() || r.failure != clientGone && (r.in.size() > 0 || r.session.HasMore())
}

// count counts the request as ended, once. It comes before the last of the answer leaves, so that
// whoever has the answer finds it counted.
func (r *request) count() {
	if !r.counted {
		r.counted = true
		r.proxy.counters.finished(r.status, r.failure)
	}
}

// reset forgets the request, but keeps what it grew, and what came behind it.
func (r *request) reset() {
	r.raw, r.refusal, r.whole = nil, nil, false
	r.header.Reset()
	r.head = rewrite.Request{}
	r.clientID = r.clientID[:0]
	r.decision = limiter.Decision{}
	r.attempts, r.backend = balancer.Attempts{}, nil
	r.upload.reset()
	r.resetMemory()
	r.relayed.raw, r.relayed.chunked = false, false
	r.status, r.size, r.begun, r.counted, r.last = 0, 0, false, false, false
	r.unread, r.started, r.waited = false, time.Time{}, 0
	r.retries, r.failure, r.cause = 0, nil, nil
	clear(r.tried)
	r.tried = r.tried[:0]
}

// outSpare is how much longer a response's head may get on its way, as a rule.
const outSpare = 4 << 10

// reserve has out hold n bytes of a response and what we add to them, without an allocation.
func (r *request) reserve(n int) {
	if n += outSpare; n <= cap(r.out) || n <= 1<<leastLent {
		return
	}
	if r.outMemory.borrowed == nil {
		r.outMemory.own = r.out
	}
	r.out = r.outMemory.grow(n, nil, &r.proxy.lender)[:0]
}

// resetMemory gives up what only a large response needed.
func (r *request) resetMemory() {
	r.exchange.head = nil
	r.exchange.answer.Reset() // It aliases what is given up.
	r.exchange.in.release()
	if r.outMemory.borrowed != nil {
		r.outMemory.shrink(&r.proxy.lender)
		r.out = r.outMemory.own
	}
	r.out = r.out[:0]
}
