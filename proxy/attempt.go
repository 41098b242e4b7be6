package proxy

import (
	"errors"
	"fmt"
	"time"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/outcome"
)

// forward sends the request to a backend and reads the response's head. If that fails, or has a
// status that is retried, it tries again for as long as another attempt can't do harm and the pool
// grants one. The pool is asked when nothing of the client has to be waited for, since each attempt
// takes a place.
func (r *request) forward() error {
	if err := r.prepare(); err != nil {
		return err
	}
	attempts := r.to.Pool.Attempts(r.client, r.to.Retry.Retry)
	a, err := r.await(&attempts)
	if err != nil {
		return outcome.OfPick(err)
	}
	for {
		again, err := r.attempt(a)
		if again {
			a, again, err = r.retry(&attempts, err)
		}
		if !again {
			return err
		}
	}
}

// await takes a place for the next attempt, and waits for it if there is none.
func (r *request) await(attempts *balancer.Attempts) (balancer.Attempt, error) {
	a, err := attempts.Await(balancer.Wait{Priority: r.chosen.Priority, For: r.stream.Awaiter()})
	if waited := attempts.Waited(); waited > 0 {
		r.result.Times.Queued(waited)
	}
	return a, err
}

// ended reports whether the client has ended its side, or has left.
func (r *request) ended() bool { return r.stream.Awaiter().Ended() }

// prepare takes what has come of the request's body: see upload.prepare. The time that it waits is
// the client's. By HTTP/2 a body that is said to be empty hasn't ended with the head, and may turn
// out to be none.
func (r *request) prepare() error {
	if !r.head.Received.HasBody() && r.stream.Complete() {
		return nil
	}
	r.result.Times.Enter(outcome.ClientPart)
	err := r.exchange.prepare(r.chosen.BodyWait, r.to.Retry.Body)
	r.result.Times.Enter(outcome.OwnPart)
	return err
}

// abandon ends the exchange, if there is one, after a failure.
func (r *request) abandon(failure error) { r.exchange.end(false, outcome.FaultOf(failure)) }

// attempt is one exchange with a backend, up to the response's head, and reports whether another
// attempt is wanted and can't do harm: this one failed, or there is no failure but a response whose
// status is retried. The exchange stays open. Connections that went stale while nobody used them
// don't count as attempts: each one that turns up leaves the pool.
func (r *request) attempt(a balancer.Attempt) (again bool, failure error) {
	x := &r.exchange
	r.result.Sent.Backend = a.Backend
	x.attempt, x.shown, x.informed = a, balancer.Result{}, false
	r.result.Times.Enter(outcome.BackendPart)
	again, failure = r.try()
	x.shown.Latency = r.result.Times.Enter(outcome.OwnPart)
	r.result.Sent.Waited = x.shown.Latency
	return again, failure
}

// try is the attempt, without what is noted of it.
func (r *request) try() (again bool, failure error) {
	x := &r.exchange
	for {
		if err := x.connect(r.stream.Awaiter(), r.to); err != nil {
			return true, outcome.OfExchange(err)
		}
		if x.Conn.Connecting() > longConnect && r.ended() {
			x.giveBack(true)
			return false, outcome.ClientGone.Because(errEnded)
		}
		stale, err := x.send(&r.head)
		if err == nil && !stale {
			err = r.receive()
		}
		if !stale {
			return r.judge(err)
		}
		x.giveBack(false)
	}
}

// longConnect is from when on a connect is a wait that ends with the client's side. Clients that
// end it behind their request, as scripts do, don't pay for one that is quick.
const longConnect = 250 * time.Millisecond

var errEnded = errors.New("the client ended its side while a connection was made")

// receive reads the response's head, and passes interim responses on.
func (r *request) receive() error {
	a := &r.exchange.Response
	for {
		if err := r.exchange.ReadHead(); err != nil {
			return fmt.Errorf("awaiting the response: %w", err)
		}
		if a.Mended != 0 {
			b := r.result.Sent.Backend
			r.record.Mended(b, &hostClientOf(b).faults, a.Mended)
		}
		if !a.Interim() {
			r.exchange.shown.Status = a.Status
			return nil
		}
		r.beginResponse()
		sent, err := r.stream.Inform(&r.response)
		if err != nil {
			return outcome.ClientGone.Because(err)
		}
		if sent {
			r.exchange.informed = true
			r.record.Informed()
		}
	}
}

// judge makes an attempt's error a failure, and reports whether another attempt is wanted and can't
// do harm.
func (r *request) judge(err error) (again bool, failure error) {
	switch {
	case err == nil:
		return r.to.Retry.Statuses.Has(r.exchange.shown.Status) && r.exchange.mayResend(), nil
	case outcome.IsFailure(err):
		return false, err
	}
	failure = outcome.OfExchange(r.exchange.cause(err))
	return outcome.ByBackend(failure) && r.exchange.mayRetry(), failure
}
