package balancer

import "sync/atomic"

// turn counts the first attempts of a pool. Every request writes to it, so it has cache lines of
// its own.
type turn struct {
	_     [cacheLines]byte
	count atomic.Uint64
	_     [cacheLines]byte
}

// roundRobin goes through the cycle by a turn, whatever the backends have to do.
type roundRobin struct {
	*candidates
	*turn
}

// newRoundRobin is the builder of RoundRobin. The turn goes on when a backend's health flips.
func newRoundRobin() builder {
	t := &turn{}
	return func(c *candidates) chooser { return &roundRobin{c, t} }
}

func (r *roundRobin) choose(Client) *Backend { return r.inTurn(r.turn, r.now()) }

func (r *roundRobin) another(_ Client, tried tried) *Backend { return r.other(&tried) }

// inTurn is the next of the cycle.
func (c *candidates) inTurn(t *turn, at moment) (b *Backend) {
	for range maxDraws {
		b = c.cycle[next(&t.count)%uint64(len(c.cycle))]
		if !c.isSpared(b, at) {
			break
		}
	}
	return b
}

// next counts from 0.
func next(turn *atomic.Uint64) uint64 { return turn.Add(1) - 1 }
