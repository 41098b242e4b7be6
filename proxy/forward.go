package proxy

import (
	"errors"
	"fmt"
	"net"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/netconn"
)

// outcome is what came of a part of an exchange. The zero outcome is success.
type outcome struct {
	failure *failure
	// cause is for the log.
	cause error
	// resend says that the request may be sent once more.
	resend bool
}

// forward sends the request to the picked backend and reads the answer's header; once more, to another
// backend if there is one, if that can't do harm.
func (r *request) forward() bool {
	out := r.prepare()
	if out.failure == nil {
		out = r.attempt(r.backend, false)
	}
	if out.resend {
		out = r.again()
	}
	return out.failure == nil || r.fail(out.failure, out.cause)
}

// again is the one re-send: to another fit backend, else on a connection that can't be stale.
func (r *request) again() outcome {
	r.retries++
	r.proxy.counters.resends.Add(1)
	if other := r.proxy.pool.PickOther(r.backend); other != nil {
		r.backend = other
		return r.attempt(other, false)
	}
	return r.attempt(r.backend, true)
}

// attempt is one exchange with a backend, up to the answer's header. After a success the exchange is open.
func (r *request) attempt(b *balancer.Backend, fresh bool) outcome {
	if err := r.exchange.open(b, fresh); err != nil {
		if err == fasthttp.ErrNoFreeConns {
			return outcome{failure: backendBusy, cause: err}
		}
		return outcome{failure: lateOrBad(err), cause: err, resend: true}
	}
	began := r.clock()
	out := r.send()
	if out.failure == nil || r.answeredEarly(out) {
		out = r.receive(out)
	}
	r.waited = r.since(began)
	if out.failure != nil {
		r.exchange.close(out.failure.ending())
	}
	return out
}

// send sends the request.
func (r *request) send() outcome {
	x := &r.exchange
	r.head.backend = x.backend.Authority()
	x.out = appendRequestHead(x.out[:0], &r.head)
	x.out = append(x.out, r.upload.small...)
	if _, err := x.conn.Write(x.out); err != nil {
		return r.broken(fmt.Errorf("sending the request: %w", err))
	}
	if r.upload.complete {
		return outcome{}
	}
	return r.sendBody()
}

// receive reads the answer's header. If the request could not be sent to its end, as sent says, that
// remains the outcome unless there is an answer.
func (r *request) receive(sent outcome) outcome {
	err := r.exchange.readHeader(&r.ctx.Response.Header)
	switch {
	case err == nil:
		r.upload.refused = sent.failure != nil
		return outcome{}
	case sent.failure != nil:
		return sent
	}
	return r.broken(fmt.Errorf("awaiting the answer: %w", err))
}

// broken is the outcome when the backend broke the exchange before there was an answer.
func (r *request) broken(err error) outcome {
	return outcome{failure: lateOrBad(err), cause: err, resend: r.mayResend()}
}

// mayResend says whether sending the request again can't do harm: nothing of it was sent, or it
// is idempotent, has no body, and not one byte came back. What is late isn't sent again: the client
// waited long enough, and the backend may still be at it.
func (r *request) mayResend() bool {
	conn := r.exchange.conn
	if conn.Err() == netconn.ErrTimeout {
		return false
	}
	return conn.Sent() == 0 || conn.Received() == 0 && r.upload.empty() && r.idempotent()
}

// idempotent goes by RFC 9110, section 9.2.2.
func (r *request) idempotent() bool {
	switch string(r.head.header.Method()) {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

// answeredEarly says whether there may be an answer although the request could not be sent to its
// end: a backend may refuse a body without reading it, and its client wait for that with the rest of it.
func (r *request) answeredEarly(sent outcome) bool {
	conn := r.exchange.conn
	switch {
	case sent.resend:
		return false
	case sent.failure == bodyLate, conn.Err() == netconn.ErrTimeout:
		return !conn.Quiet()
	}
	return sent.failure.ending() == broke
}

// ending is what a failure means for the exchange that it happened in.
func (f *failure) ending() ending {
	if f == backendBad || f == backendLate {
		return broke
	}
	return dropped
}

func lateOrBad(err error) *failure {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return backendLate
	}
	return backendBad
}
