package balancer

import "errors"

// ErrNoRetry is the error of Attempts.Next for a request that has had all its retries.
var ErrNoRetry = errors.New("the request was retried as often as it may be")

// MaxRetries is the greatest Retry.Most.
const MaxRetries = 3

// Retry bounds the retries of a request: the attempts after its first one.
type Retry struct {
	// Most is how many there may be, up to MaxRetries.
	Most int
}

// Attempts choose the backends of one request: first the one that the pool's strategy picks, then
// others. They take no lock and allocate nothing. Whether a retry is safe is up to the caller.
type Attempts struct {
	pool   *Pool
	client uint64
	tried  tried
	// left is how many attempts may still be made.
	left int
	// fresh reports whether the last attempt was a second one at its backend.
	fresh bool
}

// Attempts are those of a client's request. The client is a hash of whoever Settings.ClientShare
// bounds; 0 is nobody.
func (p *Pool) Attempts(client uint64, r Retry) Attempts {
	return Attempts{pool: p, client: client, left: 1 + min(r.Most, MaxRetries)}
}

// Next takes a place for the next attempt, at a backend that wasn't tried yet. Where no other
// backend has a place, it is the last one that was tried, once more and Fresh. A backend that has
// no place for the client is passed over, and may stop being healthy the moment after.
//
// Without an error the caller must call End before it calls Next again. The error is
// ErrNoneHealthy, ErrBusy, ErrClientShare or ErrNoRetry, and then Next changed nothing.
func (a *Attempts) Next() (Attempt, error) {
	if a.left == 0 {
		return Attempt{}, ErrNoRetry
	}
	b, err := a.pool.pick(a.client, a.tried)
	again := err != nil && a.tried.n > 0 && !a.fresh
	if again {
		b = a.tried.last()
		err = b.begin(a.client)
	}
	if err != nil {
		return Attempt{}, err
	}
	a.left--
	a.fresh = again
	if !again {
		a.tried = a.tried.with(b)
	}
	return Attempt{Backend: b, Fresh: again, client: a.client}, nil
}

// Attempt is a place at a backend, for one attempt of a request.
type Attempt struct {
	Backend *Backend
	// Fresh reports whether the attempt needs a connection that was never used, since the backend
	// has just failed the same request.
	Fresh bool

	client uint64
}

// End gives the place back. It must be called once.
func (a Attempt) End(r Result) { a.Backend.end(a.client, r) }

// Result is what an attempt showed of its backend. All that strategies and health may come to learn
// from live traffic belongs here.
type Result struct {
	// Failed reports whether the backend broke the attempt.
	Failed bool
}
