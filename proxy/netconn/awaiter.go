package netconn

import "sync/atomic"

// Awaiter is who waits for a place at a backend, then for its response, and may leave meanwhile: a
// client, or one of several requests that it has sent.
type Awaiter struct {
	// client is whose reset is looked for; nil if Leave says all.
	client *Client
	left   atomic.Bool
	// backend is where the exchange runs; nil if none does.
	backend atomic.Pointer[Backend]
}

// Leave notes that nobody waits any more, and has the Read from the backend fail.
func (a *Awaiter) Leave() {
	a.left.Store(true)
	if b := a.backend.Load(); b != nil {
		b.wakeRead()
	}
}

// Ended reports whether nobody waits any more for what hasn't begun: the client has ended its side,
// or Leave was called. It may be called at any time, by any goroutine.
func (a *Awaiter) Ended() bool { return a.Left() || a.client != nil && a.client.Ended() }

// Left reports whether Leave was called, or a reset was seen.
func (a *Awaiter) Left() bool { return a.left.Load() }

// Return tells the awaiter to wait for something else.
func (a *Awaiter) Return() { a.left.Store(false) }

// hasLeft looks whether nobody waits any more. A client that has only ended its side may still
// read. Nothing tells it from one that is gone until something is sent to it.
func (a *Awaiter) hasLeft() bool {
	if a.client != nil && a.client.isReset() {
		a.left.Store(true)
	}
	return a.left.Load()
}
