package balancer

import "errors"

// ErrNoRetry is the error of Attempts.Next for a request that has had all its retries.
var ErrNoRetry = errors.New("the request was retried as often as it may be")

// MaxRetries is the greatest Retry.Most.
const MaxRetries = maxTried - 1

// Retry bounds the retries of a request: the attempts after its first one.
type Retry struct {
	// Most is how many there may be, up to MaxRetries.
	Most int
}

// Attempts choose the backends of one request: first the one that the pool's strategy picks, and
// for each retry another. They take no lock and allocate nothing. It is up to the caller whether a
// retry is safe.
type Attempts struct {
	pool   *Pool
	client uint64
	tried  tried
	// left is how many attempts may still be made.
	left int
	// again is true if the last attempt was the second one at its backend.
	again bool
}

// Attempts returns the attempts of a client's request. The client is a hash of whoever
// Settings.ClientShare bounds; 0 is nobody.
func (p *Pool) Attempts(client uint64, r Retry) Attempts {
	return Attempts{pool: p, client: client, left: 1 + min(r.Most, MaxRetries)}
}

// Next takes a place for the next attempt at a backend that wasn't tried yet, and passes over those
// that have no place for the client. If no other backend has one, it is the last one tried, once
// more: then Fresh is set. The backend may stop being healthy the moment after.
//
// The caller must call the attempt's End before the next Next. The error is ErrNoneHealthy,
// ErrBusy, ErrClientShare or ErrNoRetry; then there is no attempt, and none counts.
func (a *Attempts) Next() (Attempt, error) {
	if a.left == 0 {
		return Attempt{}, ErrNoRetry
	}
	b, err := a.pool.pick(a.client, a.tried)
	again := err != nil && a.tried.n > 0 && !a.again
	if again {
		b = a.tried.last()
		err = b.begin(a.client)
	}
	if err != nil {
		return Attempt{}, err
	}
	a.left--
	a.again = again
	if !again {
		a.tried = a.tried.with(b)
	}
	return Attempt{Backend: b, Fresh: again, client: a.client}, nil
}

// Attempt is one attempt of a request: a place at a backend, until End gives it back.
type Attempt struct {
	Backend *Backend
	// Fresh asks for a connection that was never used, since the backend has just failed the same
	// request.
	Fresh bool

	client uint64
}

// End gives the place back. It must be called exactly once.
func (a Attempt) End(r Result) { a.Backend.end(a.client, r) }
