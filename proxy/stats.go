package proxy

import "sync/atomic"

// Stats is what the proxy has done and is doing. The counters are read one after the other, not at one moment.
type Stats struct {
	// Requests counts all that began, InFlight those that run now.
	Requests, InFlight int64
	// Connections are the clients' that are open.
	Connections int64
	// Status2xx and so on count the requests by their status' class. Status4xx has those whose client
	// went away before the answer.
	Status2xx, Status3xx, Status4xx, Status5xx int64
	// Limited counts the 429s that we gave.
	Limited int64
	// NoBackend and Busy count our 503s without a fit backend and without a free connection,
	// Broken our 502s, Late our 504s.
	NoBackend, Busy, Broken, Late int64
	// ClientGone counts the requests that their client broke off before the answer began.
	ClientGone int64
	// Cut counts the answers that ended early: the backend broke in the middle, or the client did.
	Cut int64
	// Resends counts the requests that were sent a second time.
	Resends int64
	// Panics counts the bugs that were contained.
	Panics int64
}

// cacheLines keeps what every request writes to away from what it reads: two lines, because
// processors fetch them in pairs.
const cacheLines = 128

// counters are what Stats is made from. A request that succeeds changes two of them.
type counters struct {
	_     [cacheLines]byte
	begun atomic.Int64
	// classes are by status / 100; their sum are the requests that ended.
	classes                                [10]atomic.Int64
	limited, noBackend, busy, broken, late atomic.Int64
	clientGone, cut, resends, panics       atomic.Int64
	_                                      [cacheLines]byte
}

// finished counts a request that ended with a status, and with f if it is not nil.
func (c *counters) finished(status int, f *failure) {
	c.classes[status/100%len(c.classes)].Add(1)
	if n := c.of(f); n != nil && status == f.status {
		n.Add(1)
	}
}

// of is the counter of a failure; nil if it has none.
func (c *counters) of(f *failure) *atomic.Int64 {
	switch f {
	case noBackend:
		return &c.noBackend
	case backendBusy:
		return &c.busy
	case backendBad:
		return &c.broken
	case backendLate:
		return &c.late
	case clientGone:
		return &c.clientGone
	}
	return nil
}

// Stats is what the proxy has done and is doing.
func (p *Proxy) Stats() Stats {
	c := &p.counters
	// Ends are read before beginnings, so that what happens in between can't make the difference negative.
	var ended int64
	var classes [len(c.classes)]int64
	for i := range classes {
		classes[i] = c.classes[i].Load()
		ended += classes[i]
	}
	begun := c.begun.Load()
	return Stats{
		Requests:    begun,
		InFlight:    begun - ended,
		Connections: int64(p.clients.Len()),
		Status2xx:   classes[2],
		Status3xx:   classes[3],
		Status4xx:   classes[4],
		Status5xx:   classes[5],
		Limited:     c.limited.Load(),
		NoBackend:   c.noBackend.Load(),
		Busy:        c.busy.Load(),
		Broken:      c.broken.Load(),
		Late:        c.late.Load(),
		ClientGone:  c.clientGone.Load(),
		Cut:         c.cut.Load(),
		Resends:     c.resends.Load(),
		Panics:      c.panics.Load(),
	}
}
