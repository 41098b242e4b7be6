package balancer

import (
	"slices"
	"strings"
)

// byHash has all requests of a client go to the same backend. Which one that is depends on the
// backends' URLs and weights alone. If a backend leaves, its clients are spread over the others,
// and nearly all the other clients stay where they are.
//
// Loads are bounded: a client goes elsewhere while its backend has far more to do than the mean
// (Mirrokni and others, "Consistent Hashing with Bounded Loads").
type byHash struct {
	*candidates
	// owners are the backends of the slots that clients are hashed to.
	owners []uint16
	// most is how many requests in flight a backend with a weight of 1 may have.
	most atomicFloat
}

const (
	// overMean is how many times the mean a backend may have in flight, and anyWay how many
	// requests it may have in any case: few of one client at the same time are no overload.
	overMean = 1.25
	anyWay   = 8
)

// newHash is the builder of Hash.
func newHash() builder {
	return func(c *candidates) chooser {
		h := &byHash{candidates: c, owners: owners(c.backends)}
		h.bound(h.now())
		return h
	}
}

func (h *byHash) choose(c Client) *Backend { return h.find(c.Key, &tried{}) }

func (h *byHash) another(c Client, tried tried) *Backend { return h.find(c.Key, &tried) }

// find is a client's backend, or where it goes in place of that; nil if all were tried.
func (h *byHash) find(key uint64, tried *tried) *Backend {
	n, at := len(h.backends), h.now()
	if h.below(n) == 0 { // This is often enough: n requests make a difference of one at each.
		h.bound(at)
	}
	if key == 0 {
		key = h.dice()
	}
	if b := h.backends[h.owners[scale(key, slots)]]; !tried.has(b) && h.takes(b, key, at) {
		return b
	}
	// The clients of one owner are spread over all others, each always to the same one.
	first := scale(mix(key), n)
	for i := range n {
		if b := h.backends[(first+i)%n]; !tried.has(b) && h.takes(b, key, at) {
			return b
		}
	}
	for i := range n {
		if b := h.backends[(first+i)%n]; !tried.has(b) {
			return b
		}
	}
	return nil
}

// takes reports whether a backend may have one more request in flight, of this client.
func (h *byHash) takes(b *Backend, key uint64, at moment) bool {
	n := b.places.inFlight()
	if n >= anyWay && float64(n) >= h.most.Load()*h.weight(b, at) {
		return false
	}
	// The same part of the clients, and not any, are those whom a slow start has go elsewhere.
	return at == 0 || float64(mix(key+KeyOf(b.Name()))) < h.warmth(b, at)*(1<<64)
}

// bound finds out how much is in flight.
func (h *byHash) bound(at moment) {
	inFlight, weight := uint64(1), 0.0 // This one counts.
	for _, b := range h.backends {
		inFlight += b.places.inFlight()
		weight += h.weight(b, at)
	}
	h.most.Store(overMean * float64(inFlight) / weight)
}

// slots is a prime. With 650 backends of equal weight each still has 100 slots, give or take one.
const slots = 65537

// owners gives the slots to the backends by Maglev hashing (Eisenbud and others, NSDI 2016): each
// has an order of its own in which it wants the slots, and they take turns.
func owners(backends []*Backend) []uint16 {
	all := make([]uint16, slots)
	wishes := newWishes(backends)
	taken := make([]bool, slots)
	for left := slots; left > 0; {
		for i := range wishes {
			w := &wishes[i]
			if !w.isTurn() {
				continue
			}
			slot := w.next(taken)
			taken[slot], all[slot] = true, w.of
			if left--; left == 0 {
				break
			}
		}
	}
	return all
}

// wishes are in which order a backend wants the slots: each step-th from the first on. A prime
// number of slots has it come to all of them.
type wishes struct {
	of          uint16
	first, step uint64
	// credit grows by the weight with each turn, and a slot costs the largest weight.
	credit, weight, cost int
}

// newWishes is the wishes of all backends, in an order that only depends on their URLs.
func newWishes(backends []*Backend) []wishes {
	all, parts := make([]wishes, len(backends)), parts(backends)
	heaviest := slices.Max(parts)
	for i, b := range backends {
		name := KeyOf(b.Name())
		all[i] = wishes{
			of: uint16(i), first: name % slots, step: 1 + mix(name)%(slots-1),
			weight: parts[i], cost: heaviest,
		}
	}
	slices.SortFunc(all, func(w, v wishes) int { return strings.Compare(backends[w.of].Name(), backends[v.of].Name()) })
	return all
}

// isTurn takes a turn, and reports whether it is worth a slot.
func (w *wishes) isTurn() bool {
	if w.credit += w.weight; w.credit < w.cost {
		return false
	}
	w.credit -= w.cost
	return true
}

// next is the slot that it wants most of those that aren't taken.
func (w *wishes) next(taken []bool) (slot uint64) {
	for {
		slot = w.first
		w.first = (w.first + w.step) % slots
		if !taken[slot] {
			return slot
		}
	}
}
