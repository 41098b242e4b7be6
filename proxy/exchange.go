package proxy

import (
	"time"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/h1"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/rewrite"
)

// exchange is the request and the response at a backend: the place that it has there, the
// connection, and the request's body on its way.
type exchange struct {
	h1.Exchange
	upload upload
	// attempt is the place at the backend; the zero one while there is none.
	attempt balancer.Attempt
	// shown is what it has shown of the backend.
	shown balancer.Result
	// informed reports that the client got an interim response of it, and hurried that it has the
	// time of one attempt among several.
	informed, hurried bool
	// held is what gives the connection back.
	held heldConn
}

func (x *exchange) init(body source, contain func(*error)) {
	x.Init()
	x.upload.init(body, &x.Exchange, contain)
}

// begin begins a request, whose body may have so many bytes: see upload.begin.
func (x *exchange) begin(head *rewrite.Request, most int64) bool {
	return x.upload.begin(head.Received, most)
}

// prepare takes what has come of the request's body: see upload.prepare.
func (x *exchange) prepare(bodyWait time.Duration, keeps int) error {
	return x.upload.prepare(bodyWait, keeps)
}

// connect takes a connection to the backend where the attempt has a place. If the awaiter leaves,
// the exchange ends.
func (x *exchange) connect(awaiter *netconn.Awaiter, to *Destination) error {
	host := hostClientOf(x.attempt.Backend)
	conn, held, err := host.acquire(x.attempt.Fresh, to.Retry.PerTry)
	if err != nil {
		return err
	}
	if to.Timeouts == nil {
		conn.Begin(awaiter)
	} else {
		conn.BeginWithin(awaiter, *to.Timeouts)
	}
	if x.hurried = to.Retry.PerTry > 0 && x.upload.mayResend(); x.hurried {
		conn.Hurry(to.Retry.PerTry)
	}
	x.Begin(conn, int(host.maxHeader.Load()))
	x.held = held
	return nil
}

// send sends the request, or as much of it as has come: the rest follows while the response is
// awaited. It reports whether nothing was sent, as the connection can't be used.
func (x *exchange) send(head *rewrite.Request) (stale bool, err error) {
	u := &x.upload
	complete := u.complete()
	head.Authority = x.attempt.Backend.Authority()
	stale, err = x.Send(head, u.ready, complete, u.from.Trailers())
	if err == nil && !stale && !complete {
		u.start()
	}
	return stale, err
}

// uploaded reports, without waiting, whether the whole request was sent.
func (x *exchange) uploaded() bool { return x.upload.settled() }

// endUpload ends the sending of the request's body, and reports whether the whole request was sent.
func (x *exchange) endUpload() bool {
	x.upload.stop()
	return x.upload.complete()
}

// cause is why the exchange broke, which broke with err: a failure of the request's body, if there
// is one.
func (x *exchange) cause(err error) error {
	if x.upload.stop(); x.upload.failure != nil {
		return x.upload.failure
	}
	return err
}

// mayRetry reports whether sending the request again after a failure can't do harm: nothing of it
// was sent, or not one byte came back and it may be sent again. What was late although it had all
// of its time is not retried: the client waited long enough.
func (x *exchange) mayRetry() bool {
	switch {
	case x.Late() && !x.hurried:
		return false
	case x.Conn.BytesSent() == 0 && !x.upload.started:
		return true
	}
	return x.Conn.BytesReceived() == 0 && x.mayResend()
}

// mayResend reports whether a request that was sent may be sent again: it is idempotent, its body
// was kept, and nothing of the response has gone to the client.
func (x *exchange) mayResend() bool { return !x.informed && x.upload.mayResend() }

// give ends an exchange that failed, while another attempt may follow: the rest of the request's
// body is left to that.
func (x *exchange) give(fault balancer.Fault) {
	x.upload.stop()
	x.letGo(false, fault)
}

// drop ends an exchange whose response nobody gets, while another attempt follows. The connection
// is kept if all of both has come.
func (x *exchange) drop() {
	whole := x.endUpload()
	x.BeginBody(x.upload.head.IsHead())
	_, err := x.TakeBody()
	x.letGo(whole && err == nil && x.Complete() && x.Keeps(), balancer.NoFault)
}

// end ends the exchange, if there is one, and gives its place back. Its connection is kept if that
// is wanted and the whole request was sent. fault is how the backend broke it.
func (x *exchange) end(keep bool, fault balancer.Fault) {
	if x.attempt.Backend == nil {
		return
	}
	if !x.endUpload() && x.Conn != nil {
		// If there was no connection, the response may come from us and the body be skipped.
		x.upload.leave()
		keep = false
	}
	x.letGo(keep, fault)
}

// letGo gives up the place and the connection, which is kept if that is wanted.
func (x *exchange) letGo(keep bool, fault balancer.Fault) {
	if seconds := x.Response.KeptSeconds; keep && seconds >= 0 {
		x.Conn.KeptFor(time.Duration(seconds) * time.Second)
	}
	if x.shown.Fault = fault; fault != balancer.NoFault && x.Conn == nil {
		x.shown.Fault = balancer.Unreachable
	}
	x.giveBack(keep)
	x.attempt.End(x.shown)
	x.attempt = balancer.Attempt{}
}

// giveBack gives the connection back, if there is one.
func (x *exchange) giveBack(keep bool) {
	if x.Conn == nil {
		return
	}
	x.Conn.End()
	hostClientOf(x.attempt.Backend).release(x.Conn, x.held, keep)
	x.Conn, x.held = nil, heldConn{}
}

// forget forgets the exchange, but keeps its memory.
func (x *exchange) forget() {
	x.Forget()
	x.upload.forget()
}
