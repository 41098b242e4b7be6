package balancer

import (
	"errors"
	"sync/atomic"
)

// Why there is no place at any backend.
var (
	// ErrNoneHealthy is for a request when no backend, or no other backend, may get requests.
	ErrNoneHealthy = errors.New("no backend is healthy")
	// ErrBusy is for a request when all healthy backends have as many as they may.
	ErrBusy = errors.New("all connections to the healthy backends are taken")
	// ErrClientShare is for a request when there is room, but its client holds its share already.
	ErrClientShare = errors.New("the client holds its share of the connections to each healthy backend that has one free")
)

// inFlightBits are the low bits of places.word, which count the requests in flight. That is
// enough for a million of them, and for those that are about to learn that there is no room.
const (
	inFlightBits = 21
	inFlightMask = 1<<inFlightBits - 1
	// oneRequest is a request that begins: one more in all, and one more in flight.
	oneRequest = 1<<inFlightBits | 1
)

// places are a backend's connections as far as requests hold them. A request that begins or ends
// changes one word.
type places struct {
	// most is how many there are; 0 stands for no bound.
	most uint64
	// word counts all requests in the high bits, and those in flight in the low ones.
	word atomic.Uint64
	// shares bounds what one client holds; nil doesn't.
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

// giveBack ends what take began for the same client.
func (p *places) giveBack(client uint64) {
	p.word.Add(^uint64(0))
	p.shares.giveBack(client)
}

// counts are all requests that began, and those that are in flight, at one moment.
func (p *places) counts() (all, inFlight int64) {
	word := p.word.Load()
	return int64(word >> inFlightBits), int64(word & inFlightMask)
}
