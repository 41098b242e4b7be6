package limiter

// waits says whether a taker would wait for whoever has locked the client's page.
func (w *simWorld) waits(c *simClient) bool {
	_, inTransit := w.peek(c)
	return inTransit
}

// locked says whether whoever has business with the clients' shards would have to wait.
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
	t, c := w.s.table, w.someone()
	if w.locked(c) {
		return
	}
	w.during(&simOp{client: c}, func() {
		w.note("grow")
		t.split(t.shardOf(c.id))
	})
}
