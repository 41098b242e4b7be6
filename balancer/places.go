package balancer

import (
	"errors"
	"sync/atomic"
)

// Why there is no place for a request.
var (
	// ErrNoneHealthy: no backend may get requests, or none that the request hasn't tried.
	ErrNoneHealthy = errors.New("no backend is healthy")
	// ErrBusy: all healthy backends have as many requests as they may.
	ErrBusy = errors.New("all connections to the healthy backends are taken")
	// ErrClientShare: there are places, but the client holds its share of them.
	ErrClientShare = errors.New("the client holds its share of the connections to each healthy backend that has one free")
)

// inFlightBits is how many low bits of places.word count the requests in flight. They are enough
// for a million, and for requests that are about to learn that there is no place.
const (
	inFlightBits = 21
	inFlightMask = 1<<inFlightBits - 1
	// oneRequest is a request that begins: one more in all, and one more in flight.
	oneRequest = 1<<inFlightBits | 1
)

// places are what requests hold at a backend, one each. A request that begins or ends changes one
// word.
type places struct {
	// most is how many places there are; 0 is no bound.
	most uint64
	// word counts all requests in the high bits, and those in flight in the low ones.
	word atomic.Uint64
	// shares bounds what one client holds; nil is no bound.
	shares *shares
}

// take takes a place for a client. The error is ErrBusy or ErrClientShare.
func (p *places) take(client uint64) error {
	if p.most > 0 && p.word.Load()&inFlightMask >= p.most {
		return ErrBusy
	}
	if !p.shares.take(client) {
		return ErrClientShare
	}
	if p.word.Add(oneRequest)&inFlightMask > p.most && p.most > 0 {
		p.word.Add(^uint64(oneRequest - 1))
		p.shares.giveBack(client)
		return ErrBusy
	}
	return nil
}

// giveBack gives back what take took for the same client.
func (p *places) giveBack(client uint64) {
	p.word.Add(^uint64(0))
	p.shares.giveBack(client)
}

// counts are all requests that began, and those that are in flight, at one moment.
func (p *places) counts() (all, inFlight int64) {
	word := p.word.Load()
	return int64(word >> inFlightBits), int64(word & inFlightMask)
}
