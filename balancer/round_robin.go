package balancer

import "sync/atomic"

// roundRobin goes through the schedule in order.
//
// What a backend can't have is spread over the others by weight, and each backend has a turn of its
// own for that. With one turn for both, passing over would unbalance the first attempts, and the
// backend that is scheduled behind a full one would get everything that the full one can't have.
type roundRobin struct {
	cycle schedule
	turn  *firstTurn
}

// firstTurn counts the first attempts. Every request of a pool writes to it, so it has cache lines
// of its own.
type firstTurn struct {
	_ [cacheLines]byte
	turn
	_ [cacheLines]byte
}

// turn counts picks.
type turn struct{ picks atomic.Uint64 }

// next is the number of this pick, from 0 on, below n.
func (t *turn) next(n uint64) uint64 { return (t.picks.Add(1) - 1) % n }

func newRoundRobin() builder {
	turn := &firstTurn{}
	return func(available []*Backend) picker { return &roundRobin{newSchedule(available), turn} }
}

func (r *roundRobin) pick(client uint64, tried tried) (*Backend, error) {
	why := ErrNoneHealthy
	if tried.n == 0 {
		b := r.cycle[r.turn.next(uint64(len(r.cycle)))]
		if why = b.begin(client); why == nil {
			return b, nil
		}
		tried = tried.with(b)
	}
	others := r.cycle.others(&tried)
	if others == 0 {
		return nil, why
	}
	return r.cycle.takeOther(tried.last().passed.next(others), client, &tried, why)
}
