package balancer

import "sync/atomic"

// turn counts the first attempts of a pool. Every request writes to it, so it has cache lines of
// its own.
type turn struct {
	_     [cacheLines]byte
	count atomic.Uint64
	_     [cacheLines]byte
}

// newRoundRobin is the builder of RoundRobin. The turn goes on when a backend's health flips.
func newRoundRobin() builder {
	t := &turn{}
	return func(f *field) chooser {
		s := inTurn(f, t)
		return &s
	}
}

// inTurn goes through the cycle by a turn.
func inTurn(f *field, t *turn) scheduled {
	n := uint64(len(f.cycle))
	return scheduled{f, func() int { return int(next(&t.count) % n) }}
}

// next counts from 0.
func next(turn *atomic.Uint64) uint64 { return turn.Add(1) - 1 }
