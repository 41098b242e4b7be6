package proxy

import (
	"errors"
	"fmt"
	"net"
	"time"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/netconn"
)

// outcome is the result of a part of an exchange. The zero outcome is success.
type outcome struct {
	failure *failure
	// cause is for the log.
	cause error
	// resend says that the request may be sent once more.
	resend bool
	// stale says that nothing was sent, since the connection turned out to be unfit.
	stale bool
}

// oneRetry is how often a request may be retried.
var oneRetry = balancer.Retry{Most: 1}

// forward sends the request to a backend and reads the response's head. If that fails, it tries
// again for as long as another attempt can't do harm and the pool grants one.
func (r *request) forward() bool {
	out := r.prepareBody()
	if out.failure == nil {
		out = r.first()
	}
	for out.resend {
		out = r.again(out)
	}
	return out.failure == nil || r.fail(out.failure, out.cause)
}

// first is the attempt at the backend that the pool picks. It comes when nothing of the client has
// to be waited for, since the pick takes a place.
func (r *request) first() outcome {
	r.attempts = r.proxy.pool.Attempts(r.identifyHolder(), oneRetry)
	a, err := r.attempts.Next()
	if err != nil {
		return outcome{failure: unpicked(err)}
	}
	return r.attempt(a)
}

// again is the retry after an attempt. Where the pool grants none, the attempt's outcome stands.
func (r *request) again(after outcome) outcome {
	if r.session.Ended() {
		return outcome{failure: clientGone, cause: fmt.Errorf("the client ended its side before a retry: %w", after.cause)}
	}
	a, err := r.attempts.Next()
	if err != nil {
		after.resend = false
		return after
	}
	r.retries++
	r.proxy.counters.retries.Add(1)
	r.tried = append(r.tried, pastAttempt{r.backend, after.cause})
	return r.attempt(a)
}

// pastAttempt is an attempt and why it was not enough, for the log.
type pastAttempt struct {
	backend *balancer.Backend
	cause   error
}

// unpicked is the failure of a request that no backend can take.
func unpicked(err error) *failure {
	switch err {
	case balancer.ErrBusy:
		return backendBusy
	case balancer.ErrClientShare:
		return clientShare
	}
	return noBackend
}

// longConnect is from when on a connect is a wait that ends with the client's side. Clients that
// end it behind their request, as scripts do, don't pay for one that is quick.
const longConnect = 250 * time.Millisecond

var errEndedMeanwhile = errors.New("the client ended its side while a connection was made")

// endedMeanwhile reports whether the client ended its side during a long connect. Nothing was sent.
func (r *request) endedMeanwhile() bool {
	return r.exchange.conn.Connecting() > longConnect && r.session.Ended()
}

// attempt is one exchange with a backend, up to the response's head. After a success the exchange
// is open. Connections that went stale while nobody used them are none of it: each one that turns
// up leaves the pool.
func (r *request) attempt(a balancer.Attempt) outcome {
	r.backend = a.Backend
	r.exchange.begin(a)
	for {
		if err := r.exchange.open(r.session.Client); err != nil {
			r.exchange.close(broke)
			return outcome{failure: lateOrBad(err), cause: err, resend: true}
		}
		if r.endedMeanwhile() {
			r.exchange.release(true)
			r.exchange.close(dropped)
			return outcome{failure: clientGone, cause: errEndedMeanwhile}
		}
		began := r.clock()
		out := r.send()
		if out.failure == nil && !out.stale {
			out = r.receive()
		}
		r.waited = r.since(began)
		if out.stale {
			r.exchange.release(false)
			continue
		}
		if out.failure != nil {
			r.endExchange(out.failure.ending())
		}
		return out
	}
}

// send sends the request, or as much of it as has come: the rest follows while the answer is
// awaited.
func (r *request) send() outcome {
	x := &r.exchange
	r.head.Backend = x.attempt.Backend.Authority()
	x.out = r.head.AppendHead(x.out[:0])
	x.out = append(x.out, r.upload.ready...)
	if r.upload.complete() {
		return r.sent(x.ask())
	}
	if x.conn.Stale() {
		return outcome{stale: true}
	}
	if _, err := x.conn.Write(x.out); err != nil {
		return r.sent(err)
	}
	r.upload.start(r)
	return outcome{}
}

// sent is the outcome of sending.
func (r *request) sent(err error) outcome {
	switch err {
	case nil:
		return outcome{}
	case netconn.ErrStale:
		return outcome{stale: true}
	}
	doing := "sending the request"
	if x := &r.exchange; x.conn.Sent() == int64(len(x.out)) {
		doing = "awaiting the response"
	}
	return r.broken(fmt.Errorf("%s: %w", doing, noEOF(err)))
}

// maxInterim is how many answers that aren't final may come before the one that is.
const maxInterim = 16

// errInterim refuses the one that is too many.
func errInterim(head []byte) error {
	detail := fmt.Sprintf("more than %d interim responses", maxInterim)
	return refuseResponse("interim-count", detail, head, 0)
}

// receive reads the answer's header, and passes on those of interim answers.
func (r *request) receive() outcome {
	x := &r.exchange
	for range maxInterim {
		if err := x.readHead(); err != nil {
			return r.broken(fmt.Errorf("awaiting the response: %w", err))
		}
		r.noteMended()
		if !x.answer.Interim() {
			x.conn.Relay()
			if r.upload.running {
				r.session.Forgive()
			}
			return r.checkSwitch()
		}
		x.doubtful = x.doubtful || !x.answer.KeepAlive
		if err := r.relayInterim(); err != nil {
			return outcome{failure: clientGone, cause: err}
		}
	}
	return outcome{failure: backendBad, cause: errInterim(x.head)}
}

// checkSwitch looks whether the request asked for what a 101 switches to.
func (r *request) checkSwitch() outcome {
	x := &r.exchange
	if x.answer.Status != http1.StatusSwitching {
		return outcome{}
	}
	if why := x.answer.CheckSwitch(&r.header, r.head.Upgrade); why != nil {
		return outcome{failure: backendBad, cause: why}
	}
	return outcome{}
}

// broken is the outcome when there is no answer.
func (r *request) broken(err error) outcome {
	if r.upload.stop(r); r.upload.failure != nil {
		return outcome{failure: r.upload.failure, cause: r.upload.cause}
	}
	if errors.Is(err, netconn.ErrAbandoned) {
		return outcome{failure: clientGone, cause: err}
	}
	return outcome{failure: lateOrBad(err), cause: err, resend: r.mayResend()}
}

// mayResend reports whether sending the request again can't do harm: nothing of it was sent, or it
// is idempotent, has no body, and not one byte came back. What is late isn't sent again: the client
// waited long enough, and the backend may still be at it. A body can't be sent again once a part of
// it was sent on.
func (r *request) mayResend() bool {
	conn := r.exchange.conn
	if conn.Err() == netconn.ErrTimeout || r.upload.started {
		return false
	}
	return conn.Sent() == 0 || conn.Received() == 0 && !r.header.HasBody() && r.header.Idempotent()
}

// endExchange ends the exchange, if there is one. Its connection is kept only if the whole request
// was sent.
func (r *request) endExchange(how ending) {
	if r.exchange.attempt.Backend == nil {
		return
	}
	if r.upload.stop(r); !r.upload.complete() {
		// The rest of the body is still to come, and nobody wants it.
		r.last = true
		how = max(how, dropped)
	}
	r.exchange.close(how)
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
