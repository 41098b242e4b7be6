package balancer

import "sync/atomic"

// inTurn draws in order. Each backend has a turn of its own for what it can't have, so the turn of
// the first attempts stays exact.
type inTurn struct {
	// Every request of a pool writes to the turn, so it has cache lines of its own.
	_    [cacheLines]byte
	turn atomic.Uint64
	_    [cacheLines]byte
}

// newRoundRobin is the builder of RoundRobin. The turn goes on when a backend's health flips.
func newRoundRobin() builder {
	draw := &inTurn{}
	return func(available []*Backend) picker { return &scheduled{newSchedule(available), draw} }
}

func (d *inTurn) first(n uint64) uint64 { return next(&d.turn) % n }

func (d *inTurn) other(b *Backend, n uint64) uint64 { return next(&b.passed) % n }

// next counts from 0.
func next(turn *atomic.Uint64) uint64 { return turn.Add(1) - 1 }
