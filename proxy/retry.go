package proxy

import (
	"fmt"
	"math/rand/v2"
	"time"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/outcome"
)

// Retry is which requests are retried, and how. The zero value retries none.
type Retry struct {
	balancer.Retry
	// Statuses are those of responses after which another backend is asked.
	Statuses balancer.StatusSet
	// PerTry bounds an attempt up to the response's head if another one could follow it, its
	// connect in any case; 0 doesn't.
	PerTry time.Duration
	// Backoff bounds the random wait before the second retry. It is twice as long before the third,
	// and up to MaxBackoff. The first retry is made at once.
	Backoff, MaxBackoff time.Duration
	// Body is how many bytes of a request's body are kept, so that it can be sent again.
	Body int
}

// retry ends an attempt that failed, or whose response has a status that is retried, and takes a
// place for another one. Where the pool grants none, the failure stands, and so does the response.
func (r *request) retry(attempts *balancer.Attempts, failure error) (a balancer.Attempt, ok bool, _ error) {
	sent := r.exchange.Conn != nil
	if failure != nil {
		r.exchange.give(outcome.FaultOf(failure))
	}
	if r.pause() {
		return balancer.Attempt{}, false, r.leftBeforeRetry(failure)
	}
	a, err := r.another(attempts, failure)
	if err != nil {
		if err == balancer.ErrLeft {
			failure = r.leftBeforeRetry(failure)
		} else if err != balancer.ErrNoRetry {
			r.result.Sent.NoRetry = err
		}
		if failure != nil && sent {
			r.exchange.upload.leave()
		}
		return balancer.Attempt{}, false, failure
	}
	r.record.Retried()
	if failure == nil {
		failure = outcome.BackendBad.Because(fmt.Errorf("status %d", r.exchange.Response.Status))
		r.exchange.drop()
	}
	r.result.Retry(failure)
	r.exchange.upload.again()
	return a, true, nil
}

// another takes a place for a retry. It waits for one only if there is nothing better: not if there
// is a response, which holds a place for as long.
func (r *request) another(attempts *balancer.Attempts, failure error) (balancer.Attempt, error) {
	if failure == nil {
		return attempts.Next()
	}
	return r.await(attempts)
}

// leftBeforeRetry is the failure of a client that didn't wait for a retry; nil if there is a
// response that it may still read.
func (r *request) leftBeforeRetry(failure error) error {
	if failure == nil {
		return nil
	}
	cause := outcome.Explain(failure).Cause
	return outcome.ClientGone.Because(fmt.Errorf("the client ended its side before a retry: %w", cause))
}

// glance is the time between two looks at a client that waits for a retry.
const glance = 20 * time.Millisecond

// pause waits before a retry, unless it is the first one, and reports whether the client has left
// meanwhile. It ends soon after that.
func (r *request) pause() (left bool) {
	for wait := r.to.Retry.wait(len(r.result.Sent.Before)); wait > 0 && !r.ended(); wait -= glance {
		time.Sleep(min(wait, glance))
	}
	return r.ended()
}

// wait is how long to wait before a retry, after so many others.
func (s *Retry) wait(others int) time.Duration {
	if others == 0 || s.Backoff <= 0 {
		return 0
	}
	return rand.N(min(s.Backoff<<(others-1), max(s.MaxBackoff, s.Backoff)) + 1)
}
