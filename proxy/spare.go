package proxy

import "gopher-equalizer/balancer"

// closeKept closes the connections to all backends that nobody uses. It is called when there are no
// descriptors left for one that is needed: a backend that had more to do a while ago keeps some
// that another one needs now.
func (h *hostClients) closeKept() {
	for _, c := range h.list() {
		c.closeKept()
	}
}

// dialWith dials, and once more without the kept connections if there are no descriptors left.
func dialWith[Conn any](h *hostClients, dial func() (Conn, error)) (Conn, error) {
	conn, err := dial()
	if balancer.IsOurs(err) {
		h.closeKept()
		return dial()
	}
	return conn, err
}
