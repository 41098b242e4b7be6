package limiter

// waits says whether a taker would wait for whoever has locked the client's page.
func (w *simWorld) waits(c *simClient) bool {
	_, inTransit := w.peek(c)
	return inTransit
}

// claimable says whether nobody has the client's page locked. Pages may be added to its shard meanwhile.
func (w *simWorld) claimable(c *simClient) bool {
	hash := w.s.table.hasher.hash(c.id)
	p := w.s.table.shard(hash).leaf(hash).page
	if !p.mu.TryLock() {
		return false
	}
	p.mu.Unlock()
	return true
}

func (w *simWorld) unclaimable(c *simClient) bool { return !w.claimable(c) }

// locked says whether whoever has business with all of the clients' shards would have to wait.
func (w *simWorld) locked(clients ...*simClient) bool {
	for _, c := range clients {
		s := w.s.table.shardOf(c.id)
		if !s.shape.TryLock() {
			return true
		}
		s.shape.Unlock()
		for number := range s.pages.Load() {
			l, _ := s.directory.Load(number)
			if !l.page.mu.TryLock() {
				return true
			}
			l.page.mu.Unlock()
		}
	}
	return false
}

// grow splits the pages of a client's shard, as if it had many more clients. The reaper merges them again.
func (w *simWorld) grow() {
	t, c := w.s.table, w.sameOrOther()
	if w.locked(c) {
		return
	}
	w.during(&simOp{client: c}, func() {
		w.note("grow")
		t.split(t.shardOf(c.id))
	})
}
