package balancer

// health is a backend's health by its probes. It knows no clock and no network, and takes no lock.
type health struct {
	// up is the finding; false before the first result.
	up bool
	// last is the last result, and streak how many in a row were the same; 0 if there was none.
	last   bool
	streak int
}

// observe takes a probe's result and reports whether it flipped the finding. The first result
// decides alone, so a start needs only one round of probes, and it counts as a flip either way.
// After that it takes rise successes in a row, or fall failures.
func (h *health) observe(ok bool, rise, fall int) (flipped bool) {
	first := h.streak == 0
	if ok != h.last {
		h.streak = 0
	}
	h.last = ok
	h.streak++
	need := fall
	if ok {
		need = rise
	}
	if !first && (ok == h.up || h.streak < need) {
		return false
	}
	h.up = ok
	return true
}

// known reports whether there was a result.
func (h *health) known() bool { return h.streak > 0 }
