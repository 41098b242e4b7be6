package balancer

import "math/rand/v2"

// atRandom draws each backend as likely as its weight says.
type atRandom struct{}

// newRandom is the builder of Random.
func newRandom() builder {
	return func(available []*Backend) picker { return &scheduled{newSchedule(available), atRandom{}} }
}

func (atRandom) first(n uint64) uint64 { return rand.Uint64N(n) }

func (atRandom) other(_ *Backend, n uint64) uint64 { return rand.Uint64N(n) }
