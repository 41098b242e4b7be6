package balancer

// PoolStatus is a pool as operators see it.
type PoolStatus struct {
	Name     string
	Strategy Strategy
	// Backends is how many there are, and Available how many of them requests go to now.
	Backends, Available int
	// InFlight counts the requests that its backends have now, MaxInFlight bounds them; 0 doesn't.
	InFlight, MaxInFlight int64
	Queue                 QueueStatus
}

// PoolStatus is what operators see of the pool.
func (p *Pool) PoolStatus() PoolStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := PoolStatus{
		Name: p.name, Strategy: p.strategy, Backends: len(p.backends),
		MaxInFlight: int64(p.places.most.Load()), Queue: p.queue.status(),
	}
	if picker := p.picker.Load(); picker != nil {
		s.Available = len(picker.backends)
	}
	for _, b := range p.backends {
		s.InFlight += int64(b.places.inFlight())
	}
	return s
}
