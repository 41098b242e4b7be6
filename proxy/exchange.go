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
	// held is what gives the connection back.
	held any
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
func (x *exchange) prepare(bodyWait time.Duration) error { return x.upload.prepare(bodyWait) }

// connect takes a connection to the backend where the attempt has a place, for a client whose reset
// ends the exchange; nil is nobody who could leave. timeouts are its own; nil are its pool's.
func (x *exchange) connect(client *h1.Link, timeouts *netconn.ExchangeLimits) error {
	host := hostClientOf(x.attempt.Backend)
	conn, held, err := host.acquire(x.attempt.Fresh)
	if err != nil {
		return err
	}
	if timeouts == nil {
		conn.Begin(client)
	} else {
		conn.BeginWithin(client, *timeouts)
	}
	x.Begin(conn, host.maxHeader)
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

// mayRetry reports whether sending the request again can't do harm: nothing of it was sent, or it
// is idempotent, has no body, and not one byte came back. A late response is not retried: the
// client waited long enough, and the backend may still be working on it. A body can't be sent again
// once a part of it was sent on.
func (x *exchange) mayRetry() bool {
	if x.upload.started || x.Late() {
		return false
	}
	h := x.upload.head
	return x.Conn.BytesSent() == 0 || x.Conn.BytesReceived() == 0 && !h.HasBody() && h.Idempotent()
}

// end ends the exchange, if there is one, and gives its place back. Its connection is kept if that
// is wanted and the whole request was sent. failed reports that the backend is to blame.
func (x *exchange) end(keep, failed bool) {
	if x.attempt.Backend == nil {
		return
	}
	if !x.endUpload() && x.Conn != nil {
		// The rest of the body is still to come, and nobody wants it. If there was no connection,
		// a retry may send the body, or the response may come from us and the body be skipped.
		x.upload.from.Last()
		keep = false
	}
	if seconds := x.Response.KeptSeconds; keep && seconds >= 0 {
		x.Conn.KeptFor(time.Duration(seconds) * time.Second)
	}
	x.giveBack(keep)
	x.attempt.End(balancer.Result{Failed: failed})
	x.attempt = balancer.Attempt{}
}

// giveBack gives the connection back, if there is one.
func (x *exchange) giveBack(keep bool) {
	if x.Conn == nil {
		return
	}
	x.Conn.End()
	hostClientOf(x.attempt.Backend).release(x.Conn, x.held, keep)
	x.Conn, x.held = nil, nil
}

// forget forgets the exchange, but keeps its memory.
func (x *exchange) forget() {
	x.Forget()
	x.upload.forget()
}
