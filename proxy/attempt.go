package proxy

import (
	"fmt"
	"time"

	"gopher-equalizer/balancer"
)

// forward sends the request to a backend and reads the response's head. If that fails, it tries
// again for as long as another attempt can't do harm and the pool grants one. The pool is asked
// when nothing of the client has to be waited for, since each attempt takes a place.
func (r *request) forward() error {
	if err := r.exchange.prepare(r.chosen.BodyWait); err != nil {
		return err
	}
	attempts := r.to.Pool.Attempts(r.holder, r.chosen.Retry)
	a, err := attempts.Next()
	if err != nil {
		return pickFailure(err)
	}
	for {
		again, err := r.attempt(a)
		if !again {
			return err
		}
		if a, err = r.retry(&attempts, err); err != nil {
			return err
		}
	}
}

// retry ends an attempt that failed, and takes a place for another one. Where the pool grants none,
// the failure stands.
func (r *request) retry(attempts *balancer.Attempts, failure error) (balancer.Attempt, error) {
	r.abandon(failure)
	if r.stream.Ended() {
		return balancer.Attempt{}, unretriedFailure(failure)
	}
	a, err := attempts.Next()
	if err != nil {
		return balancer.Attempt{}, failure
	}
	r.record.Retried()
	r.result.Retry(failure)
	return a, nil
}

// abandon ends the exchange, if there is one, after a failure.
func (r *request) abandon(failure error) { r.exchange.end(false, byBackend(failure)) }

// attempt is one exchange with a backend, up to the response's head, and reports whether another
// attempt can't do harm if this one failed. The exchange stays open. Connections that went stale
// while nobody used them don't count as attempts: each one that turns up leaves the pool.
func (r *request) attempt(a balancer.Attempt) (again bool, failure error) {
	x := &r.exchange
	r.result.Sent.Backend, x.attempt = a.Backend, a
	for {
		if err := x.connect(r.stream.Link(), r.to.Timeouts); err != nil {
			return true, exchangeFailure(err)
		}
		if x.Conn.Connecting() > longConnect && r.stream.Ended() {
			x.giveBack(true)
			return false, endedFailure()
		}
		began := r.clock()
		stale, err := x.send(&r.head)
		if err == nil && !stale {
			err = r.receive()
		}
		r.result.Sent.Waited = r.since(began)
		if !stale {
			return r.judge(err)
		}
		x.giveBack(false)
	}
}

// longConnect is from when on a connect is a wait that ends with the client's side. Clients that
// end it behind their request, as scripts do, don't pay for one that is quick.
const longConnect = 250 * time.Millisecond

// receive reads the response's head, and passes interim responses on.
func (r *request) receive() error {
	a := &r.exchange.Response
	for {
		if err := r.exchange.ReadHead(); err != nil {
			return fmt.Errorf("awaiting the response: %w", err)
		}
		if a.Mended != 0 {
			r.record.Mended(r.result.Sent.Backend, a.Mended)
		}
		if !a.Interim() {
			return nil
		}
		r.beginResponse()
		sent, err := r.stream.Inform(&r.response)
		if err != nil {
			return uninformedFailure(err)
		}
		if sent {
			r.record.Informed()
		}
	}
}

// judge makes an attempt's error a failure, and reports whether another attempt can't do harm.
func (r *request) judge(err error) (again bool, failure error) {
	if err == nil || isFailure(err) {
		return false, err
	}
	failure = exchangeFailure(r.exchange.cause(err))
	return byBackend(failure) && r.exchange.mayRetry(), failure
}
