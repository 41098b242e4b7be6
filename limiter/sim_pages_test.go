//go:build simulation

package limiter

// waits reports whether a taker would wait for the lock of the client's page.
func (w *simWorld) waits(c *simClient) bool {
	_, inTransit := w.peek(c)
	return inTransit || !w.claimable(c) && w.isToFollow(c)
}

// isToFollow reports whether a taker would lock the client's page to have its bucket follow other
// numbers.
func (w *simWorld) isToFollow(c *simClient) (has bool) {
	w.quietly(func() { has = w.table(c).IsOfFormer(c.id) })
	return has
}

// claimable reports whether nobody has the client's page locked. Pages may be added to its shard
// meanwhile.
func (w *simWorld) claimable(c *simClient) bool {
	return w.table(c).Claimable(c.id)
}

func (w *simWorld) unclaimable(c *simClient) bool { return !w.claimable(c) }

// locked reports whether a caller that needs all of the clients' shards would have to wait.
func (w *simWorld) locked(clients ...*simClient) bool {
	for _, c := range clients {
		if w.table(c).Locked(c.id) {
			return true
		}
	}
	return false
}

// grow splits the pages of a client's shard, as if it had many more clients. The reaper merges them
// again.
func (w *simWorld) grow() {
	c := w.sameOrOther()
	t := w.table(c)
	if w.locked(c) {
		return
	}
	w.during(&simOp{client: c}, func() {
		w.note("grow")
		t.Grow(c.id)
	})
}
