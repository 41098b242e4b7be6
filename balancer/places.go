package balancer

import (
	"errors"
	"sync/atomic"
)

// Why there is no place for a request.
var (
	// ErrNoneHealthy: no backend may get requests, or none that the request hasn't tried.
	ErrNoneHealthy = errors.New("no backend is healthy")
	// ErrBusy: all healthy backends have as many requests as they may, or the pool has.
	ErrBusy = errors.New("all connections to the healthy backends are taken")
	// ErrClientShare: there are places, but the client holds its share of them.
	ErrClientShare = errors.New("the client holds its share of the connections to each healthy backend that has one free")
	// ErrQueueFull: as many requests as may wait do, and none of them matters less.
	ErrQueueFull = errors.New("the queue for the backends is full")
	// ErrQueueTimeout: the request has waited for a place as long as it may.
	ErrQueueTimeout = errors.New("no backend had room in time")
	// ErrLeft: the client left while its request waited.
	ErrLeft = errors.New("the client left while its request waited for a backend")
)

// inFlightBits is how many low bits of places.word count the requests in flight. They are enough
// for two millions.
const (
	inFlightBits = 21
	inFlightMask = 1<<inFlightBits - 1
	// oneRequest is a request that begins: one more in all, and one more in flight.
	oneRequest = 1<<inFlightBits | 1
	// unbounded is how many there may be where there is no bound.
	unbounded = inFlightMask / 2
)

// places are what requests hold at a backend, or in a pool that bounds all of its requests, one
// each. A request that begins or ends changes one word.
type places struct {
	// most is how many places there are; 0 is no bound.
	most atomic.Uint64
	// word counts all requests in the high bits, and those in flight in the low ones.
	word atomic.Uint64
	// shares bounds what one client holds; nil is no bound.
	shares atomic.Pointer[shares]
}

// bound changes how many places there are, and the share of them that one client may hold. If more
// are taken than there are now, nothing is taken away.
func (p *places) bound(most int, share float64) {
	p.most.Store(uint64(most))
	p.shares.Store(p.shares.Load().resized(uint64(most), share))
}

// take takes a place for a client. The error is ErrBusy or ErrClientShare. One that it doesn't get
// was never taken, not even for a moment: another request could have found none for that.
func (p *places) take(client uint64) error {
	most, shares := p.most.Load(), p.shares.Load()
	if most == 0 && shares == nil {
		return p.takeUnbounded()
	}
	if most == 0 {
		most = unbounded
	}
	return p.takeBounded(client, most, shares)
}

func (p *places) takeBounded(client, most uint64, shares *shares) error {
	word := p.word.Load()
	//mutant:false more-are-in-flight-than-may-be
	if word&inFlightMask >= most {
		return ErrBusy
	}
	if !shares.take(client) {
		return ErrClientShare
	}
	for !p.word.CompareAndSwap(word, word+oneRequest) {
		if word = p.word.Load(); word&inFlightMask >= most {
			shares.giveBack(client)
			return ErrBusy
		}
	}
	return nil
}

// takeUnbounded is take where nothing is bounded. It writes without a look first, because another
// processor may have the word, and would have to send it twice.
func (p *places) takeUnbounded() error {
	if p.word.Add(oneRequest)&inFlightMask > unbounded {
		p.word.Add(^uint64(oneRequest - 1))
		return ErrBusy
	}
	return nil
}

// full reports whether all places are taken.
func (p *places) full() bool {
	most := p.most.Load()
	return most > 0 && p.inFlight() >= most
}

// giveBack gives back what take took for the same client.
func (p *places) giveBack(client uint64) {
	p.word.Add(^uint64(0))
	p.shares.Load().giveBack(client)
}

// inFlight is how many requests are in flight.
func (p *places) inFlight() uint64 { return p.word.Load() & inFlightMask }

// counts are all requests that began, and those that are in flight, at one moment.
func (p *places) counts() (all, inFlight int64) {
	word := p.word.Load()
	return int64(word >> inFlightBits), int64(word & inFlightMask)
}
