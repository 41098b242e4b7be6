package balancer

import (
	"errors"
	"time"
)

// ErrNoRetry is the error of Attempts.Next for a request that has had all its retries.
var ErrNoRetry = errors.New("the request was retried as often as it may be")

// ErrBudget is the error of Attempts.Next for a request whose pool has had as many retries as it
// may have now.
var ErrBudget = errors.New("the pool has had as many retries as it may have now")

// MaxRetries is the greatest Retry.Most.
const MaxRetries = maxTried - 1

// Retry bounds the retries of a request: the attempts after its first one.
type Retry struct {
	// Most is how many there may be, up to MaxRetries.
	Most int
}

// Attempts choose the backends of one request: first the one that the pool's strategy picks, and
// for each retry another. They take no lock where nobody waits for a place, and allocate nothing.
// It is up to the caller whether a retry is safe.
type Attempts struct {
	pool   *Pool
	client Client
	tried  tried
	// left is how many attempts may still be made.
	left int
	// again is true if the last attempt was the second one at its backend.
	again bool
	// waited is how long it has waited for places.
	waited time.Duration
}

// Attempts returns the attempts of a client's request.
func (p *Pool) Attempts(c Client, r Retry) Attempts {
	return Attempts{pool: p, client: c, left: 1 + min(r.Most, MaxRetries)}
}

// Next takes a place for the next attempt at a backend that wasn't tried yet, and passes over those
// that have no place for the client. If no other backend has one, it is the last one tried, once
// more, unless that was removed: then Fresh is set. The backend may stop being healthy the moment
// after.
//
// The error is ErrNoneHealthy, ErrBusy, ErrClientShare, ErrNoRetry or ErrBudget; then there is no
// attempt, and none counts. The attempt before holds its place meanwhile if it hasn't ended, as one
// whose response is to be used if there is no other.
func (a *Attempts) Next() (Attempt, error) {
	if err := a.allow(); err != nil {
		return Attempt{}, err
	}
	next, err := a.pick()
	if err != nil {
		a.takeBack()
		// It may have held one of the pool's places for a moment, which others may have missed.
		a.pool.queue.offer()
		return Attempt{}, err
	}
	a.count(next)
	return next, nil
}

// Await is Next, but waits for a place if there is none, behind those that matter as much. A retry
// waits in front of all, with the same Timeout; the attempt before must have ended, so that it
// doesn't wait for its own place. The error may also be ErrQueueFull, ErrQueueTimeout or ErrLeft. A
// retry that has waited in vain counts in the budget.
func (a *Attempts) Await(w Wait) (Attempt, error) {
	next, waiter, err := a.ask(w)
	if waiter == nil {
		return next, err
	}
	<-waiter.done
	return a.taken(waiter)
}

// Waited is how long the request has waited for places until now.
func (a *Attempts) Waited() time.Duration { return a.waited }

// ask is Await, but returns a waiter instead of waiting. Once that is done, taken has the attempt.
func (a *Attempts) ask(w Wait) (Attempt, *waiter, error) {
	if err := a.allow(); err != nil {
		return Attempt{}, nil, err
	}
	q := &a.pool.queue
	if q.isEmpty() {
		next, err := a.pick()
		if err == nil {
			a.count(next)
			return next, nil, nil
		}
		if err != ErrBusy {
			a.takeBack()
			q.offer() // as in Next
			return Attempt{}, nil, err
		}
	}
	waiter, err := q.enter(a, w)
	if err != nil {
		a.takeBack()
		q.offer()
	}
	return Attempt{}, waiter, err
}

// taken is the attempt that a waiter got.
func (a *Attempts) taken(x *waiter) (Attempt, error) {
	next, waited, err := a.pool.queue.release(x)
	a.waited += waited
	if err == nil {
		a.count(next)
	}
	return next, err
}

// isRetry reports whether the next attempt is one.
func (a *Attempts) isRetry() bool { return a.tried.n > 0 }

// allow reports whether there may be another attempt. For a retry it spends some of the budget.
func (a *Attempts) allow() error {
	switch {
	case a.left == 0:
		return ErrNoRetry
	case a.isRetry() && !a.pool.budget.take():
		return ErrBudget
	}
	return nil
}

// takeBack gives back what allow has spent, as there was no attempt.
func (a *Attempts) takeBack() {
	if a.isRetry() {
		a.pool.budget.giveBack()
	}
}

// count notes an attempt that is made.
func (a *Attempts) count(next Attempt) {
	if a.isRetry() {
		a.tried.last().retried.Add(1)
	}
	a.left--
	a.again = next.Fresh
	if !next.Fresh {
		a.tried = a.tried.with(next.Backend)
	}
}

// pick takes a place at a backend that wasn't tried, or again at the last one, and one of the
// pool's if those are bounded.
func (a *Attempts) pick() (next Attempt, err error) {
	p := a.pool
	next = Attempt{pool: p, holder: a.client.Holder, bounded: p.places.most.Load() > 0}
	if next.bounded {
		if err := p.places.take(0); err != nil {
			return Attempt{}, p.busy()
		}
	}
	next.Backend, err = p.pick(&a.client, &a.tried)
	if err != nil && a.isRetry() && !a.again && !a.tried.last().removed.Load() {
		next.Backend, next.Fresh = a.tried.last(), true
		err = next.Backend.begin(a.client.Holder)
	}
	if err != nil {
		if next.bounded {
			p.places.giveBack(0)
		}
		return Attempt{}, err
	}
	return next, nil
}

// Attempt is one attempt of a request: a place at a backend, until End gives it back.
type Attempt struct {
	Backend *Backend
	// Fresh asks for a connection that was never used, since the backend has just failed the same
	// request.
	Fresh bool

	pool   *Pool
	holder uint64
	// bounded reports whether it has one of the pool's places, too.
	bounded bool
}

// End gives the place back, to a request that waits if there is one. It must be called exactly
// once.
func (a Attempt) End(r Result) {
	a.Backend.end(a.holder, r)
	if a.bounded {
		a.pool.places.giveBack(0)
	}
	//mutant:drop a-place-is-not-handed-on
	a.pool.queue.offer()
}
