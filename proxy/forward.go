package proxy

import (
	"errors"
	"fmt"
	"net"
	"time"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/outcome"
)

// forward sends the request to a backend and reads the response's head. If that fails, it tries
// again for as long as another attempt can't do harm and the pool grants one. The pool is asked
// when nothing of the client has to be waited for, since each attempt takes a place.
func (r *request) forward() error {
	if err := r.upload.prepare(r.route.BodyWait); err != nil {
		return err
	}
	attempts := r.route.Pool.Attempts(r.holder(), r.route.Retry)
	a, err := attempts.Next()
	if err != nil {
		return unpicked(err)
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

// unpicked is the failure of a request that no backend can take.
func unpicked(err error) error {
	switch err {
	case balancer.ErrBusy:
		return outcome.BackendBusy
	case balancer.ErrClientShare:
		return outcome.ClientShare
	}
	return outcome.NoBackend
}

// retry ends an attempt that failed, and takes a place for another one. Where the pool grants none,
// the failure stands.
func (r *request) retry(attempts *balancer.Attempts, failure error) (balancer.Attempt, error) {
	f, cause, _ := outcome.Explain(failure)
	r.end(endingFor(f))
	if r.stream.Ended() {
		cause = fmt.Errorf("the client ended its side before a retry: %w", cause)
		return balancer.Attempt{}, outcome.ClientGone.Because(cause)
	}
	a, err := attempts.Next()
	if err != nil {
		return balancer.Attempt{}, failure
	}
	r.record.Retried()
	sent := &r.result.Sent
	sent.Before = append(sent.Before, outcome.Attempt{Backend: sent.Backend, Cause: cause})
	return a, nil
}

// attempt is one exchange with a backend, up to the response's head, and reports whether another
// attempt can't do harm if this one failed. The exchange stays open. Connections that went stale
// while nobody used them don't count as attempts: each one that turns up leaves the pool.
func (r *request) attempt(a balancer.Attempt) (again bool, failure error) {
	r.result.Sent.Backend = a.Backend
	r.exchange.attempt = a
	for {
		if err := r.exchange.open(r.stream.Link()); err != nil {
			return true, lateOrBad(err)
		}
		if r.endedMeanwhile() {
			r.exchange.release(true)
			return false, outcome.ClientGone.Because(errEndedMeanwhile)
		}
		began := r.clock()
		err := r.send()
		if err == nil {
			err = r.receive()
		}
		r.result.Sent.Waited = r.since(began)
		switch err {
		case nil:
			return false, nil
		case netconn.ErrStale:
			r.exchange.release(false)
		default:
			return r.judge(err)
		}
	}
}

// longConnect is from when on a connect is a wait that ends with the client's side. Clients that
// end it behind their request, as scripts do, don't pay for one that is quick.
const longConnect = 250 * time.Millisecond

var errEndedMeanwhile = errors.New("the client ended its side while a connection was made")

// endedMeanwhile reports whether the client ended its side during a long connect. Nothing was sent.
func (r *request) endedMeanwhile() bool {
	return r.exchange.Conn.Connecting() > longConnect && r.stream.Ended()
}

// send sends the request, or as much of it as has come: the rest follows while the response is
// awaited.
func (r *request) send() error {
	x, u := &r.exchange, &r.upload
	r.head.Backend = x.attempt.Backend.Authority()
	err := x.Send(&r.head, u.ready, u.complete(), r.stream.Trailers())
	switch {
	case err == netconn.ErrStale:
		return err
	case err != nil && x.Asked():
		return fmt.Errorf("awaiting the response: %w", err)
	case err != nil:
		return fmt.Errorf("sending the request: %w", err)
	case !u.complete():
		u.start()
	}
	return nil
}

// receive reads the response's head, and passes interim responses on.
func (r *request) receive() error {
	x := &r.exchange
	for {
		if err := x.ReadHead(); err != nil {
			return fmt.Errorf("awaiting the response: %w", err)
		}
		if faults := x.Response.Mended; faults != 0 {
			r.record.Mended(r.result.Sent.Backend, faults)
		}
		if !x.Response.Interim() {
			return r.checkSwitch()
		}
		if err := r.inform(); err != nil {
			return outcome.ClientGone.Because(err)
		}
	}
}

// checkSwitch refuses a 101 that the request did not ask for.
func (r *request) checkSwitch() error {
	a := &r.exchange.Response
	if a.Status != http1.StatusSwitching {
		return nil
	}
	if why := a.CheckSwitch(r.head.Received, r.head.Upgrade); why != nil {
		return outcome.BackendBad.Because(why)
	}
	return nil
}

// judge makes an attempt's error a failure, and reports whether another attempt can't do harm.
func (r *request) judge(err error) (again bool, failure error) {
	var known *outcome.Failure
	if errors.As(err, &known) {
		return false, err
	}
	failure = r.broken(err)
	f, _, _ := outcome.Explain(failure)
	return endingFor(f) == broke && r.mayRetry(), failure
}

// broken is the failure of an exchange that broke.
func (r *request) broken(err error) error {
	if r.upload.stop(); r.upload.failure != nil {
		return r.upload.failure
	}
	if errors.Is(err, netconn.ErrAbandoned) {
		return outcome.ClientGone.Because(err)
	}
	return lateOrBad(err)
}

// mayRetry reports whether sending the request again can't do harm: nothing of it was sent, or it
// is idempotent, has no body, and not one byte came back. What is late isn't sent again: the client
// waited long enough, and the backend may still be at it. A body can't be sent again once a part of
// it was sent on.
func (r *request) mayRetry() bool {
	conn, h := r.exchange.Conn, r.head.Received
	if conn.Err() == netconn.ErrTimeout || r.upload.started {
		return false
	}
	return conn.Sent() == 0 || conn.Received() == 0 && !h.HasBody() && h.Idempotent()
}

// end ends the exchange, if there is one. Its connection is kept only if the whole request was
// sent.
func (r *request) end(how ending) {
	if r.exchange.attempt.Backend == nil {
		return
	}
	if r.upload.stop(); !r.upload.complete() {
		// The rest of the body is still to come, and nobody wants it.
		r.stream.Last()
		how = max(how, dropped)
	}
	r.exchange.close(how)
}

// endingFor is what a failure means for the exchange that it happened in.
func endingFor(f *outcome.Failure) ending {
	if f == outcome.BackendBad || f == outcome.BackendLate {
		return broke
	}
	return dropped
}

func lateOrBad(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return outcome.BackendLate.Because(err)
	}
	return outcome.BackendBad.Because(err)
}
