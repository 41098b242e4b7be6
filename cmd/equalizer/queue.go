package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"gopher-equalizer/api"
)

// queue lets reloads run one after the other: one runs, one waits, and further ones are refused.
// None begins before open, and none after close.
type queue struct {
	// ctx is that of the reloads, and ends with close.
	ctx    context.Context
	cancel context.CancelFunc

	mu sync.Mutex
	// refused is why no reload may begin; nil if one may.
	refused error
	// ended is closed when none runs any more; nil while none runs. since is when the one that runs
	// began.
	ended chan struct{}
	since time.Time
	// next is closed when the turn of the one that waits has come; nil if none waits.
	next chan struct{}
}

func newQueue() *queue {
	q := &queue{refused: api.ErrStarting}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	return q
}

// open lets reloads begin, if close wasn't called before.
func (q *queue) open() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.refused == api.ErrStarting {
		q.refused = nil
	}
}

// close lets no more reloads begin or publish anything, and cancels the one that runs.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refused = api.ErrStopping
	q.cancel()
}

// wait returns when no reload runs. If ctx ends first, it returns the cause of that.
func (q *queue) wait(ctx context.Context) error {
	q.mu.Lock()
	ended := q.ended
	q.mu.Unlock()
	if ended == nil {
		return nil
	}
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// enterIfFree is enter for who rather comes back later than waits or has others not wait.
func (q *queue) enterIfFree() error {
	_, err := q.line(false)
	return err
}

// enter waits for the caller's turn. Unless it returns an error, the caller must call leave.
func (q *queue) enter() error {
	turn, err := q.line(true)
	if turn == nil || err != nil {
		return err
	}
	select {
	case <-turn:
		return nil
	case <-q.ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.next == turn {
		q.next = nil
		return q.refused
	}
	return nil // The turn has come at the same time.
}

// line begins the caller's turn, or has it wait for the returned channel if it may.
func (q *queue) line(mayWait bool) (turn chan struct{}, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.refused != nil:
		return nil, q.refused
	case q.ended == nil:
		q.ended, q.since = make(chan struct{}), time.Now()
		return nil, nil
	case !mayWait:
		return nil, api.ErrReloading
	case q.next != nil:
		return nil, fmt.Errorf("%w: one runs since %s, and another waits for it; ask again when they are done",
			api.ErrReloading, q.since.UTC().Format(time.RFC3339))
	}
	q.next = make(chan struct{})
	return q.next, nil
}

// leave ends the caller's turn.
func (q *queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.next != nil {
		close(q.next)
		q.next, q.since = nil, time.Now()
		return
	}
	close(q.ended)
	q.ended = nil
}

// publish calls apply, unless the process is to stop. No stop begins meanwhile, so apply must be
// quick.
func (q *queue) publish(apply func()) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.refused != nil {
		return q.refused
	}
	apply()
	return nil
}
