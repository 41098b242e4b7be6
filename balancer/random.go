package balancer

import "math/rand/v2"

// random draws from the schedule, so each backend is as likely as its weight says.
type random struct{ cycle schedule }

func newRandom() builder {
	return func(available []*Backend) picker { return &random{newSchedule(available)} }
}

func (r *random) pick(client uint64, tried tried) (*Backend, error) {
	why := ErrNoneHealthy
	if tried.n == 0 {
		b := r.cycle[rand.IntN(len(r.cycle))]
		if why = b.begin(client); why == nil {
			return b, nil
		}
		tried = tried.with(b)
	}
	others := r.cycle.others(&tried)
	if others == 0 {
		return nil, why
	}
	return r.cycle.takeOther(rand.Uint64N(others), client, &tried, why)
}
